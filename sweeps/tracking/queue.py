"""What the tracker has still to tell MLflow: at most one piece of work per trial, in order of arrival.

News of a trial is merged while it waits: a slow server gets fewer, larger calls instead of a growing queue.
Starts and epochs wait for some seconds on purpose, so that a trial's rate of calls is bounded however short
its epochs are, and a trial that ends sooner is told once and whole. An ending never waits.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from search_spaces.config import TrialConfig

Ending = Literal["finished", "interrupted"]


@dataclass
class Work:
    """News of one trial: that it started, epoch records, how it ended; not told before `due` (monotonic)."""

    config: TrialConfig
    due: float
    started: bool = False
    records: list[Mapping[str, Any]] = field(default_factory=list)
    ending: Ending | None = None


class TrackingQueue:
    """A bounded queue between the driver and the tracker's thread; at most `limit` epoch records wait.

    Records beyond the limit are dropped and counted: the store has them, and the final mirror logs them.
    Starts and endings are never dropped; there is at most one of each per trial. News other than endings
    waits for `live_seconds` after the first of it came.
    """

    def __init__(self, limit: int, live_seconds: float = 0.0) -> None:
        self.dropped = 0
        self._limit = limit
        self._live_seconds = live_seconds
        self._records = 0
        self._waiting: OrderedDict[str, Work] = OrderedDict()
        self._closed = False
        self._changed = threading.Condition()

    def put_start(self, config: TrialConfig) -> None:
        """A trial starts to train, for the first time or again."""
        with self._changed:
            work = self._work(config)
            work.started, work.ending = True, None
            self._changed.notify()

    def put_records(self, config: TrialConfig, records: list[Mapping[str, Any]]) -> None:
        """A trial's replicates trained an epoch."""
        with self._changed:
            if self._records + len(records) > self._limit:
                self.dropped += len(records)
                return
            self._work(config).records.extend(records)
            self._records += len(records)
            self._changed.notify()

    def put_ending(self, config: TrialConfig, ending: Ending) -> None:
        """A trial ended. Records of a finished trial that still wait are let go: the store has them all."""
        with self._changed:
            work = self._work(config)
            work.ending, work.due = ending, 0.0
            if ending == "finished":
                self._records -= len(work.records)
                work.records = []
            self._changed.notify()

    def close(self) -> None:
        """Let `take` return None once nothing waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> Work | None:
        """The work that waits longest of that which is due; blocks while none is; None when closed and empty.

        A closed queue holds nothing back.
        """
        with self._changed:
            while True:
                now = time.monotonic()
                work = next((w for w in self._waiting.values() if w.due <= now or self._closed), None)
                if work is not None:
                    del self._waiting[work.config.trial_id]
                    self._records -= len(work.records)
                    return work
                if self._closed:
                    return None
                first = min((w.due for w in self._waiting.values()), default=None)
                self._changed.wait(None if first is None else first - now)

    def endings(self) -> int:
        """How many endings wait."""
        with self._changed:
            return sum(work.ending is not None for work in self._waiting.values())

    def _work(self, config: TrialConfig) -> Work:
        trial_id = config.trial_id
        if trial_id not in self._waiting:
            self._waiting[trial_id] = Work(config, due=time.monotonic() + self._live_seconds)
        return self._waiting[trial_id]
