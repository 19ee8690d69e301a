"""Real sweeps through the command line: more replicates, relaunch, failures. Kills: the fault matrix."""

from __future__ import annotations

import shlex
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch

from search_spaces.catalog import load_space
from tests.sweeps.data.runs import SCANS, write_scans
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.trial import run_trial

pytestmark = pytest.mark.slow

Cli = Callable[..., "subprocess.CompletedProcess[str]"]

DIGITS = """
name: digits
fixed: {dataset: digits, ratio: 20, epochs: 2, loss: baseline_BCE, seeds: [1, 2]}
grid:
  alm: [none, ALM_14_beg]
  delta: [0.25]
"""

CIFAR = """
name: cifar10-narrow
fixed:
  {dataset: cifar10, ratio: 100, data.train_share: 0.2, epochs: 1, model.width: 4, seeds: [1, 2]}
grid:
  loss: [baseline_BCE, baseline_s_LM_m05]
  alm: [none, ALM_14_beg]
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


@pytest.mark.group(name="packing")
def test_cifar_sweep_ends_with_its_table(almsweep: Cli, tmp_path: Path, real_data: Path) -> None:
    space, output = write(tmp_path, CIFAR), tmp_path / "output"
    ran = almsweep("run", space, "--output", output, "--data-dir", real_data)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    expected = {c.trial_id for c in load_space(str(space)).trials}
    assert f"{len(expected)} done, 0 partial, 0 failed, 0 pending" in ran.stdout
    assert len(attempts(output)) == 2 * len(expected)
    assert b"cifar10 1:100" in table(output, "cifar10-narrow")


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
    assert "started 2 trials;" in ran.stdout, "none of a block that cannot be trained"
    assert "cannot be trained: digits 1:1000: digits: ratio 1:1000 of 451" in ran.stdout
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
    assert "started 1 trial;" in retried.stdout
    after = attempts(output)
    assert set(after) == set(before)
    changed = {trial for (trial, _), attempt in after.items() if before[trial, _] != attempt}
    assert len(changed) == 1, "only the diverged trial has replicates to train again"


def test_relaunching_starts_what_is_missing_and_nothing_else(almsweep: Cli, tmp_path: Path) -> None:
    # What stands in the name means something in a URI; MLflow's database and Ray's workers get it whole.
    space, output = write(tmp_path, DIGITS), tmp_path / "out#1 50%25 ü?"
    trials = {c.trial_id for c in load_space(str(space)).trials}
    assert almsweep("run", space, "--output", output, "--replicates", 1).returncode == 0
    first = attempts(output)
    assert set(first) == {(trial, 1) for trial in trials}
    more = almsweep("run", space, "--output", output)
    assert more.returncode == 0, more.stdout + more.stderr
    assert f"now {len(trials)} done, 0 partial, 0 failed, 0 pending" in more.stdout
    after = attempts(output)
    assert set(after) == {(trial, seed) for trial in trials for seed in (1, 2)}
    assert {key: after[key] for key in first} == first, "a finished replicate was trained again"
    assert runs_by_trial(output, "digits") == {trial: ["FINISHED"] for trial in trials}
    again = almsweep("run", space, "--output", output)
    assert again.returncode == 0
    assert "nothing to start" in again.stdout
    assert attempts(output) == after


@pytest.mark.group(name="packing")
def test_weights_that_were_not_kept_come_back_as_evaluate_advises(almsweep: Cli, tmp_path: Path) -> None:
    """The driver's trials on Ray give, bit for bit, the scores that were stored without Ray."""
    space, output = write(tmp_path, DIGITS), tmp_path / "output"
    trials, store = load_space(str(space)).trials, Store(output)
    store.write_sweep(SweepManifest("digits", trials))
    for config in trials:
        run_trial(config, store, torch.device("cpu"), TrialOptions(keep_weights="none"))
    before = attempts(output)
    refused = almsweep("evaluate", trials[1].trial_id, "--output", output)
    assert refused.returncode == 2
    _, *advised = shlex.split(refused.stderr.partition("trained again by: ")[2])
    done = almsweep(*advised)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "weights of 1 of 1 trial kept" in done.stdout
    scored = almsweep("evaluate", trials[1].trial_id, "--output", output)
    assert scored.returncode == 0, scored.stderr
    assert attempts(output) == before
    assert not (output / "again" / "digits").exists()
    assert not (output / "mlflow.db").exists(), "MLflow is told nothing, as nothing changed"


def test_images_that_changed_are_refused_and_then_trained_as_if_anew(almsweep: Cli, tmp_path: Path) -> None:
    space = write(tmp_path, SCANS)

    def run(command: str, output: str, *options: str) -> subprocess.CompletedProcess[str]:
        where = ("--output", str(tmp_path / output), "--data-dir", str(tmp_path / "data"))
        return almsweep(command, space, *where, *options)

    write_scans(tmp_path / "data" / "scans", 40, 40)
    assert run("run", "out").returncode == 0
    old = attempts(tmp_path / "out")
    write_scans(tmp_path / "data" / "scans", 40, 40, seed=100)
    refused = run("run", "out")
    assert refused.returncode == 2
    assert "the data have changed" in refused.stderr
    assert attempts(tmp_path / "out") == old
    again = run("retry", "out", "--changed-data")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "started 2 trials;" in again.stdout
    assert not set(attempts(tmp_path / "out").values()) & set(old.values())
    assert run("run", "fresh").returncode == 0
    assert table(tmp_path / "out", "scans") == table(tmp_path / "fresh", "scans")
