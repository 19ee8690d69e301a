"""Faults in the middle of a real sweep: transparent ones change no table, terminal ones are told."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from analysis.tables import csv, make_tables
from tests.integration.faulty_run import space
from trainer.store import Store, SweepManifest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
SCRIPT = Path(__file__).parent / "faulty_run.py"
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def run(fault: str, output: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "250", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, SCRIPT, fault, output],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def table(output: Path) -> str:
    return csv(make_tables(Store(output), SweepManifest("faulty", space().trials)).frame)


def run_states(output: Path) -> list[str]:
    with closing(sqlite3.connect(output / "mlflow.db")) as database:
        return sorted(status for (status,) in database.execute("select status from runs"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("undisturbed")
    assert "now 4 done" in run("none", output)
    return table(output)


@pytest.mark.parametrize("fault", ["memory-once", "hang-once", "die-once"])
def test_transparent_fault_changes_no_table(undisturbed: str, tmp_path: Path, fault: str) -> None:
    said = run(fault, tmp_path)
    assert (tmp_path / "fault-happened").exists()
    assert "now 4 done, 0 partial, 0 failed, 0 pending" in said
    assert ("ran out of memory; they run again, one at a time" in said) == (fault == "memory-once")
    assert table(tmp_path) == undisturbed
    assert run_states(tmp_path) == ["FINISHED"] * 4


def test_trial_that_never_fits_fails_alone_with_its_peak(undisturbed: str, tmp_path: Path) -> None:
    said = run("memory-always", tmp_path)
    assert "now 3 done, 0 partial, 1 failed, 0 pending" in said
    failure = Store(tmp_path).read_failure(space().trials[1].trial_id)
    assert failure is not None
    assert failure["error"] == "OutOfMemoryError"
    assert failure["peak_memory_bytes"] > 0
    assert run_states(tmp_path) == ["FAILED", "FINISHED", "FINISHED", "FINISHED"]
    # the failed cell differs, and no other
    ours, theirs = table(tmp_path).splitlines(), undisturbed.splitlines()
    assert [a == b for a, b in zip(ours, theirs, strict=True)].count(False) == 1


def test_same_error_of_the_first_trials_stops_the_sweep(tmp_path: Path) -> None:
    said = run("same-error", tmp_path)
    assert "stopped early: the first 3 trials all failed: ZeroDivisionError: injected" in said
    assert "0 done" in said


def test_ctrl_c_once_finishes_the_epoch_and_leaves_nothing_behind(almsweep: Cli, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "name: long\nfixed: {dataset: digits, ratio: 20, epochs: 4000, seeds: [1, 2]}\n"
        "grid: {loss: [baseline_BCE, baseline_s_LM_m05, baseline_LDAM]}\n"
    )
    output = tmp_path / "output"
    process = subprocess.Popen(
        [sys.executable, "-m", "sweeps.cli", "run", path, "--output", output],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 180
    while not (output / "mlflow.db").exists() or trials_with_epochs(output) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "stopping after the running epochs" in said
    _, alive = psutil.wait_procs(family, timeout=20)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    held = Store(output).scan()
    assert sum(files.checkpoint for files in held.values()) == 2
    assert not any(files.failure for files in held.values())
    assert set(run_states(output)) == {"KILLED"}
    status = almsweep("status", "long", "--output", output)
    assert "0 done, 2 partial, 0 failed, 1 pending" in status.stdout


def trials_with_epochs(output: Path) -> int:
    try:
        with closing(sqlite3.connect(output / "mlflow.db")) as database:
            return int(database.execute("select count(distinct run_uuid) from metrics").fetchone()[0])
    except sqlite3.OperationalError:  # not created to the end yet
        return 0
