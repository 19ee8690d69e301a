"""Two spaces of one name in one output folder: a file means what it says, and replaces nothing unasked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from search_spaces.config import TrialConfig
from search_spaces.fingerprint import trials_fingerprint
from search_spaces.spaces.two_stage import TWO_STAGE
from search_spaces.yaml.space import read_space
from sweeps.cli import cluster_commands, run_commands
from sweeps.cli.main import app
from sweeps.driver.lease import Lease
from sweeps.driver.opened import OpenedSweep, open_sweep
from sweeps.driver.run import run_sweep
from sweeps.driver.two_stage import with_second_stage
from sweeps.options import RunOptions
from sweeps.search.study import SearchStudy
from tests.plugins import install, on_path
from tests.sweeps.driver.test_two_stage import store_first_stage
from trainer.store import Store, SweepManifest

Cli = Callable[..., Result]

GRID = "fixed: {{dataset: digits, model.width: 2, epochs: 1, seeds: [1]}}\ngrid: {{loss: [{losses}]}}\n"
SEARCH = """
fixed: {{dataset: digits, model.width: 2, loss: baseline_BCE, seeds: [1]}}
search: {{domains: {{epochs: {{int_uniform: [{low}, {high}]}}}}, samples: {samples}}}
"""


def grid(folder: Path, losses: str, **more: str) -> Path:
    return written(folder, GRID.format(losses=losses), **more)


def search(folder: Path, low: int, high: int, samples: int = 3) -> Path:
    return written(folder, SEARCH.format(low=low, high=high, samples=samples))


def written(folder: Path, text: str, **more: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "space.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in more.items()) + text)
    return path


def ran(space: Path, output: Path | str, **asked: Any) -> SweepManifest:
    """A sweep as `run` leaves it in the store, before any trial has ended."""
    sweep = open_sweep(str(space), Store(output), **asked)
    manifest = sweep.manifest
    if sweep.search is not None:
        study = SearchStudy(sweep.store, sweep.name, sweep.search, manifest.samples or 0)
        while study.suggest() is not None:
            pass
        manifest = study.manifest()
    sweep.store.write_sweep(manifest)
    return manifest


def content(output: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in output.rglob("*") if path.is_file()}


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[OpenedSweep]:
    """The sweeps of every run that would have begun."""
    seen: list[OpenedSweep] = []
    monkeypatch.setattr(run_commands, "train_sweep", lambda sweep, options, **rest: seen.append(sweep))
    return seen


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The answers that were passed on to every job."""
    seen: list[list[str]] = []
    monkeypatch.setattr(
        cluster_commands, "submit", lambda context, sweep, address, answers: seen.append(list(answers))
    )
    return seen


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str, *arguments: object) -> Result:
    monkeypatch.setattr("sweeps.cli.confirm.has_terminal", lambda: True)
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*map(str, arguments)], input=answer)


# Reports


@pytest.mark.parametrize("command", [["tables"], ["status"], ["retry", "--failed"], ["reconcile"]])
def test_a_report_of_another_file_is_refused_and_says_both(
    cli: Cli, tmp_path: Path, command: list[str]
) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE, baseline_LDAM, baseline_WBCE_1_3"), output)
    other = grid(tmp_path / "b", "baseline_BCE, baseline_s_FL_g2")
    before = content(output)
    name, *options = command
    done = cli(name, other, *options, "--output", output)
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert f"{other}: expected the space that the sweep space in {output} was run with" in line
    assert "1 trial stays, 2 trials leave, 1 trial comes" in line
    assert content(output) == before


def test_a_file_that_says_the_same_trials_is_no_other(cli: Cli, tmp_path: Path) -> None:
    """Bytes, seeds and the way of reading may differ; the seeds that were last run stay."""
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE, baseline_LDAM"), output, replicates=4)
    same = grid(tmp_path / "b", "baseline_LDAM,   bce", description="words", tpr_targets="[0.9]")
    told = cli("status", same, "--output", output)
    assert told.exit_code == 0, told.output
    assert "2 trials, 8 replicates" in told.stdout


def test_the_name_shows_what_is_stored_and_a_sweep_of_before_fits_any_file(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out"
    stored = ran(grid(tmp_path / "a", "baseline_BCE, baseline_LDAM"), output)
    other = grid(tmp_path / "b", "baseline_s_FL_g2")
    assert "2 trials" in cli("status", "space", "--output", output).stdout
    assert cli("status", other, "--output", output).exit_code == 2
    Store(output).write_sweep(replace(stored, space=None))
    assert "2 trials" in cli("status", other, "--output", output).stdout


def test_a_changed_search_is_refused_and_its_suggestions_stay(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out"
    path = search(tmp_path / "a", 1, 4)
    stored = ran(path, output)
    assert cli("status", search(tmp_path / "a", 1, 4, samples=2), "--output", output).exit_code == 0
    done = cli("status", search(tmp_path / "a", 10, 14), "--output", output)
    assert done.exit_code == 2
    assert "(0 trials stay, 3 trials leave)" in done.stderr
    assert Store(output).read_sweep("space") == stored


def test_a_file_that_lacks_its_plugin_is_not_compared(cli: Cli, tmp_path: Path) -> None:
    output, losses = tmp_path / "out", "{name: squared}, {name: squared, temperature: 2}"
    path = grid(tmp_path / "a", losses)
    with on_path(install(tmp_path / "installed")):
        ran(path, output)
    told = cli("status", path, "--output", output)
    assert told.exit_code == 0, told.output
    assert "2 trials, 2 replicates" in told.stdout
    for wrong in (grid(tmp_path / "b", "baseline_BEC"), grid(tmp_path / "c", losses, name="never-run")):
        assert cli("status", wrong, "--output", output).exit_code == 2


# Runs


def test_a_run_that_takes_trials_out_needs_replace_where_nobody_can_be_asked(
    cli: Cli, begun: list[OpenedSweep], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    other = grid(tmp_path / "b", "baseline_s_FL_g2")
    before = content(output)
    for options in ([], ["--yes"]):
        refused = cli("run", other, "--output", output, *options)
        assert refused.exit_code == 2, refused.output
        (line,) = refused.stderr.strip().splitlines()
        assert "expected --replace" in line
        assert "0 trials stay, 1 trial leaves, 1 trial comes" in line
    assert begun == []
    assert content(output) == before
    agreed = cli("run", other, "--output", output, "--replace")
    assert agreed.exit_code == 0, agreed.output
    assert "0 trials stay, 1 trial leaves, 1 trial comes" in agreed.stdout
    assert [sweep.manifest.trials for sweep in begun] == [read_space(other).trials]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_at_a_terminal_it_is_asked(
    begun: list[OpenedSweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    other = grid(tmp_path / "b", "baseline_s_FL_g2")
    done = at_a_terminal(monkeypatch, answer, "run", other, "--yes", "--output", output)
    assert done.exit_code == code, done.output
    assert (
        "Replace the sweep space, of which 0 trials stay, 1 trial leaves, 1 trial comes? [y/N]" in done.output
    )
    assert len(begun) == 1 - code


def test_adding_trials_is_said_and_not_asked(cli: Cli, begun: list[OpenedSweep], tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    more = grid(tmp_path / "a", "baseline_BCE, baseline_LDAM")
    done = cli("run", more, "--output", output)
    assert done.exit_code == 0, done.output
    assert "1 trial stays, 0 trials leave, 1 trial comes" in done.stdout
    assert "come" not in cli("run", grid(tmp_path / "b", "bce"), "--output", output).stdout
    assert len(begun) == 2


def test_plan_says_it_and_asks_nothing(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    planned = cli("plan", grid(tmp_path / "b", "baseline_LDAM"), "--output", output)
    assert planned.exit_code == 0, planned.output
    assert "0 trials stay, 1 trial leaves, 1 trial comes" in planned.stdout


def test_what_leaves_a_sweep_of_before_is_said_and_not_asked(
    cli: Cli, begun: list[OpenedSweep], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    stored = ran(grid(tmp_path / "a", "baseline_BCE, baseline_LDAM"), output)
    Store(output).write_sweep(replace(stored, space=None))
    done = cli("run", grid(tmp_path / "b", "baseline_LDAM"), "--output", output)
    assert done.exit_code == 0, done.output
    assert "1 trial stays, 1 trial leaves, 0 trials come" in done.stdout
    assert len(begun) == 1


def test_a_job_asks_where_it_is_typed_and_passes_the_answer_on(
    cli: Cli, submitted: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    command = ["run", grid(tmp_path / "b", "baseline_LDAM"), "--output", output, "--job"]
    assert cli(*command).exit_code == 2
    assert submitted == []
    assert cli(*command, "--replace").exit_code == 0
    assert at_a_terminal(monkeypatch, "y\n", *command).exit_code == 0
    assert submitted == [["--replace"], ["--replace"]]
    assert cli(*command, "--address", "http://head:8265").exit_code == 0
    assert submitted[2:] == [[]], "the folder of that name there is another"


def test_a_sweep_that_another_driver_runs_is_not_asked_about(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    with Lease(Store(output), "space"):
        refused = cli("run", grid(tmp_path / "b", "baseline_LDAM"), "--output", output)
    assert refused.exit_code == 4, refused.output
    assert "is being run by process" in refused.stderr


def test_a_run_sees_that_another_driver_replaced_the_sweep_meanwhile(tmp_path: Path) -> None:
    from rich.console import Console

    from search_spaces.errors import LeaseError

    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    waiting = open_sweep(str(grid(tmp_path / "b", "baseline_LDAM")), Store(output))
    between = ran(grid(tmp_path / "c", "baseline_s_FL_g2"), output)
    with pytest.raises(LeaseError, match="another space by another driver"):
        run_sweep(waiting, RunOptions(no_tracking=True), Console())
    assert Store(output).read_sweep("space") == between


def test_a_bucket_is_told_alike(cli: Cli, begun: list[OpenedSweep], s3_uri: str, tmp_path: Path) -> None:
    ran(grid(tmp_path / "a", "baseline_BCE"), s3_uri)
    other = grid(tmp_path / "b", "baseline_LDAM")
    assert "1 trial leaves" in cli("status", other, "--output", s3_uri).stderr
    assert cli("run", other, "--output", s3_uri).exit_code == 2
    assert cli("run", other, "--output", s3_uri, "--replace").exit_code == 0
    assert len(begun) == 1


def test_a_named_space_of_another_version_is_shown_by_its_name_and_replaced_when_agreed(
    cli: Cli, begun: list[OpenedSweep], tmp_path: Path
) -> None:
    """Presets may have changed with the program."""
    sweep = open_sweep("demo", Store(tmp_path))
    older = [config.model_copy(update={"epochs": 7}) for config in sweep.manifest.trials[:2]]
    trials = (*older, *sweep.manifest.trials[2:])
    sweep.store.write_sweep(replace(sweep.manifest, trials=trials, space=trials_fingerprint(trials)))
    assert cli("status", "demo", "--output", tmp_path).exit_code == 0
    assert Store(tmp_path).read_sweep("demo").trials == trials
    refused = cli("run", "demo", "--output", tmp_path)
    assert refused.exit_code == 2
    assert "10 trials stay, 2 trials leave, 2 trials come" in refused.stderr
    assert cli("run", "demo", "--output", tmp_path, "--replace").exit_code == 0
    assert len(begun) == 1


# Searches and stages


def test_a_wider_search_goes_on_and_another_one_begins_anew(tmp_path: Path) -> None:
    """What was suggested and still lies in the search stays; the other's number of samples does not bind."""
    output = tmp_path / "out"
    stored = ran(search(tmp_path / "a", 1, 4), output, samples=4)
    wider = open_sweep(str(search(tmp_path / "b", 1, 9)), Store(output))
    assert wider.change is not None
    assert wider.change.words() == "4 trials stay, 0 trials leave"
    assert wider.manifest.trials == stored.trials
    assert wider.manifest.samples == 4
    other = open_sweep(str(search(tmp_path / "c", 3, 9, samples=2)), Store(output))
    assert other.change is not None
    assert other.change.words() == "2 trials stay, 2 trials leave"
    assert epochs(other.manifest.trials) == {3, 4}
    assert other.manifest.samples == 2


def test_a_search_takes_no_trial_of_a_grid_of_its_name(tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    opened = open_sweep(str(search(tmp_path / "b", 1, 4)), Store(output))
    assert opened.change is not None
    assert opened.change.leaving == 1
    assert opened.manifest.trials == ()


def epochs(trials: tuple[TrialConfig, ...]) -> set[int]:
    return {config.epochs for config in trials}


def test_a_second_stage_stays_while_the_first_is_the_same(tmp_path: Path) -> None:
    """Where the first stage became another, by another version's losses, all of the old trials leave."""
    first, store = store_first_stage(tmp_path), Store(tmp_path)
    opened = open_sweep(TWO_STAGE, store)
    whole = with_second_stage(store, replace(first, space=opened.manifest.space), "ensemble-val-auroc")
    store.write_sweep(whole)
    again = open_sweep(TWO_STAGE, store)
    assert again.change is None
    assert len(again.manifest.trials) == len(whole.trials)
    store.write_sweep(replace(whole, space=None))
    assert open_sweep(TWO_STAGE, store).change is None
    store.write_sweep(replace(whole, space="0123456789abcdef"))
    changed = open_sweep(TWO_STAGE, store)
    assert changed.change is not None
    assert changed.change.leaving == len(whole.trials) - len(first.trials)
    assert all(config.constraint is None for config in changed.manifest.trials)
