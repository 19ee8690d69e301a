"""The queue between driver and tracker: merged per trial, bounded, endings never lost."""

from __future__ import annotations

import threading

import pytest

from sweeps.tracking.queue import TrackingQueue
from tests.processes import PATIENCE
from tests.sweeps.synthetic_store import trials

RECORD = {"epoch": 0}


def test_news_of_a_trial_is_merged_in_order_of_arrival() -> None:
    first, second = trials()[:2]
    queue = TrackingQueue(limit=10)
    queue.put_start(first)
    queue.put_start(second)
    queue.put_records(first, [RECORD])
    queue.put_records(first, [RECORD])
    queue.close()
    taken = [queue.take(), queue.take(), queue.take()]
    assert [work and (work.config.trial_id, len(work.records), work.started) for work in taken] == [
        (first.trial_id, 2, True),
        (second.trial_id, 0, True),
        None,
    ]


def test_records_beyond_the_limit_are_dropped_and_counted() -> None:
    config = trials()[0]
    queue = TrackingQueue(limit=3)
    for _ in range(5):
        queue.put_records(config, [RECORD])
    assert queue.dropped == 2
    work = queue.take()
    assert work is not None
    assert len(work.records) == 3
    queue.put_records(config, [RECORD] * 3)
    assert queue.dropped == 2


def test_a_finished_trial_needs_no_live_records() -> None:
    config = trials()[0]
    queue = TrackingQueue(limit=3)
    queue.put_records(config, [RECORD] * 3)
    queue.put_ending(config, "finished")
    assert queue.endings() == 1
    work = queue.take()
    assert work is not None
    assert (work.records, work.ending) == ([], "finished")
    queue.put_records(config, [RECORD] * 3)
    assert queue.dropped == 0


def test_an_interrupted_trial_keeps_its_records() -> None:
    config = trials()[0]
    queue = TrackingQueue(limit=3)
    queue.put_records(config, [RECORD])
    queue.put_ending(config, "interrupted")
    work = queue.take()
    assert work is not None
    assert (work.records, work.ending) == ([RECORD], "interrupted")


def test_a_restart_takes_an_ending_back() -> None:
    config = trials()[0]
    queue = TrackingQueue(limit=3)
    queue.put_ending(config, "interrupted")
    queue.put_start(config)
    work = queue.take()
    assert work is not None
    assert (work.started, work.ending) == (True, None)


def test_live_news_waits_and_an_ending_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("sweeps.tracking.queue.time.monotonic", lambda: now[0])
    long, short = trials()[:2]
    queue = TrackingQueue(limit=10, live_seconds=5.0)
    queue.put_start(long)
    queue.put_start(short)
    queue.put_ending(short, "finished")
    ended = queue.take()
    assert ended is not None
    assert (ended.config, ended.started, ended.ending) == (short, True, "finished")
    now[0] += 4.0
    queue.put_records(long, [RECORD])
    now[0] += 1.0  # five seconds after the start, though one after the record
    live = queue.take()
    assert live is not None
    assert (live.config, len(live.records)) == (long, 1)


def test_waiting_news_comes_due_by_itself() -> None:
    queue = TrackingQueue(limit=10, live_seconds=0.05)
    taken = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    queue.put_start(trials()[0])
    thread.start()
    thread.join(timeout=PATIENCE)
    assert [work and work.started for work in taken] == [True]
