"""The watchdog: an epoch is measured against the trial's own earlier ones."""

from __future__ import annotations

import faulthandler
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sweeps.driver.watchdog
from sweeps.driver.watchdog import TIMES_MEDIAN, TIMES_RESUMED, Watchdog
from sweeps.driver.worker import WorkerOptions, train_trial
from tests.processes import PATIENCE
from tests.sweeps.synthetic_store import trials
from trainer.options import TrialOptions
from trainer.store import Retry


class Seen(Exception):
    """Ends a worker as soon as it makes its watchdog."""


@pytest.mark.parametrize("seconds", [None, 900.0])
def test_a_worker_waits_as_long_as_the_run_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    def watchdog(on_hang: object, *, least: float | None) -> None:
        raise Seen(least)

    monkeypatch.setattr("sweeps.driver.worker.Watchdog", watchdog)
    options = WorkerOptions(str(tmp_path), TrialOptions(hang_seconds=seconds))
    config = trials()[0]
    texts = {config.trial_id: config.model_dump_json()}
    with pytest.raises(Seen) as caught:
        train_trial({"trial_id": config.trial_id}, configs=texts, options=options, stop_flag=None)
    assert caught.value.args == (seconds,)


def test_limit_follows_the_median_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sweeps.driver.watchdog.time.monotonic", lambda: now[0])
    dog = Watchdog(lambda limit: None, first=1000.0, least=30.0)
    assert dog.limit() == 1000.0
    for seconds in (1.0, 2.0, 100.0):
        now[0] += seconds
        dog.beat()
    assert dog.limit() == 2.0 * TIMES_MEDIAN
    for _ in range(10):
        now[0] += 0.1
        dog.beat()
    assert dog.limit() == 30.0


def test_resumed_trial_is_measured_by_its_epochs_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sweeps.driver.watchdog.time.monotonic", lambda: now[0])
    dog = Watchdog(lambda limit: None, first=1000.0, least=30.0)
    now[0] += 900.0  # the set-up
    dog.resume([2.0, 3.0, 4.0])
    assert dog.limit() == TIMES_RESUMED * TIMES_MEDIAN * 3.0
    now[0] += 3.0
    dog.beat()
    assert dog.limit() == TIMES_MEDIAN * 3.0
    faulthandler.cancel_dump_traceback_later()


def test_hang_is_noticed_once() -> None:
    hung = threading.Event()
    limits: list[float] = []

    def on_hang(limit: float) -> None:
        limits.append(limit)
        hung.set()

    with Watchdog(on_hang, first=0.05, least=0.05):
        assert hung.wait(PATIENCE)
    assert limits == [0.05]


def test_beats_keep_it_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    def bark(limit: float) -> None:
        pytest.fail("it barked")

    with Watchdog(bark, first=60.0, least=60.0) as dog:
        for _ in range(100):
            dog.beat()
    assert not dog._thread.is_alive()


def test_defaults_leave_room() -> None:
    assert sweeps.driver.watchdog.FIRST_EPOCH_SECONDS >= 600
    assert Watchdog(lambda limit: None).limit() == sweeps.driver.watchdog.FIRST_EPOCH_SECONDS


def test_waiting_for_storage_is_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        assert now[0] - dog._since <= 1.0 - seconds + 1e-6, "the thread would see the epoch as overdue"
        now[0] += seconds

    monkeypatch.setattr("sweeps.driver.watchdog.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sweeps.driver.watchdog.time.sleep", sleep)
    dog = Watchdog(lambda limit: None, first=5.0, least=5.0)
    now[0] += 1.0
    Retry(tries=3, seconds=60.0, sleep=dog.pause).call("a store that comes back", Failing(2))
    assert now[0] > 20.0
    dog.beat()
    faulthandler.cancel_dump_traceback_later()
    (epoch,) = dog._epochs
    assert epoch == pytest.approx(1.0, abs=1e-9), "the waits are random, and so is the rounding of their sum"


class Failing:
    """Raises so many times, then returns."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise OSError(28, "No space left on device")


def test_a_hang_that_holds_the_interpreter_ends_the_process() -> None:
    code = (
        "import ctypes, sweeps.driver.watchdog as w; w.HARD_EXIT_SECONDS = 0.1\n"
        "with w.Watchdog(lambda limit: None, first=0.1, least=0.1):\n"
        "    ctypes.PyDLL(None).sleep(100)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "line 3 in <module>" in done.stderr
