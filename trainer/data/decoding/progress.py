"""How far decoding is, told to whoever listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LEAST_SECONDS = 1.0
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Within the block a line about every second says how far decoding is."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Progress:
    """Counts the decoded images of a data set, those of an earlier attempt apart: they took no time now."""

    def __init__(self, data_set: str, images: int, before: int) -> None:
        self._data_set, self._images, self._before = data_set, images, before
        self._done, self._started, self._told = before, time.monotonic(), 0.0
        self._listener = _listener.get()
        self._lock = threading.Lock()

    def add(self, images: int) -> None:
        """So many more are done."""
        with self._lock:
            self._done += images
            now = time.monotonic()
            if self._listener is None or now - self._told < LEAST_SECONDS:
                return
            self._told = now
            self._listener(
                progress_words(self._data_set, self._images, self._done, self._before, now - self._started)
            )


def progress_words(data_set: str, images: int, done: int, before: int, seconds: float) -> str:
    """A line on how far decoding is, of which `before` images were done earlier.

    >>> progress_words("scans", 224_000, 30_000, 10_000, 50.0)
    'decoding scans: 30,000 of 224,000 images, 400 per second, about 8 min left'
    """
    rate = (done - before) / max(seconds, 1e-9)
    words = f"decoding {data_set}: {done:,} of {images:,} images"
    if rate <= 0:
        return words
    left = (images - done) / rate
    time_left = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return f"{words}, {rate:,.0f} per second, about {time_left} left"
