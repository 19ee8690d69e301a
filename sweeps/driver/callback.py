"""What the driver does while Ray Tune runs: the display, the tracker, and when to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray import tune

from search_spaces.config import TrialConfig
from search_spaces.errors import Interrupted, StoreError, SweepStopped
from search_spaces.redaction import redacted
from sweeps.driver.claim import Claimant
from sweeps.driver.progress import SweepProgress
from sweeps.driver.same_error import SameErrors
from sweeps.driver.worker import ELSEWHERE, GIVEN_UP, OUT_OF_MEMORY, PEAK_MEMORY
from sweeps.tracking.tracker import Tracker
from trainer.store import Store

log = logging.getLogger(__name__)


class SweepCallback(tune.Callback):  # type: ignore[misc]
    """Passes a trial's start, epochs and end on to the display and the tracker.

    on_done     called with the configuration of every trial whose replicates have ended, in whatever way
    check       called before every step of Tune's loop; what it raises ends the run
    stop_flag   raised on the cluster after `request_stop`, for the workers to see
    started     gathers the ids of the trials that were given to a worker

    A block is given up whose first trials all fail with one error: its other trials end without being begun,
    and when no other block is left the sweep stops.

    After a run, `starved` lists the trials that ended for want of memory, or whose process was lost, and
    `elsewhere` those that another sweep was training. `claimant` is for whom workers claim trials; None: for
    nobody. `halfway` holds the ids of trials that this pass gives some of their replicates only; they go on
    in another one. `on_setup` is called when Tune has begun, which sets signal handlers of its own (USR1).
    """

    def __init__(
        self,
        configs: Mapping[str, TrialConfig],
        store: Store,
        progress: SweepProgress,
        tracker: Tracker | None,
        stop_flag: Any,
        on_done: Callable[[TrialConfig], None],
        check: Callable[[], None],
        started: set[str],
    ) -> None:
        self.configs = configs
        self.store = store
        self.progress = progress
        self.tracker = tracker
        self.stop_flag = stop_flag
        self.on_done = on_done
        self.check = check
        self.started = started
        self.starved: list[TrialConfig] = []
        self.elsewhere: list[TrialConfig] = []
        self.claimant: Claimant | None = None
        self.on_setup: Callable[[], None] | None = None
        self.is_last_pass = False
        self.halfway: frozenset[str] = frozenset()
        self.is_stopping = False
        self._finishing: set[str] | None = None
        self._errors = SameErrors(configs)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks with its scratch state, and ours hold connections."""
        return {}

    def setup(self, *args: Any, **info: Any) -> None:
        """Tune has begun."""
        if self.on_setup is not None:
            self.on_setup()

    @property
    def given_up(self) -> str | None:
        """Which blocks were given up, and why; None where none was."""
        return self._errors.words()

    def request_stop(self) -> None:
        """Let the running epochs end and leave. Only sets a mark, so a signal handler may call it."""
        self.is_stopping = True

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop begins a step."""
        self.check()
        given_up = self._errors.give_up()
        if self._errors.all_given_up():
            raise SweepStopped(self._errors.words() or "")
        if given_up:
            self.stop_flag.give_up.remote(given_up)
        if self.is_stopping and self._finishing is None:
            self._finishing = self.progress.running_ids()
            self.stop_flag.raise_flag.remote()
        if self._finishing is not None and not self._finishing & self.progress.running_ids():
            raise Interrupted("stopped on request")

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has been given to a worker; after `request_stop` it returns at once and is not counted."""
        config = self._config(trial)
        if self.is_stopping or self._errors.is_given_up(config):
            return
        self.started.add(config.trial_id)
        self.progress.started(config)
        if self.tracker is not None:
            self.tracker.trial_started(config)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A worker has reported the epochs since its last report."""
        config = self._config(trial)
        records = result.pop("records")  # or Tune would keep them with every trial, and in its snapshots
        if self.tracker is not None and records:
            self.tracker.epochs(config, records)
        if result["epoch"] >= 0:
            value = result.get(f"ensemble/val/{config.data.steers}", float("nan"))
            self.progress.epoch(config, result["epoch"], value)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's function has returned: it completed, diverged, stopped, or reported an error."""
        config = self._config(trial)
        result = trial.last_result or {}
        state = result.get("state", "failed")
        if state == "interrupted":
            if self.tracker is not None and config.trial_id in self.progress.running_ids():
                self.tracker.trial_interrupted(config)
            self.progress.stopped(config)
            return
        if state == GIVEN_UP:
            self.progress.stopped(config)
            return
        if state == ELSEWHERE:
            self.elsewhere.append(config)
            self.started.discard(config.trial_id)
            if self.tracker is not None:
                self.tracker.trial_interrupted(config)
            self.progress.stopped(config)
            return
        if state == OUT_OF_MEMORY and not self.is_last_pass:
            self._put_off(config)
            return
        if state in ("done", "diverged", "pruned"):  # the worker did its work, whatever came of it
            self._errors.did_well(config)
            if config.trial_id in self.halfway and state != "pruned":
                self.progress.stopped(config)
                return
            error = "replicates diverged" if state == "diverged" else None
            self.progress.ended(config, error, pruned=state == "pruned")
            self.on_done(config)
        else:
            self._failed(config, result.get("error", state))
        if self.tracker is not None:
            self.tracker.trial_finished(config)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good: an exception, or a lost process, once more than is retried."""
        config = self._config(trial)
        if self.claimant is not None:  # the worker could not give it back
            self.claimant.release(self.store, config.trial_id)
        failure = _lost_worker(trial.get_error(), (trial.last_result or {}).get(PEAK_MEMORY))
        try:
            known = self.store.notes.read_failure(config.trial_id)
            # When memory runs out, the system ends processes without a word.
            if known is None and not self.is_last_pass and _is_lost(trial.get_error()):
                if not isinstance(trial.get_error(), ray.exceptions.OutOfMemoryError):
                    self._errors.failed(config, f"{failure['error']}: {failure['message']}")
                self._put_off(config)
                return
            if known is None:
                self.store.notes.write_failure(config.trial_id, failure)
            failure = known or failure
        except StoreError as reason:  # the sweep goes on; the trial has no DONE marker and is run again
            log.warning("trial %s: its failure could not be stored: %s", config.trial_id, reason)
        self._failed(config, f"{failure['error']}: {failure['message']}")
        if self.tracker is not None:
            self.tracker.trial_finished(config)

    def left_behind(self, config: TrialConfig) -> None:
        """A race has ended for a trial, between two passes; the store says so."""
        self.progress.ended(config, pruned=True)
        self.on_done(config)
        if self.tracker is not None:
            self.tracker.trial_finished(config)

    def _put_off(self, config: TrialConfig) -> None:
        """A trial that ran out of memory, or lost its process, runs again after the others, alone."""
        self.starved.append(config)
        self.progress.stopped(config)

    def _failed(self, config: TrialConfig, error: str) -> None:
        error = redacted(error)
        self._errors.failed(config, error)
        self.progress.ended(config, error)

    def _config(self, trial: Any) -> TrialConfig:
        return self.configs[trial.config["trial_id"]]


def _is_lost(error: Exception | None) -> bool:
    """Whether a trial's process ended, as opposed to an exception in it."""
    lost = (ray.exceptions.RayActorError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError)
    return isinstance(error, lost)


def _lost_worker(error: Exception | None, peak: int | None) -> dict[str, Any]:
    """The failure of a trial whose process left no word; `peak`: its memory when last heard of."""
    text = str(error or "its process ended without a word")
    failure: dict[str, Any] = {
        "error": "WorkerLost" if error is None else type(error).__name__,
        "message": text.strip().splitlines()[0][:500],
        "traceback": text.splitlines()[-15:],
        "seeds": [],
    }
    if peak is not None:
        failure[PEAK_MEMORY] = peak
    return failure
