"""Commands that messages advise: pasted into a shell, they do what the message says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from sweeps.driver.run import SweepOutcome
from sweeps.plan import make_plan
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

Cli = Callable[..., Result]
ADVICE = re.compile(r": (almsweep .+)$", re.MULTILINE)


@pytest.fixture
def failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run ends with a trial that failed and one that MLflow does not show."""

    def run_sweep(sweep: object, options: object, console: object, **rest: object) -> SweepOutcome:
        store: Store = sweep.store  # type: ignore[attr-defined]
        trials = synthetic.trials()
        synthetic.write_sweep(store, trials)
        for trial in trials[1:]:
            synthetic.write_trial(store, trial)
        failure = {"error": "DataError", "message": "no image", "traceback": [], "seeds": [1, 2, 3]}
        store.notes.write_failure(trials[0].trial_id, failure)
        manifest = synthetic.manifest()
        outcome = SweepOutcome(manifest, make_plan("demo", trials, store), 4, False, untracked=1)
        rest["show"](outcome)  # type: ignore[operator]
        return outcome

    monkeypatch.setattr("sweeps.driver.run.run_sweep", run_sweep)


def advice(done: Result) -> list[list[str]]:
    """The advised commands, as a shell splits them."""
    return [shlex.split(command)[1:] for command in ADVICE.findall(done.output)]


def test_what_a_failed_run_advises_works_as_it_stands(cli: Cli, failed_run: None, tmp_path: Path) -> None:
    given = ["--output", str(tmp_path / "it's here"), "--data-dir", str(tmp_path / "my data")]
    given += ["--tracking-uri", f"sqlite:///{tmp_path}/m l.db", "--address", "10.0.0.1:6379"]
    done = cli("run", "demo", *given, "--cpus-per-trial", 2, "--take-over", "--yes")
    assert done.exit_code == 1, done.output
    status, retry, reconcile = advice(done)
    assert status == ["status", "demo", "--failed", *given[:2]]
    assert retry[:3] == ["retry", "demo", "--failed"]
    assert sorted(retry[3:]) == sorted([*given, "--cpus-per-trial", "2"])
    assert reconcile[:2] == ["reconcile", "demo"]
    assert sorted(reconcile[2:]) == sorted([*given[:2], *given[4:6]])
    told = cli(*status)
    assert told.exit_code == 0, told.output
    assert "DataError: no image" in told.output
    # The advice of the advised command works too.
    assert advice(told) == [["retry", "demo", "--failed", *given[:2]]]
    assert cli(*reconcile).exit_code == 0


def test_the_file_that_was_given_stands_in_the_advice(cli: Cli, tmp_path: Path) -> None:
    space = tmp_path / "my space.yaml"
    space.write_text("name: mine\nfixed: {dataset: digits, loss: baseline_BCE}\n")
    done = cli("retry", space, "--output", tmp_path / "out")
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert advice(done) == [["run", str(space), "--output", str(tmp_path / "out")]]
    planned = cli(*advice(done)[0], "--replicates", 2000)
    assert planned.exit_code == 2
    assert planned.stderr.strip().endswith("this one trains 2,000")
