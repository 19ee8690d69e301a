"""Notices a trial that hangs: an epoch that takes far longer than its own earlier ones."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

FIRST_EPOCH_SECONDS = 3600.0
LEAST_SECONDS = 300.0
TIMES_MEDIAN = 20.0


class Watchdog:
    """Calls `on_hang(limit)` from a thread when no epoch has ended for longer than the limit.

    The limit in seconds is TIMES_MEDIAN times the median epoch so far, at least `least` (LEAST_SECONDS), and
    `first` (FIRST_EPOCH_SECONDS) before the first epoch has ended, which reads data and compiles.
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
        self._since = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def beat(self) -> None:
        """An epoch has ended."""
        now = time.monotonic()
        self._epochs = [*self._epochs[-99:], now - self._since]
        self._since = now

    def limit(self) -> float:
        """Seconds that the current epoch may take."""
        if not self._epochs:
            return self._first
        return max(self._least, TIMES_MEDIAN * statistics.median(self._epochs))

    def _watch(self) -> None:
        while not self._ended.wait(min(1.0, self._least / 10)):
            if time.monotonic() - self._since > self.limit():
                self._on_hang(self.limit())
                return
