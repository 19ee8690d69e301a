"""Tells MLflow how a sweep goes, from a thread of the driver, without ever slowing or failing it.

The result store is the truth and MLflow a view of it: epochs are logged live when that works, and when a
trial ends its run is brought level with the store. What could not be told is counted; `reconcile` tells it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from search_spaces.config import Task, TrialConfig
from search_spaces.errors import AlmsweepError
from search_spaces.redaction import redacted
from sweeps.tracking.connection import import_mlflow, what_went_wrong
from sweeps.tracking.mirror import sweep_runs
from sweeps.tracking.queue import TrackingQueue, Work
from sweeps.tracking.state import read_trial_state
from sweeps.tracking.view import shown_curves
from trainer.store import Store, SweepManifest

log = logging.getLogger(__name__)

LIVE_SECONDS = 5.0  # how long news of a trial under way is gathered before MLflow is told
QUEUE_LIMIT = 50_000  # epoch records of single replicates: some tens of MB
GRACE_SECONDS = 5.0  # for the call that is under way when the time is over
AWAY_SECONDS = 30.0  # how long a server that did not answer is left alone
CLOSE_PAUSES = (0.0, 1.0, 3.0)  # seconds before each round of retries at the end

# MLflow's codes for a server or database that is out of order, as opposed to a request that is wrong.
_AWAY_CODES = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", None}


class Tracker:
    """Tells MLflow about the trials of one sweep. Its methods return at once and raise nothing of its."""

    def __init__(
        self,
        tracking_uri: str | None,
        store: Store,
        sweep: SweepManifest,
        tasks: Iterable[Task] = (),
    ) -> None:
        """`tracking_uri` None: SQLite in the output folder.

        `tasks` are those of trials that are not in the manifest yet. Raises InputError for a tracking URI of
        an unknown kind, and for none where the store is remote.
        """
        self._arguments = (tracking_uri, store, sweep, tuple(tasks))
        self._store, self._reading = store, sweep.reading
        self._runs = sweep_runs(store, sweep, tracking_uri, tasks)
        self._queue = TrackingQueue(QUEUE_LIMIT, LIVE_SECONDS)
        self._thread = threading.Thread(target=self._work, name="mlflow-tracker", daemon=True)
        self._unmirrored: dict[str, Work] = {}
        self._damaged: set[str] = set()
        self._away_until = 0.0
        self._deadline = float("inf")
        self.failures: dict[str, int] = {}

    def __reduce__(self) -> tuple[Callable[..., Tracker], tuple[Any, ...]]:
        """Ray pickles the callbacks of a Tuner: a copy starts idle."""
        return (type(self), self._arguments)

    @property
    def tracking_uri(self) -> str:
        """Where MLflow keeps its records."""
        return self._runs.tracking_uri

    def start(self) -> None:
        """Begin to work. The only slow method: it imports MLflow."""
        import_mlflow()
        self._thread.start()

    def trial_started(self, config: TrialConfig) -> None:
        """A trial starts to train, for the first time or again."""
        self._queue.put_start(config)

    def epochs(self, config: TrialConfig, records: Sequence[Mapping[str, Any]]) -> None:
        """A trial's replicates trained an epoch: one record per replicate, as in the store's epochs table."""
        self._queue.put_records(config, list(records))

    def trial_finished(self, config: TrialConfig) -> None:
        """A trial ended, well or not: the store tells how."""
        self._queue.put_ending(config, "finished")

    def trial_interrupted(self, config: TrialConfig) -> None:
        """A trial was stopped before its end."""
        self._queue.put_ending(config, "interrupted")

    def close(self, timeout: float = 60.0) -> int:
        """Tell what is left, for at most `timeout` seconds; returns how many endings could not be told.

        Where it is not 0, `reconcile` brings MLflow level later.
        """
        self._deadline = time.monotonic() + timeout
        self._queue.close()
        if self._thread.ident is not None:
            self._thread.join(timeout + GRACE_SECONDS)
        if self._queue.dropped:
            log.info("MLflow: %d live records were dropped; the final mirror has them", self._queue.dropped)
        return self._queue.endings() + len(self._unmirrored) + len(self._damaged)

    def _work(self) -> None:
        try:
            self._runs.connect()  # creates the database while the first trials train
        except Exception as error:
            self._note(error)
        while (work := self._queue.take()) is not None:
            if work.ending is not None:
                self._unmirrored[work.config.trial_id] = work
            else:  # it goes on: what ended before is no ending
                self._unmirrored.pop(work.config.trial_id, None)
            if time.monotonic() >= self._deadline:
                break
            if time.monotonic() >= self._away_until:
                self._attempt(work)
        self._tell_endings_again()
        self._runs.disconnect()

    def _tell_endings_again(self) -> None:
        """Try to tell the endings that could not be told, in a few rounds, until the deadline."""
        for pause in CLOSE_PAUSES:
            if not self._unmirrored or time.monotonic() + pause >= self._deadline:
                break
            time.sleep(pause)
            self._away_until = 0.0
            for work in list(self._unmirrored.values()):
                if time.monotonic() < self._deadline:
                    self._attempt(work)

    def _attempt(self, work: Work) -> None:
        trial_id = work.config.trial_id
        try:
            self._tell(work)
        except AlmsweepError as error:  # damaged result files: to try again would not help
            log.warning("MLflow: trial %s: %s", trial_id, error)
            self._unmirrored.pop(trial_id, None)
            self._damaged.add(trial_id)
        except Exception as error:  # whatever MLflow raises, training goes on
            self._note(error)
        else:
            self._unmirrored.pop(trial_id, None)
            self._damaged.discard(trial_id)

    def _tell(self, work: Work) -> None:
        config = work.config
        self._runs.connect()
        if work.records or (work.started and work.ending is None):
            self._runs.start(config)
        if work.records:
            self._runs.log_epochs(config, shown_curves(config, work.records))
        if work.ending == "finished":
            trial = read_trial_state(self._store, config, self._reading)
            self._runs.bring_level(trial, self._store)
        elif work.ending == "interrupted":
            self._runs.kill(config)

    def _note(self, error: Exception) -> None:
        """Log a kind of failure once, count it, and leave a server that does not answer alone for a while."""
        code = getattr(error, "error_code", None)
        kind = type(error).__name__ if code is None else f"{type(error).__name__} {code}"
        self.failures[kind] = self.failures.get(kind, 0) + 1
        if self.failures[kind] == 1:
            where = redacted(self._runs.tracking_uri)
            told = what_went_wrong(error, self._runs.tracking_uri, self._runs.sweep_name)
            log.warning("MLflow at %s: %s (further ones are only counted)", where, told)
        self._runs.disconnect()
        if code in _AWAY_CODES:
            self._away_until = time.monotonic() + AWAY_SECONDS
