"""A run looks at its data before the first trial: what cannot be trained, or read, is said then."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from analysis.tables import make_tables
from search_spaces.catalog import load_space
from search_spaces.errors import DataError
from sweeps.driver.data import RunData
from sweeps.driver.opened import open_sweep
from sweeps.driver.survey import labels_here, look_here
from sweeps.options import RunOptions
from tests.sweeps.data.runs import (
    RATIOS,
    SCANS,
    Started,
    run,
    space,
    write_scans,
)
from tests.sweeps.synthetic_store import write_trial
from trainer.options import TrialOptions
from trainer.store import Store

Cli = Callable[..., Result]


def test_feasible_blocks_run_and_the_others_are_told_and_noted(tmp_path: Path, started: Started) -> None:
    path = space(tmp_path, RATIOS)
    wanted = load_space(str(path)).trials
    impossible = [config for config in wanted if config.data.ratio == 3]
    outcome, text = run(path, tmp_path / "out")
    assert started.trials == [config.trial_id for config in wanted if config.data.ratio == 20]
    assert text.count("cannot be trained: digits 1:3: digits: ratio 1:3 of 451 training negatives") == 1
    assert outcome.plan.counts()["failed"] == 2
    notes = Store(tmp_path / "out").notes
    for config in impossible:
        failure = notes.read_failure(config.trial_id)
        assert failure is not None
        assert failure["message"].startswith("digits: ratio 1:3 of 451")


def test_a_relaunch_tells_again_what_cannot_be_trained_beside_the_results(
    tmp_path: Path, started: Started
) -> None:
    path, store = space(tmp_path, RATIOS), Store(tmp_path / "out")
    for config in load_space(str(path)).trials:
        if config.data.ratio == 20:
            write_trial(store, config)
    outcome, text = run(path, tmp_path / "out")
    assert not started.trials
    assert text.count("cannot be trained: digits 1:3") == 1
    counts = outcome.plan.counts()
    assert (counts["done"], counts["failed"]) == (2, 2)
    note = make_tables(store, outcome.manifest).text
    assert "digits: ratio 1:3 of 451" in " ".join(note.split())


def test_trials_that_failed_before_go_last(tmp_path: Path, started: Started) -> None:
    path = space(tmp_path, RATIOS.replace("[3, 20]", "[10, 20]"))
    first, *others = load_space(str(path)).trials
    Store(tmp_path / "out").notes.write_failure(first.trial_id, {"error": "E", "message": "m"})
    run(path, tmp_path / "out")
    assert started.trials == [*(config.trial_id for config in others), first.trial_id]


def test_data_that_are_not_there_end_a_run_at_once_in_one_line(
    cli: Cli, tmp_path: Path, started: Started
) -> None:
    done = cli("run", "paper-published", "--data-dir", tmp_path / "none", "-o", tmp_path / "out")
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(
        "almsweep: error: paper-published: no trial can be trained: cifar10: expected the folder"
    )
    assert "cifar100" in line
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_images_that_cannot_be_read_are_all_named_before_the_first_trial(
    tmp_path: Path, started: Started
) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    damaged = ("benign/003.png", "malignant/011.png")
    for name in damaged:
        (tmp_path / "scans" / name).write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        run(space(tmp_path, SCANS), tmp_path / "out", tmp_path)
    assert all(name in str(caught.value) for name in damaged)
    assert str(caught.value).count("cannot be read") == 1, "once for all ratios"
    assert not started.trials
    write_scans(tmp_path / "scans", 60, 40)
    outcome, text = run(space(tmp_path, SCANS), tmp_path / "out", tmp_path)
    assert len(started.trials) == len(outcome.plan.trials) == 2
    assert "validation  benign 5, malignant 5: drawn from the training images" in text


def test_pixels_are_looked_at_in_a_process_of_their_own(tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    sweep = open_sweep(str(space(tmp_path, SCANS)), Store(tmp_path / "out"))
    one, other = sweep.tasks
    options = TrialOptions(data_dir=tmp_path)
    found = look_here([one], [other], labels_here(sweep.tasks, options), options)
    assert list(found) == [one, other]
    hashes = {finding.survey.sha256 for finding in found.values() if finding.survey is not None}
    assert len(hashes) == 1
    assert None not in hashes


def test_a_look_at_the_data_starts_nothing_where_labels_leave_no_hope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*request: object) -> dict[str, object]:
        raise AssertionError(json.dumps(list(map(str, request))))

    monkeypatch.setattr("sweeps.driver.survey.ask", ask)
    sweep = open_sweep(str(space(tmp_path, RATIOS.replace("[3, 20]", "[3]"))), Store(tmp_path / "out"))
    data = RunData(sweep, RunOptions(), Console(file=io.StringIO()))
    with pytest.raises(DataError, match="ratios: no trial can be trained: digits: ratio 1:3"):
        data.check_hope(())
