"""What the tracker has still to tell MLflow: at most one piece of work per trial, in order of arrival.

News of a trial is merged while it waits: a slow server gets fewer, larger calls instead of a growing queue.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from search_spaces.config import TrialConfig

Ending = Literal["finished", "interrupted"]


@dataclass
class Work:
    """News of one trial: that it started, epoch records, how it ended."""

    config: TrialConfig
    started: bool = False
    records: list[Mapping[str, Any]] = field(default_factory=list)
    ending: Ending | None = None


class TrackingQueue:
    """A bounded queue between the driver and the tracker's thread; at most `limit` epoch records wait.

    Records beyond the limit are dropped and counted: the store has them, and the final mirror logs them.
    Starts and endings are never dropped; there is at most one of each per trial.
    """

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
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
            work.ending = ending
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
        """The work that waits longest; blocks while there is none; None when closed and empty."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            work = self._waiting.popitem(last=False)[1]
            self._records -= len(work.records)
            return work

    def endings(self) -> int:
        """How many endings wait."""
        with self._changed:
            return sum(work.ending is not None for work in self._waiting.values())

    def _work(self, config: TrialConfig) -> Work:
        return self._waiting.setdefault(config.trial_id, Work(config))
