"""Images that changed between two runs, or were spoilt."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from search_spaces.catalog import load_space
from search_spaces.errors import DataError
from sweeps.driver.opened import open_stored
from sweeps.driver.run import run_sweep
from sweeps.options import RunOptions
from tests.sweeps.data.runs import (
    RATIOS,
    SCANS,
    Started,
    rewrite_as_of_other_data,
    run,
    space,
    write_scans,
    write_trial_of_other_data,
)
from tests.sweeps.synthetic_store import write_trial
from trainer.options import TrialOptions
from trainer.store import Store

Cli = Callable[..., Result]


def test_changed_data_are_refused_with_both_hashes_and_trained_again_when_asked(
    tmp_path: Path, started: Started, cli: Cli
) -> None:
    path, output = space(tmp_path, RATIOS.replace("[3, 20]", "[20]")), tmp_path / "out"
    store, wanted = Store(output), load_space(str(path)).trials
    run(path, output)
    write_trial(store, wanted[0])
    started.trials.clear()
    for file in output.glob("trials/*/replicates/*/result.*.json"):
        rewrite_as_of_other_data(store, file)
    done = cli("run", path, "-o", output, "--no-tracking")
    assert done.exit_code == 2
    assert f"1 trial trained on data {'e' * 64}, now there are data be20c072929d86309d" in done.stderr
    assert f"almsweep retry {path} --changed-data --output {output}" in done.stderr
    assert not started.trials
    write_trial_of_other_data(store, wanted[1])
    with pytest.raises(DataError, match=r"2 trials trained on data e{64}"):
        run(path, output)  # nothing is missing, and they are compared all the same
    console = Console(file=io.StringIO())
    options = RunOptions(no_tracking=True, trial=TrialOptions(changed_data=True))
    run_sweep(open_stored(str(path), store), options, console)
    assert started.trials == [config.trial_id for config in wanted]
    assert started.options is not None
    assert started.options.trial.changed_data


def test_where_nothing_is_to_be_trained_absent_data_are_not_asked_for(
    tmp_path: Path, started: Started
) -> None:
    path, store = space(tmp_path, SCANS), Store(tmp_path / "out")
    for config in load_space(str(path)).trials:
        write_trial(store, config)
    for data_dir in (None, tmp_path / "none"):
        outcome, text = run(path, tmp_path / "out", data_dir)
        assert outcome.plan.counts()["done"] == 2
        assert text == ""
    write_scans(tmp_path / "scans", 60, 40)
    with pytest.raises(DataError, match="the data have changed"):
        run(path, tmp_path / "out", tmp_path)


def _cut_an_image(data_dir: Path) -> None:
    (data_dir / "scans" / "benign" / "003.png").write_bytes(b"no image")


def _lose_a_class(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "scans" / "malignant")


@pytest.mark.parametrize("spoil", [_cut_an_image, _lose_a_class])
def test_data_that_are_there_and_spoilt_are_said_where_nothing_is_to_be_trained(
    tmp_path: Path, started: Started, spoil: Callable[[Path], None]
) -> None:
    """They cannot be those of the results, and nobody can compare them; asked for, it is an error."""
    path, store = space(tmp_path, SCANS), Store(tmp_path / "out")
    for config in load_space(str(path)).trials:
        write_trial(store, config)
    write_scans(tmp_path / "scans", 60, 40)
    spoil(tmp_path)
    outcome, text = run(path, tmp_path / "out", tmp_path)
    assert outcome.plan.counts()["done"] == 2
    (line,) = text.splitlines()
    assert line.startswith("not compared with the data of stored results: scans 1:2")
    with pytest.raises(DataError, match="scans: no trial can be trained: "):
        run(path, tmp_path / "out", tmp_path, changed_data=True)
    assert not started.trials


def test_a_trial_that_ended_on_other_data_is_not_shown_by_train_as_if_it_were_of_these(
    cli: Cli, tmp_path: Path
) -> None:
    path, store = space(tmp_path, RATIOS.replace("[3, 20]", "[20]")), Store(tmp_path / "out")
    same, other = load_space(str(path)).trials
    write_trial(store, same)
    write_trial_of_other_data(store, other)
    train = ("train", path, "-o", tmp_path / "out", "--trial")
    assert cli(*train, same.trial_id).exit_code == 0
    done = cli(*train, other.trial_id)
    assert done.exit_code == 2
    assert f"seed 1: trained on data {'e' * 64}, now there are data be20c0" in done.stderr
    assert "--changed-data" in done.stderr
