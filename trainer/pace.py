"""When a trial writes its next checkpoint: soon after an attempt begins, then less and less often."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_SECONDS = 1.0


class Pace:
    """The first checkpoint is due one second after training began, each further one after twice the time.

    So a trial that is killed again and again gets on, however short each attempt is, a long one spends little
    on checkpoints, and one that ends within a second none. They are asked for at the end of an epoch.
    """

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`longest`: seconds that are not exceeded by doubling; 0 makes one due at every question."""
        self._longest = longest
        self._clock = clock
        self._interval = min(FIRST_SECONDS, longest)
        self._since = clock()

    def begin(self) -> None:
        """Training begins now."""
        self._since = self._clock()

    def is_due(self) -> bool:
        """Whether a checkpoint is to be written now."""
        return self._clock() - self._since >= self._interval

    def written(self) -> None:
        """A checkpoint was asked for now."""
        self._since = self._clock()
        self._interval = min(2 * self._interval, self._longest)
