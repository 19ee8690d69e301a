"""Trials side by side are shown in MLflow on PostgreSQL, both of which are killed and come back.

Afterwards `almsweep reconcile` makes MLflow and the result store agree exactly: as many runs as trials, and
the same metrics, name by name, step by step and value by value. Read from PostgreSQL and from the result
files, both without the code under test.
"""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search_spaces.catalog import load_space
from search_spaces.config import Ldam, TrialConfig
from tests.mlflow_server import MlflowServer
from tests.postgres_server import PostgresServer, postgres_folder
from tests.processes import end_family, wait_until
from trainer.metrics.binary import summarize
from trainer.store import Done, Store

pytestmark = [
    pytest.mark.group(name="tracking"),
    pytest.mark.timeout(1800),
]

ROOT = Path(__file__).parent.parent.parent
GATED = Path(__file__).parent / "gated_run.py"
TRIALS = 4
SPACE = """
name: {name}
fixed: {{dataset: digits, ratio: 20, epochs: {epochs}, patience: null, model.width: 4, seeds: [1, 2]}}
grid:
  loss: [baseline_BCE, baseline_LDAM]
  alm: [none, ALM_14_beg]
  delta: [0.25]
"""
EPOCHS = 9
SPREAD = ("auroc", "fpr_at_tpr_98", "fpr_at_tpr_95", "fpr_at_tpr_90")
CONSTRAINT = ("train/violation", "train/penalty", "train/multiplier_mean", "train/multiplier_max")

Point = tuple[str, str, int, float]  # trial id, metric, step, value
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    pytest.importorskip("psycopg2", reason="needs the extra: pip install 'almsweep[postgres]'")
    programs = postgres_folder()
    if programs is None:
        pytest.skip("needs PostgreSQL's programs (Debian: postgresql); found none")
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def mlflow(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    pytest.importorskip("flask_wtf", reason="needs the extra: pip install 'mlflow[auth]'")
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"), postgres.uri, postgres.password)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def stored_points(store: Store, config: TrialConfig, done: dict[int, Done]) -> Iterator[Point]:
    """What the result files of a trial say, as MLflow is to show it."""
    for name, step, value in [*_curves(store, config, done), *_finals(store, config, done)]:
        yield config.trial_id, name, step, value


def _curves(store: Store, config: TrialConfig, done: dict[int, Done]) -> Iterator[tuple[str, int, float]]:
    frame = pd.concat([store.replicates.read_epochs(d).to_pandas() for d in done.values()])
    for epoch, rows in frame.groupby("epoch"):
        for column in rows.columns:
            values = [v for v in rows[column] if math.isfinite(v)]
            if not values or column in ("epoch", "seconds"):
                continue
            mean = math.fsum(values) / len(values)
            if column.startswith("ensemble/"):
                (value,) = set(values)  # one ensemble, told by every replicate
                yield column.removeprefix("ensemble/"), int(epoch), value
            elif column == "learning_rate":
                yield "train/learning_rate", int(epoch), mean
            elif column not in CONSTRAINT:
                yield f"{column}_mean", int(epoch), mean
            elif config.constraint is not None:
                value = max(values) if column.endswith("_max") else mean
                yield column if "multiplier" in column else f"{column}_mean", int(epoch), value


def _finals(store: Store, config: TrialConfig, done: dict[int, Done]) -> Iterator[tuple[str, int, float]]:
    results = [store.replicates.read_result(d) for d in done.values()]
    scores = pd.concat([store.replicates.read_scores(d).to_pandas() for d in done.values()])
    for split, rows in scores.groupby("split"):
        ensemble = rows.astype({"score": "float64"}).groupby("example_id")["score"].mean()
        targets = rows.groupby("example_id")["target"].first()
        for name, value in summarize(targets.to_numpy(), ensemble.to_numpy()).items():
            # LDAM's score is one of two outputs that it compares: 0 is no threshold there.
            if math.isfinite(value) and (name != "balanced_accuracy" or not isinstance(config.loss, Ldam)):
                yield f"final/{split}/{name}", 0, float(value)
        for name in SPREAD:
            values = np.array([result["metrics"][f"{split}/{name}"] for result in results])
            yield f"final/{split}/{name}_mean", 0, float(values.mean())
            yield f"final/{split}/{name}_std", 0, float(values.std())
    yield "final/replicates_found", 0, float(len(done))
    yield "final/replicates_expected", 0, float(len(config.seeds))
    yield "final/train_seconds", 0, math.fsum(result["wall_seconds"] for result in results)


def shown_points(postgres: PostgresServer, sweep: str) -> list[Point]:
    """Every metric of every run of a sweep in MLflow's database, each as often as it stands there."""
    return postgres.query(
        """
        select tags.value, metrics.key, metrics.step, metrics.value from metrics
        join runs on runs.run_uuid = metrics.run_uuid and runs.lifecycle_stage = 'active'
        join tags on tags.run_uuid = runs.run_uuid and tags.key = 'trial_id'
        join experiments on experiments.experiment_id = runs.experiment_id
        where experiments.name = %s
        """,
        sweep,
    )


def run_states(postgres: PostgresServer, sweep: str) -> list[str]:
    """Status of every run of a sweep."""
    query = """
        select runs.status from runs join experiments on experiments.experiment_id = runs.experiment_id
        where experiments.name = %s and runs.lifecycle_stage = 'active'
    """
    return sorted(status for (status,) in postgres.query(query, sweep))


def digest(points: list[Point]) -> str:
    """A hash of every metric: trial, name, step and value to the last bit."""
    lines = sorted(f"{trial} {name} {step} {value.hex()}\n" for trial, name, step, value in points)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class Sweep:
    """`almsweep run` with all trials at a time, whatever the machine has, that wait at gates."""

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self.gates, self.output, self.log = folder / "gates", folder / "output", folder / "sweep.log"
        self.space = folder / "space.yaml"
        self.space.write_text(SPACE.format(name=name, epochs=EPOCHS))
        self.trials = load_space(str(self.space)).trials
        self.late = [config.trial_id for config in self.trials[1::2]]
        self.gates.mkdir()
        (self.gates / "late.trials").write_text("\n".join(self.late))
        command = [sys.executable, str(GATED), str(self.gates), "run", str(self.space), "--yes"]
        command += ["--output", str(self.output), "--gpus-per-trial", "0", "--max-concurrent", str(TRIALS)]
        environment = {**os.environ, "COLUMNS": "250", "NO_COLOR": "1", "OMP_NUM_THREADS": "1", **environment}
        environment["PYTHONPATH"] = str(ROOT)
        environment["RAY_OVERRIDE_RESOURCES"] = f'{{"CPU": {TRIALS}}}'
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def came(self, gate: str) -> int:
        """How many trials have come to a gate."""
        return len(list((self.gates / gate).glob("*")))

    def open(self, gate: str) -> None:
        (self.gates / f"{gate}.open").touch()

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        wait_until(what, holds, process=self.process, log=self.log)


def test_level_after_server_and_database_were_killed(
    almsweep: Cli, postgres: PostgresServer, mlflow: MlflowServer, tmp_path: Path
) -> None:
    """The server is away while some trials end, and comes back; the database while the others do."""
    name = "outages"
    sweep = Sweep(tmp_path, name, mlflow.client)
    store = Store(sweep.output)
    try:
        sweep.wait_until("all trials train at once", lambda: sweep.came("middle") == TRIALS)
        sweep.wait_until(
            "all show epochs", lambda: len({trial for trial, *_ in shown_points(postgres, name)}) == TRIALS
        )
        mlflow.kill()
        sweep.open("middle")
        late = len(sweep.late)
        sweep.wait_until("the others end meanwhile", lambda: len(store.all_replicates()) == TRIALS - late)
        sweep.wait_until("it is missed", lambda: "only counted" in sweep.log.read_text())
        sweep.wait_until("the late ones wait", lambda: sweep.came("late") == late)
        mlflow.start()
        postgres.kill()
        sweep.open("late")
        wait_until("the sweep ends", lambda: sweep.process.poll() is not None, log=sweep.log)
    finally:
        end_family(sweep.process)
        if postgres.process is None:
            postgres.start()
    said = sweep.log.read_text()
    assert sweep.process.returncode == 0, said
    assert f"now {TRIALS} done, 0 partial, 0 failed, 0 pending" in said
    assert "not in MLflow yet" in said
    assert "bring it level: almsweep reconcile" in said
    assert mlflow.password not in said

    level = almsweep("reconcile", name, "--output", sweep.output, env=mlflow.client)
    assert level.returncode == 0, level.stdout + level.stderr
    done = store.all_replicates()
    assert {trial: len(seeds) for trial, seeds in done.items()} == {c.trial_id: 2 for c in sweep.trials}
    stored: list[Point] = []
    for config in sweep.trials:
        stored.extend(stored_points(store, config, done[config.trial_id]))
    shown = shown_points(postgres, name)
    assert run_states(postgres, name) == ["FINISHED"] * TRIALS
    assert (set(stored) - set(shown), set(shown) - set(stored)) == (set(), set())
    assert len(shown) == len(stored) > TRIALS * EPOCHS * 10
    assert digest(shown) == digest(stored)
    again = almsweep("reconcile", name, "--output", sweep.output, env=mlflow.client)
    assert f"0 runs created, 0 brought level, {TRIALS} were level" in again.stdout


def test_nobody_gets_in_without_the_password(mlflow: MlflowServer) -> None:
    path = "/api/2.0/mlflow/experiments/search?max_results=1"
    assert mlflow.status(path) == 401
    assert mlflow.status(path, "admin", "password1234") == 401
    assert mlflow.status("/ajax-api/2.0/mlflow/experiments/search?max_results=1") == 401
    assert mlflow.status("/") == 401
    assert mlflow.status(path, "admin", mlflow.password) == 200
    assert mlflow.status(path, "admin", mlflow.password, host="evil.example") == 403
