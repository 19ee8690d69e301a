"""A run that would replace the stored sweep of its name says so, and asks before trials leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from search_spaces.errors import LeaseError
from search_spaces.fingerprint import trials_fingerprint
from search_spaces.yaml.space import read_space
from sweeps.cli import cluster_commands, run_commands
from sweeps.cli.main import app
from sweeps.driver.lease import Lease
from sweeps.driver.opened import OpenedSweep, open_sweep
from sweeps.driver.run import run_sweep
from sweeps.options import RunOptions
from tests.sweeps.two_spaces import content, grid, ran
from trainer.store import Store

Cli = Callable[..., Result]


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
