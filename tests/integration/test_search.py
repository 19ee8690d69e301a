"""Real searches and early stopping through the command line: kill, relaunch, more samples, pruned trials."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.load import load_sweep
from tests.processes import end_family, wait_until
from trainer.store import Store

pytestmark = pytest.mark.group(name="search")

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parent.parent.parent

SEARCH = """
name: margins
tpr_targets: [0.995]
fixed: {dataset: digits, ratio: 20, epochs: 5, seeds: [1, 2]}
search:
  domains:
    loss.name: {choice: [bce, s_lm]}
    loss.margin: {log_uniform: [0.1, 10], when: {loss.name: [s_lm]}}
    alm: {choice: [none, ALM_14_beg]}
    alm.penalty: {log_uniform: [1e-9, 1e-2]}
    delta: {uniform: [0, 1]}
  objectives: [val/auroc, val/fpr_at_tpr_99.5]
  start:
    - {loss: baseline_BCE}
    - {loss: baseline_s_LM_m05, alm: ALM_15_beg, delta: 0.25}
"""

# The smallest learning rates learn nothing.
GRID = """
name: rates
tpr_targets: [0.995, 0.9]
fixed: {dataset: digits, ratio: 20, loss: baseline_BCE, epochs: 9, seeds: [1, 2]}
grid:
  optimizer.learning_rate: [5e-2, 4e-2, 1e-6, 1e-7, 1e-8]
"""


RACE = """
name: race
fixed: {dataset: digits, ratio: 20, loss: baseline_BCE, epochs: 9, seeds: [1, 2, 3, 4, 5, 6]}
grid:
  optimizer.learning_rate: [5e-2, 1e-6, 1e-7, 1e-8]
"""


def attempts(output: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """State and attempt of each ended replicate."""
    found = Store(output).all_replicates()
    return {(i, seed): (d.state, d.attempt) for i, by_seed in found.items() for seed, d in by_seed.items()}


def kill_when(output: Path, arguments: list[object], finished: int) -> None:
    """Start a sweep and SIGKILL the driver and all its descendants once so many replicates are done."""
    command = [sys.executable, "-m", "sweeps.cli", *map(str, arguments)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=quiet, stderr=quiet)
    try:
        wait_until("replicates end", lambda: len(attempts(output)) >= finished, process=process)
    finally:
        end_family(process)


def test_killed_search_ends_with_the_asked_number_of_trials(almsweep: Cli, tmp_path: Path) -> None:
    space, output = tmp_path / "space.yaml", tmp_path / "output"
    space.write_text(SEARCH)
    store = Store(output)
    arguments = ["run", space, "--output", output, "--no-tracking", "--num-samples"]
    kill_when(output, [*arguments, 9], finished=7)
    survived = attempts(output)
    assert 7 <= len(survived) < 18
    relaunched = almsweep(*arguments, 9)
    assert relaunched.returncode == 0, relaunched.stdout + relaunched.stderr
    assert "9 done, 0 partial, 0 failed, 0 pending" in relaunched.stdout
    after = attempts(output)
    assert {key: after[key] for key in survived} == survived, "a finished replicate was trained again"
    manifest = store.read_sweep("margins")
    ids = [config.trial_id for config in manifest.trials]
    assert manifest.samples == len(ids) == len(set(ids)) == 9
    assert {trial for trial, _ in after} == set(ids), "trained something that was not asked for"
    assert len(after) == 18
    assert len(store.storage.list_files("studies/margins", recursive=False)) == 9
    assert all(record.validation is not None for record in load_sweep(store, manifest).trials)

    again = almsweep(*arguments, 9)
    assert "nothing to start" in again.stdout
    assert attempts(output) == after
    more = almsweep(*arguments, 10, "--max-concurrent", 1)
    assert "started 1 trial; now 10 done" in more.stdout, more.stdout + more.stderr
    planned = almsweep("plan", space, "--output", output)
    assert "search: 0 of 10 trials are not chosen yet" in planned.stdout


def test_trials_that_fall_behind_are_pruned_and_stay_so(almsweep: Cli, tmp_path: Path) -> None:
    space, output = tmp_path / "space.yaml", tmp_path / "output"
    space.write_text(GRID)
    store = Store(output)
    options = ["--output", output]
    scheduled = [space, *options, "--no-tracking", "--scheduler", "asha", "--max-concurrent", 1]
    ran = almsweep("run", *scheduled)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = attempts(output)
    pruned = {trial for (trial, _), (state, _) in found.items() if state == "pruned"}
    assert len(found) == 10
    assert {state for state, _ in found.values()} == {"completed", "pruned"}
    rates = {c.trial_id: c.optimizer.learning_rate for c in store.read_sweep("rates").trials}
    assert {rates[trial] for trial in pruned} <= {4e-2, 1e-6, 1e-7, 1e-8}
    assert f"{5 - len(pruned)} done, 0 partial, 0 failed, 0 pending, {len(pruned)} pruned" in ran.stdout
    assert not list(output.rglob("stop.json"))
    assert not list(output.rglob("checkpoint.pt"))
    told = {"val/fpr_at_tpr_99.5", "val/fpr_at_tpr_90"}
    told |= {f"ensemble/{name}" for name in told}
    for by_seed in store.all_replicates().values():
        for done in by_seed.values():
            curves = set(store.replicates.read_epochs(done).column_names)
            assert told <= curves
            assert "val/fpr_at_tpr_98" not in curves
    table = (output / "tables" / "rates" / "best.csv").read_text()
    assert ",auc,fpr_at_tpr_99.5,fpr_at_tpr_90,partial_auc_tpr_90," in table
    assert f",{5 - len(pruned)},5," in table, "pruned trials count among the candidates, not as complete"
    for record in load_sweep(store, store.read_sweep("rates")).trials:
        assert (record.validation is None) == (record.trial_id in pruned)

    again = almsweep("run", *scheduled)
    assert again.returncode == 0
    assert "nothing to start" in again.stdout
    failed = almsweep("retry", space, "--failed", *options)
    assert "nothing to start" in failed.stdout
    assert attempts(output) == found
    retried = almsweep("retry", space, "--pruned", *options)
    assert retried.returncode == 0, retried.stdout + retried.stderr
    after = attempts(output)
    assert {state for state, _ in after.values()} == {"completed"}
    kept = {key: value for key, value in found.items() if value[0] == "completed"}
    assert {key: after[key] for key in kept} == kept


def test_a_killed_race_ends_as_an_undisturbed_one(almsweep: Cli, tmp_path: Path) -> None:
    space, calm, killed = tmp_path / "space.yaml", tmp_path / "calm", tmp_path / "killed"
    space.write_text(RACE)
    ran = almsweep("run", space, "--output", calm, "--racing")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = re.findall(r"race: (\d) trials? left behind after (\d) replicates", ran.stdout)
    left = sum(int(trials) for trials, _ in told)
    assert 1 <= left <= 3
    assert f"{4 - left} done, 0 partial, 0 failed, 0 pending, {left} pruned" in ran.stdout
    states = [state for state, _ in attempts(calm).values()]
    trained = 6 * (4 - left) + sum(int(trials) * int(after) for trials, after in told)
    assert (states.count("completed"), states.count("pruned")) == (trained, left)
    assert f"{left} of 4 candidates left behind in a race" in ran.stdout
    kill_when(killed, ["run", space, "--output", killed, "--racing"], finished=7)
    again = almsweep("run", space, "--output", killed, "--racing")
    assert again.returncode == 0, again.stdout + again.stderr
    for name in ("best.csv", "best.md"):
        tables = [(output / "tables" / "race" / name).read_text() for output in (calm, killed)]
        assert tables[0] == tables[1]
    nothing = almsweep("run", space, "--output", killed, "--racing")
    assert "nothing to start" in nothing.stdout
    whole = almsweep("retry", space, "--pruned", "--output", killed)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert {state for state, _ in attempts(killed).values()} == {"completed"}
