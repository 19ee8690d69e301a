"""The watchdog: an epoch is measured against the trial's own earlier ones."""

from __future__ import annotations

import threading

import pytest

import sweeps.watchdog
from sweeps.watchdog import TIMES_MEDIAN, Watchdog


def test_limit_follows_the_median_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sweeps.watchdog.time.monotonic", lambda: now[0])
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


def test_hang_is_noticed_once() -> None:
    hung = threading.Event()
    limits: list[float] = []

    def on_hang(limit: float) -> None:
        limits.append(limit)
        hung.set()

    with Watchdog(on_hang, first=0.05, least=0.05):
        assert hung.wait(20)
    assert limits == [0.05]


def test_beats_keep_it_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    def bark(limit: float) -> None:
        pytest.fail("it barked")

    with Watchdog(bark, first=60.0, least=60.0) as dog:
        for _ in range(100):
            dog.beat()
    assert not dog._thread.is_alive()


def test_defaults_leave_room() -> None:
    assert sweeps.watchdog.FIRST_EPOCH_SECONDS >= 600
    assert Watchdog(lambda limit: None).limit() == sweeps.watchdog.FIRST_EPOCH_SECONDS
