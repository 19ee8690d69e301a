"""The orchestration benchmark runs, and counts what it ran. Nothing here looks at a time."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from benchmarks import overhead
from benchmarks.noop_trial import INSTEAD, TEST, VALIDATION
from benchmarks.orchestration import in_own_process, markdown, summarize, table
from benchmarks.orchestration_runs import Measured, Meter, paper_trials
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.trial import run_trial

TRIALS = 2
WARM = overhead.WARM_TRIALS


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, Future[Any]]]:
    """Two contestants, and a sweep of three trials after the first ones, side by side: mostly they wait."""
    with ThreadPoolExecutor() as pool:
        running: dict[str, Future[Any]] = {
            name: pool.submit(in_own_process, name, TRIALS) for name in ("ours", "tune-reused")
        }
        space = overhead.space(WARM + 3, 1, 0.1)
        running["overhead"] = pool.submit(overhead.measure, overhead.ROOT, space, 2)
        yield running


@pytest.mark.group(name="benchmarks")
@pytest.mark.parametrize("name", ["ours", "tune-reused"])
def test_a_contestant_runs_all_trials_and_tells_mlflow(name: str, runs: dict[str, Future[Any]]) -> None:
    found = runs[name].result()
    assert (found.name, found.trials, found.logged) == (name, TRIALS, TRIALS)
    assert found.seconds > 0
    assert found.all_cpu > found.driver_cpu > 0


def test_a_trial_without_training_is_stored_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the trial asks of a replicate, the stand-in has."""
    for name, instead in INSTEAD.items():
        monkeypatch.setattr(f"trainer.trial.{name}", instead)
    store, (config,) = Store(tmp_path), paper_trials(1)
    assert run_trial(config, store, torch.device("cpu"), TrialOptions()) == {1: "completed"}
    (done,) = store.replicates.ended(config.trial_id).values()
    assert store.replicates.read_scores(done).num_rows == VALIDATION + TEST


def test_trials_are_the_papers_with_one_replicate() -> None:
    chosen = paper_trials(10)
    assert len({config.trial_id for config in chosen}) == 10
    assert {config.seeds for config in chosen} == {(1,)}
    assert len(paper_trials(3284)) == 3284


def measured(name: str, trials: int, seconds: float, trial_ms: float, growth: float) -> Measured:
    return Measured(name, trials, seconds, 5.0, 2.0, trial_ms, 1.0, 2.0, 100.0, growth, trials)


def test_fewer_trials_are_projected_and_marked() -> None:
    ours, bare = measured("ours", 100, 10.0, 50.0, 5.0), measured("tune-bare", 100, 8.0, 40.0, 4.0)
    default = measured("tune-default", 10, 20.0, 1000.0, math.nan)
    summary = summarize([ours, bare, default], 100)
    rows = {row["name"]: row for row in summary["contestants"]}
    assert rows["tune-default"]["projected_seconds"] == 20 + 90
    assert rows["tune-default"]["ours_times_as_fast"] == pytest.approx(11)
    assert rows["tune-default"]["times_cpu_of_ours"] == pytest.approx(10)
    assert rows["ours"]["ours_times_as_fast"] == 1
    assert summary["growth_beyond_bare_kib"] == 1
    json.dumps(summary)
    console = Console(file=io.StringIO(), width=160)
    console.print(table(summary))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    assert "110*" in stream.getvalue()
    assert "| tune-default | 10 | 110* |" in markdown(summary)


def test_growth_is_the_slope_after_the_first_quarter() -> None:
    meter = Meter()
    meter.ends = [0.0] * 100
    meter._memory = [(count, 10**8 + 2048 * max(count, 25)) for count in range(100)]
    assert meter.growth() == pytest.approx(2048)


@pytest.mark.group(name="benchmarks")
def test_overhead_of_a_small_sweep_adds_up(runs: dict[str, Future[Any]]) -> None:
    found = runs["overhead"].result()
    assert found.trials == 3
    assert found.slot == found.training + found.overhead
    assert found.training > 0
    console = Console(file=io.StringIO(), width=160)
    console.print(overhead.table([found]))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    assert f"{1000 * found.slot:.0f}" in stream.getvalue()
