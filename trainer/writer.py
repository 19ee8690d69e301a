"""Writes to the store beside the training: one thread, in the order in which they were asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType

log = logging.getLogger(__name__)


class Writer:
    """Runs jobs one after another on a thread of its own, while its block runs.

    After a job that failed none is run any more: a checkpoint that leaves out an ended replicate must not
    follow results that could not be written. `check` and `flush` raise what the job raised. Leaving the block
    waits for what was asked; where no other exception is under way it raises too.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._asked: list[Future[None]] = []
        self._error: BaseException | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()
        self._pool.shutdown()
        if error is None:
            self.check()
        elif self._error is not None and self._error is not error:
            log.warning("besides %s, a write failed: %s", kind and kind.__name__, self._error)

    def submit(self, job: Callable[[], None]) -> None:
        """Ask for a job to be run after those asked for before."""
        self._asked = [one for one in self._asked if not one.done()]
        self._asked.append(self._pool.submit(self._run, job))

    def settle(self) -> None:
        """Wait until nothing is left to do. Raises nothing."""
        wait(self._asked)

    def check(self) -> None:
        """Raise what a job raised."""
        if self._error is not None:
            raise self._error

    def flush(self) -> None:
        """Wait until nothing is left to do, and raise what a job raised."""
        self.settle()
        self.check()

    def _run(self, job: Callable[[], None]) -> None:
        if self._error is None:
            try:
                job()
            except BaseException as error:
                self._error = error
