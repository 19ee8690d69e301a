"""Notices a trial that hangs: an epoch that takes far longer than its own earlier ones."""

from __future__ import annotations

import faulthandler
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence

FIRST_EPOCH_SECONDS = 3600.0
LEAST_SECONDS = 300.0
TIMES_MEDIAN = 20.0
# An attempt's first epoch may compile, or run on a slower node than the earlier ones.
TIMES_RESUMED = 2.0
# So long after the limit the process is ended without `on_hang`, should the thread not have come to run.
HARD_EXIT_SECONDS = 60.0


class Watchdog:
    """Calls `on_hang(limit)` from a thread when no epoch has ended for longer than the limit.

    The limit in seconds is TIMES_MEDIAN times the median epoch so far, at least `least` (LEAST_SECONDS), and
    `first` (FIRST_EPOCH_SECONDS) before the first epoch has ended, which reads data and compiles. A trial
    that goes on from a checkpoint, which `resume` tells, is measured by the epochs before it: TIMES_RESUMED
    times that limit in its first one. Time passed by `pause` does not count.

    Native code that hangs with the interpreter's lock held lets no thread of Python run: HARD_EXIT_SECONDS
    after the limit `faulthandler` then writes where the threads stand and ends the process, code 1. One
    watchdog at a time in a process.
    """

    def __init__(
        self,
        on_hang: Callable[[float], None],
        *,
        first: float | None = None,
        least: float | None = None,
    ) -> None:
        self._on_hang = on_hang
        self._first = FIRST_EPOCH_SECONDS if first is None else first
        self._least = LEAST_SECONDS if least is None else least
        self._epochs: list[float] = []
        self._is_resuming = False
        self._since = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._arm()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def beat(self) -> None:
        """An epoch has ended."""
        now = time.monotonic()
        self._epochs = [*self._epochs[-99:], now - self._since]
        self._is_resuming = False
        self._since = now
        self._arm()

    def resume(self, epochs: Sequence[float]) -> None:
        """The set-up has ended, and the first epoch begins after earlier ones that took these seconds."""
        self._epochs = list(epochs[-100:])
        self._is_resuming = True
        self._since = time.monotonic()
        self._arm()

    def pause(self, seconds: float) -> None:
        """Sleep, without counting it to the epoch: for waits that are no hang, as for storage that fails."""
        self._since += seconds  # before the sleep, so that the thread never sees it as overdue
        self._arm()
        time.sleep(seconds)

    def _arm(self) -> None:
        left = self._since + self.limit() + HARD_EXIT_SECONDS - time.monotonic()
        faulthandler.dump_traceback_later(max(left, 1.0), exit=True, file=sys.__stderr__ or sys.stderr)

    def limit(self) -> float:
        """Seconds that the current epoch may take."""
        if not self._epochs:
            return self._first
        limit = max(self._least, TIMES_MEDIAN * statistics.median(self._epochs))
        return TIMES_RESUMED * limit if self._is_resuming else limit

    def _watch(self) -> None:
        while not self._ended.wait(min(1.0, self._least / 10)):
            if time.monotonic() - self._since > self.limit():
                self._on_hang(self.limit())
                return
