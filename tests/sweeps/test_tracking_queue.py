"""The queue between driver and tracker: merged per trial, bounded, endings never lost."""

from __future__ import annotations

from sweeps.tracking_queue import TrackingQueue
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
