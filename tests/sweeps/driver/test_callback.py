"""What the driver makes of the ends of trials: the counts, and when a sweep stops in vain."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError
from rich.console import Console

from search_spaces.config import TrialConfig
from search_spaces.errors import SweepStopped
from search_spaces.labels import block_label
from sweeps.driver.callback import SweepCallback
from sweeps.driver.progress import SweepProgress
from sweeps.tracking.tracker import Tracker
from tests.sweeps.synthetic_store import epoch_records, trials
from trainer.store import Store


@pytest.fixture
def ended() -> list[TrialConfig]:
    return []


@pytest.fixture
def callback(tmp_path: Path, ended: list[TrialConfig]) -> SweepCallback:
    configs = {config.trial_id: config for config in trials()}
    progress = SweepProgress(4, 0, 0, 4, Console(file=io.StringIO()))
    return SweepCallback(configs, Store(tmp_path), progress, None, None, ended.append, lambda: None, set())


def complete(callback: SweepCallback, config: TrialConfig, **result: Any) -> None:
    trial = SimpleNamespace(config={"trial_id": config.trial_id}, last_result=result)
    callback.on_trial_start(0, [], trial)
    callback.on_trial_complete(0, [], trial)


def test_diverged_trials_do_not_stop_a_sweep(callback: SweepCallback) -> None:
    for config in trials()[:3]:
        complete(callback, config, state="diverged")
    callback.on_step_begin(1, [])
    assert (callback.progress.failed, callback.progress.pruned) == (3, 0)


def test_one_error_of_all_first_trials_stops_a_sweep(callback: SweepCallback) -> None:
    for config in trials()[:2]:
        complete(callback, config, state="failed", error="no data")
    callback.on_step_begin(1, [])
    complete(callback, trials()[2], state="failed", error="no data")
    with pytest.raises(SweepStopped, match="the first 3 trials all failed: no data"):
        callback.on_step_begin(1, [])


def test_one_error_gives_up_its_block_and_the_others_go_on(tmp_path: Path) -> None:
    of_another = [config.model_copy(update={"data": config.data.with_ratio(7.0)}) for config in trials()]
    configs = {config.trial_id: config for config in [*trials(), *of_another]}
    given_up: list[list[str]] = []
    flag = SimpleNamespace(give_up=SimpleNamespace(remote=given_up.append))
    progress = SweepProgress(8, 0, 0, 8, Console(file=io.StringIO()))
    started: set[str] = set()
    callback = SweepCallback(
        configs, Store(tmp_path), progress, None, flag, lambda config: None, lambda: None, started
    )
    for config in trials()[:3]:
        complete(callback, config, state="failed", error="no data")
        callback.on_step_begin(1, [])
    assert given_up == [[config.trial_id for config in trials()]]
    complete(callback, trials()[3], state="given up")
    assert (progress.failed, trials()[3].trial_id in started) == (3, False)
    complete(callback, of_another[0], state="failed", error="no data")
    callback.on_step_begin(2, [])
    complete(callback, of_another[1], state="done")
    assert callback.given_up == f"the first 3 trials of {block_label(trials()[0].data)} all failed: no data"
    assert len(given_up) == 1


def test_errors_that_differ_in_ids_and_numbers_only_are_one(callback: SweepCallback) -> None:
    for config, seconds in zip(trials()[:3], (61, 75, 300), strict=True):
        error = f"trials/{config.trial_id}/DONE: no space left, tried for {seconds} s"
        complete(callback, config, state="failed", error=error)
    complete(callback, trials()[3], state="failed", error="another one in the same step of Tune")
    with pytest.raises(SweepStopped, match="the first 3 trials all failed: trials/"):
        callback.on_step_begin(1, [])


def test_different_errors_stop_no_sweep(callback: SweepCallback) -> None:
    for config, error in zip(trials()[:3], ("no data", "no space", "no data"), strict=True):
        complete(callback, config, state="failed", error=error)
    callback.on_step_begin(1, [])


def lose(callback: SweepCallback, config: TrialConfig, error: Exception) -> None:
    result = {"state": "running", "peak_memory_bytes": 123}
    trial = SimpleNamespace(config={"trial_id": config.trial_id}, last_result=result, get_error=lambda: error)
    callback.on_trial_start(0, [], trial)
    callback.on_trial_error(0, [], trial)


@pytest.mark.parametrize(
    "error", [RayActorError(error_msg="its worker died"), OutOfMemoryError("node low on memory")]
)
def test_a_lost_process_runs_again_alone_and_then_fails_with_its_peak(
    callback: SweepCallback, error: Exception
) -> None:
    config = trials()[0]
    lose(callback, config, error)
    assert callback.starved == [config]
    assert callback.store.notes.read_failure(config.trial_id) is None
    callback.is_last_pass = True
    lose(callback, config, error)
    failure = callback.store.notes.read_failure(config.trial_id)
    assert failure is not None
    assert (failure["error"], failure["peak_memory_bytes"]) == (type(error).__name__, 123)
    assert callback.progress.failed == 1


def test_processes_that_all_die_stop_a_sweep(callback: SweepCallback) -> None:
    for config in trials()[:3]:
        lose(callback, config, RayActorError(error_msg=f"the worker of {config.trial_id} died"))
    with pytest.raises(SweepStopped, match="RayActorError"):
        callback.on_step_begin(1, [])


def test_trials_that_ray_ends_for_their_memory_stop_no_sweep(callback: SweepCallback) -> None:
    for config in trials()[:3]:
        lose(callback, config, OutOfMemoryError("node low on memory"))
    callback.on_step_begin(1, [])
    assert callback.starved == trials()[:3]


def test_an_exception_fails_a_trial_at_once(callback: SweepCallback) -> None:
    lose(callback, trials()[0], ValueError("no such layer"))
    assert callback.starved == []
    assert callback.progress.failed == 1


def test_an_error_after_a_diverged_trial_is_no_first_one(callback: SweepCallback) -> None:
    complete(callback, trials()[0], state="diverged")
    for config in trials()[1:]:
        complete(callback, config, state="failed", error="no data")
    callback.on_step_begin(1, [])


def test_how_a_trial_ended_is_counted(callback: SweepCallback) -> None:
    for config, state in zip(trials(), ("done", "diverged", "pruned", "pruned"), strict=True):
        complete(callback, config, state=state)
    progress = callback.progress
    assert (progress.done, progress.failed, progress.pruned) == (1, 1, 2)


def test_trials_that_ended_are_told_of_and_failed_ones_are_not(
    callback: SweepCallback, ended: list[TrialConfig]
) -> None:
    for config, state in zip(trials(), ("done", "diverged", "pruned"), strict=False):
        complete(callback, config, state=state)
    complete(callback, trials()[3], state="failed", error="no data")
    assert ended == trials()[:3]


def test_only_trials_that_were_given_to_a_worker_count_as_started(callback: SweepCallback) -> None:
    for config in [*trials()[:2], trials()[0]]:  # the first one twice: its process was lost
        callback.on_trial_start(0, [], SimpleNamespace(config={"trial_id": config.trial_id}))
    callback.request_stop()
    callback.on_trial_start(0, [], SimpleNamespace(config={"trial_id": trials()[2].trial_id}))
    assert callback.started == {config.trial_id for config in trials()[:2]}


def test_records_go_to_the_tracker_and_not_into_tunes_results(tmp_path: Any) -> None:
    config = trials()[0]
    told: list[Any] = []
    tracker = cast(Tracker, SimpleNamespace(epochs=lambda trial, records: told.append((trial, records))))
    progress = SweepProgress(1, 0, 0, 1, Console(file=io.StringIO()))
    callback = SweepCallback(
        {config.trial_id: config},
        Store(tmp_path),
        progress,
        tracker,
        stop_flag=None,
        on_done=lambda config: None,
        check=lambda: None,
        started=set(),
    )
    records = epoch_records(config, 1, 2)
    result = {"records": records, "epoch": 1, "state": "running", "ensemble/val/auroc": 0.75}
    callback.on_trial_result(0, [], SimpleNamespace(config={"trial_id": config.trial_id}), result)
    assert told == [(config, records)]
    assert "records" not in result
    assert [value for value, _ in progress.best.values()] == [0.75]
