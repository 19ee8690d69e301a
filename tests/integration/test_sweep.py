"""Real sweeps through the command line: relaunch, kill, failures, more replicates."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from search_spaces.catalog import load_space
from trainer.store import Store

pytestmark = pytest.mark.slow

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parent.parent.parent

DIGITS = """
name: digits
fixed: {dataset: digits, ratio: 20, epochs: 6, seeds: [1, 2]}
grid:
  loss: [baseline_BCE, baseline_s_LM_m05]
  alm: [none, ALM_14_beg, ALM_15_beg]
  delta: [0.25]
"""

CIFAR = """
name: cifar10-narrow
fixed:
  {dataset: cifar10, ratio: 100, data.train_share: 0.2, epochs: 2, model.width: 4, seeds: [1, 2, 3]}
grid:
  loss: [baseline_BCE, baseline_s_LM_m05, baseline_cb_BCE_99]
  alm: [none, ALM_14_beg, ALM_16_beg]
  delta: [0.25]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def table(output: Path, name: str) -> bytes:
    return (output / "tables" / name / "best.csv").read_bytes()


def attempts(output: Path) -> dict[tuple[str, int], str]:
    """Which attempt stands for each finished replicate."""
    found = Store(output).all_replicates()
    return {(trial, seed): done.attempt for trial, by_seed in found.items() for seed, done in by_seed.items()}


def runs_by_trial(output: Path, name: str) -> dict[str, list[str]]:
    """Status of MLflow's runs by trial, read from its database."""
    query = """
        select tags.value, runs.status from runs
        join tags on tags.run_uuid = runs.run_uuid and tags.key = 'trial_id'
        join experiments on experiments.experiment_id = runs.experiment_id
        where experiments.name = ? and runs.lifecycle_stage = 'active'
    """
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(output / "mlflow.db")) as database:
        for trial, status in database.execute(query, (name,)):
            found.setdefault(trial, []).append(status)
    return found


def kill_when(output: Path, arguments: list[object], finished: int) -> None:
    """Start a sweep and SIGKILL the driver and all its descendants once so many replicates are done."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sweeps.cli", *map(str, arguments)],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 240
        while len(attempts(output)) < finished:
            assert process.poll() is None, "the sweep ended before it could be killed"
            assert time.monotonic() < deadline, "the sweep made no progress"
            time.sleep(0.1)
    finally:
        doomed = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for victim in doomed:
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()


def check_kill_and_relaunch(almsweep: Cli, space: Path, folder: Path, options: list[object]) -> None:
    """Undisturbed, again, killed and repeated: the same table, and only what was missing is trained."""
    manifest = load_space(str(space))
    expected = {c.trial_id for c in manifest.trials}
    calm, killed = folder / "calm", folder / "killed"
    first = almsweep("run", space, "--output", calm, *options)
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"{len(expected)} done, 0 partial, 0 failed, 0 pending" in first.stdout
    before = attempts(calm)
    again = almsweep("run", space, "--output", calm, *options)
    assert again.returncode == 0
    assert "nothing to start" in again.stdout
    assert attempts(calm) == before

    kill_when(killed, ["run", space, "--output", killed, *options], finished=4)
    survived = attempts(killed)
    assert 0 < len(survived) < sum(len(c.seeds) for c in manifest.trials)
    repeated = almsweep("run", space, "--output", killed, *options)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    after = attempts(killed)
    assert {key: after[key] for key in survived} == survived, "a finished replicate was trained again"
    assert table(killed, manifest.name) == table(calm, manifest.name)
    for output in (calm, killed):
        assert runs_by_trial(output, manifest.name) == {trial: ["FINISHED"] for trial in expected}


def test_killed_sweep_ends_with_the_same_table(almsweep: Cli, tmp_path: Path) -> None:
    check_kill_and_relaunch(almsweep, write(tmp_path, DIGITS), tmp_path, [])


def test_killed_cifar_sweep_ends_with_the_same_table(almsweep: Cli, tmp_path: Path, real_data: Path) -> None:
    check_kill_and_relaunch(almsweep, write(tmp_path, CIFAR), tmp_path, ["--data-dir", real_data])


def test_partly_failing_sweep_says_so_and_can_be_retried(almsweep: Cli, tmp_path: Path) -> None:
    space = write(
        tmp_path,
        """
name: partly
fixed: {dataset: digits, epochs: 2, seeds: [1, 2]}
choices:
  - {ratio: 20, loss: baseline_BCE}
  - {ratio: 20, loss: baseline_s_LM_m05, optimizer.learning_rate: 1e30}
  - {ratio: 1000, loss: baseline_BCE}
""",
    )
    output = tmp_path / "output"
    ran = almsweep("run", space, "--output", output)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "1 done, 0 partial, 2 failed, 0 pending" in ran.stdout
    markdown = (output / "tables" / "partly" / "best.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in markdown.splitlines() if line.startswith("|")}
    assert any("n=0/2" in line for line in rows.values())
    assert "n=2/2" in markdown
    assert "2 diverged" in markdown
    assert "1000" in markdown
    listed = almsweep("status", "partly", "--failed", "--output", output)
    assert listed.returncode == 0
    assert "diverged: the loss is not finite in epoch 0" in listed.stdout
    assert "DataError: " in listed.stdout
    before = attempts(output)
    retried = almsweep("retry", space, "--failed", "--output", output)
    assert retried.returncode == 1
    assert "started 2 trial(s)" in retried.stdout
    after = attempts(output)
    assert set(after) == set(before)
    changed = {trial for (trial, _), attempt in after.items() if before[trial, _] != attempt}
    assert len(changed) == 1, "only the diverged trial has replicates to train again"


def test_more_replicates_train_only_the_new_ones(almsweep: Cli, tmp_path: Path) -> None:
    space = write(
        tmp_path, "fixed: {dataset: digits, ratio: 20, epochs: 2, loss: baseline_BCE}\ngrid: {alm: [none]}\n"
    )
    output = tmp_path / "output"
    assert almsweep("run", space, "--output", output, "--replicates", 1).returncode == 0
    first = attempts(output)
    assert almsweep("run", space, "--output", output, "--replicates", 3).returncode == 0
    after = attempts(output)
    assert len(after) == 3
    assert {key: after[key] for key in first} == first


def test_second_driver_is_refused(almsweep: Cli, tmp_path: Path) -> None:
    from sweeps.lease import Lease

    space = write(tmp_path, DIGITS)
    output = tmp_path / "output"
    with Lease(Store(output), "digits"):
        refused = almsweep("run", space, "--output", output)
    assert refused.returncode == 4
    assert "is being run by process" in refused.stderr
    assert attempts(output) == {}
