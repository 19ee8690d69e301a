"""The options of a command fill the fields of their names, and a run loads its space once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest
from click.testing import Result

from search_spaces.catalog import load_space
from search_spaces.space import SearchSpace
from sweeps.cli import run_commands
from sweeps.cli.options import ForPlan, ForRun, ForTrain
from sweeps.options import RunOptions
from trainer.options import TrialOptions

InProcess = Callable[..., Result]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """The options of every run that would have begun."""
    for name in ("ALMSWEEP_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    seen: list[RunOptions] = []
    monkeypatch.setattr(run_commands, "train_sweep", lambda sweep, options, **rest: seen.append(options))
    return seen


@pytest.mark.parametrize("command", [["run", "demo"], ["retry", "demo", "--failed"]])
def test_options_are_those_of_the_run(
    cli: InProcess, asked: list[RunOptions], tmp_path: Path, command: list[str]
) -> None:
    of_trials = ["--data-dir", "data", "--download", "--cpus-per-trial", "3", "--compile"]
    of_trials += ["--images", "streamed", "--keep-weights", "all", "--hang-seconds", "900"]
    of_runs = ["--gpus-per-trial", "0.5", "--max-concurrent", "2", "--take-over", "--no-tracking"]
    of_runs += ["--address", "auto", "--rule", "mean-val-auroc", "--tracking-uri", "sqlite:///x.db"]
    for given in ([], [*of_trials, *of_runs]):
        done = cli(*command, "--output", tmp_path, *given)
        assert done.exit_code == 0, done.output
    by_default, as_given = asked
    assert by_default == RunOptions()
    trial = TrialOptions(
        data_dir=Path("data").absolute(),
        download=True,
        threads=3,
        compile=True,
        images="streamed",
        keep_weights="all",
        hang_seconds=900.0,
    )
    assert as_given == RunOptions(
        trial=trial,
        address="auto",
        gpus_per_trial=0.5,
        max_concurrent=2,
        rule="mean-val-auroc",
        tracking_uri="sqlite:///x.db",
        no_tracking=True,
        take_over=True,
    )


def test_a_run_has_a_scheduler_too(cli: InProcess, asked: list[RunOptions], tmp_path: Path) -> None:
    given = ["--scheduler", "asha", "--grace-epochs", 3]
    assert cli("run", "demo", "--output", tmp_path, *given).exit_code == 0
    assert asked == [RunOptions(scheduler="asha", grace_epochs=3)]


@pytest.mark.parametrize("declared", [ForTrain, ForPlan, ForRun])
def test_every_shared_option_fills_a_field(declared: type) -> None:
    fields = {*TrialOptions.model_fields, *RunOptions.model_fields}
    assert set(get_type_hints(declared)) <= fields


def test_a_run_loads_its_space_once(
    cli: InProcess, asked: list[RunOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(name: str) -> SearchSpace:
        loaded.append(name)
        return load_space(name)

    monkeypatch.setattr("sweeps.driver.opened.load_space", load)
    assert cli("run", "paper-search", "--num-samples", 3, "--output", tmp_path).exit_code == 0
    assert loaded == ["paper-search"]
