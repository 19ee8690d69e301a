"""The writer keeps the order, stops at the first failure, and tells it."""

from __future__ import annotations

import logging
import threading

import pytest

from search_spaces.errors import StoreError
from tests.processes import PATIENCE
from trainer.writer import Writer


def fail() -> None:
    raise StoreError("disk full")


def test_jobs_run_in_order_beside_the_caller() -> None:
    begun, done = threading.Event(), []
    with Writer() as writer:
        writer.submit(lambda: done.append(begun.wait(PATIENCE)))
        writer.submit(lambda: done.append("second"))
        assert done == []
        begun.set()
        writer.flush()
        assert done == [True, "second"]
        writer.submit(lambda: done.append("third"))
    assert done == [True, "second", "third"]


def test_nothing_runs_after_a_failure() -> None:
    done: list[int] = []

    def write() -> None:
        with Writer() as writer:
            writer.submit(lambda: done.append(1))
            writer.submit(fail)
            writer.submit(lambda: done.append(2))

    with pytest.raises(StoreError, match="disk full"):
        write()
    assert done == [1]


def test_a_failure_is_told_while_the_training_goes_on() -> None:
    writer = Writer()
    writer.submit(fail)
    writer.settle()
    with pytest.raises(StoreError, match="disk full"):
        writer.check()


def test_a_failure_does_not_hide_another_error(caplog: pytest.LogCaptureFixture) -> None:
    def write() -> None:
        with Writer() as writer:
            writer.submit(fail)
            raise ZeroDivisionError

    with caplog.at_level(logging.WARNING), pytest.raises(ZeroDivisionError):
        write()
    assert "disk full" in caplog.text
