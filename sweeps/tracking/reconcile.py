"""Brings MLflow level with the result store, whatever it shows now: at the end of a run, or by a command."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any

from search_spaces.errors import AlmsweepError
from search_spaces.redaction import redacted
from sweeps.tracking.columns import LEFT_TAG
from sweeps.tracking.connection import import_mlflow, what_went_wrong
from sweeps.tracking.mirror import SweepRuns, sweep_runs
from sweeps.tracking.run import Run
from sweeps.tracking.state import STATUS, TrialState, trial_state
from trainer.store import Store, SweepManifest, wanted_seeds

log = logging.getLogger(__name__)

# For the call that is under way when the time is over.
GRACE_SECONDS = 5.0


@dataclass
class ReconcileCounts:
    """What `reconcile` did: trials whose run was written or brought level, already was, ended, or failed.

    left   runs that were marked as no longer in the sweep's space, or as in it again
    late   trials for which the time did not suffice
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    ended: int = 0
    failed: int = 0
    left: int = 0
    late: int = 0

    @property
    def untold(self) -> int:
        """How many trials MLflow does not show as the store has them."""
        return self.failed + self.late


def reconcile(
    store: Store,
    manifest: SweepManifest,
    tracking_uri: str | None = None,
    *,
    is_running: bool = False,
    seconds: float = math.inf,
) -> ReconcileCounts:
    """Bring MLflow level with the store for all trials of a sweep. A second call changes nothing.

    Runs that say "running" end as killed, unless `is_running` says that a driver is at work on the sweep.
    Trials of which the store holds nothing get no run; runs of trials that left the sweep's space are marked,
    unless a driver is at work, which may have chosen trials that the manifest does not hold yet. No trial is
    begun after `seconds`. Raises AlmsweepError when MLflow cannot be reached; a trial whose files are damaged
    is logged and counted as failed.
    """
    deadline = time.monotonic() + seconds
    runs = sweep_runs(store, manifest, tracking_uri)
    try:
        import_mlflow()
        runs.connect()
        return _reconcile(runs, store, manifest, is_running, deadline)
    except AlmsweepError:
        raise
    except Exception as error:
        where = redacted(runs.tracking_uri)
        told = what_went_wrong(error, runs.tracking_uri, manifest.name)
        raise AlmsweepError(f"MLflow at {where}: {told}") from error
    finally:
        runs.disconnect()


def reconcile_in_time(
    store: Store, manifest: SweepManifest, tracking_uri: str | None, seconds: float
) -> ReconcileCounts:
    """Likewise, for about `seconds` at most, even where MLflow hangs: it is let go of then.

    Raises AlmsweepError as `reconcile` does, and when it hangs.
    """
    import_mlflow()
    ended: Queue[ReconcileCounts | Exception] = Queue()

    def work() -> None:
        try:
            ended.put(reconcile(store, manifest, tracking_uri, seconds=seconds))
        except Exception as error:  # told by who waits
            ended.put(error)

    # Of a call that never returns nobody can be rid but by ending the process.
    threading.Thread(target=work, name="mlflow-reconcile", daemon=True).start()
    try:
        outcome = ended.get(timeout=seconds + GRACE_SECONDS)
    except Empty:
        raise AlmsweepError(f"MLflow did not answer within {seconds + GRACE_SECONDS:.0f} s") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _reconcile(
    runs: SweepRuns, store: Store, manifest: SweepManifest, is_running: bool, deadline: float
) -> ReconcileCounts:
    counts = ReconcileCounts()
    if not is_running:
        counts.left = _mark_left(runs.known(), {config.trial_id for config in manifest.trials})
    for trial in _trial_states(store, manifest):
        run = runs.known().get(trial.config.trial_id)
        if time.monotonic() > deadline:
            counts.late += 1
            continue
        if is_running and run is not None and run.status == "RUNNING":
            counts.unchanged += 1
        elif not trial.replicates and trial.failure is None:
            counts.ended += runs.kill(trial.config)
        else:
            try:
                changed = runs.bring_level(trial, store)
            except AlmsweepError as error:
                log.warning("trial %s: %s", trial.config.trial_id, error)
                counts.failed += 1
                continue
            counts.created += changed and run is None
            counts.updated += changed and run is not None
            counts.unchanged += not changed
    return counts


def _mark_left(runs: Mapping[str, Run], trial_ids: Collection[str]) -> int:
    """Tag the runs whose trial is none of these any more, and no others; returns how many that changed.

    A run that left while it said "running" ends as interrupted.
    """
    changed = 0
    for trial_id, run in runs.items():
        has_left = trial_id not in trial_ids
        if has_left == (LEFT_TAG in run.tags):
            continue
        changed += 1
        if not has_left:
            run.remove_tag(LEFT_TAG)
            continue
        run.write(tags={LEFT_TAG: "true"})
        if run.status == STATUS["running"]:
            run.interrupt(time.time_ns() // 1_000_000)
    return changed


def _trial_states(store: Store, manifest: SweepManifest) -> list[TrialState]:
    """How each trial stands; a failure is read only where the store's listing shows one."""
    wanted = wanted_seeds(manifest.trials)
    files, ended = store.scan(wanted), store.all_replicates(wanted)
    found = []
    for config in manifest.trials:
        failure: dict[str, Any] | None = None
        if config.trial_id in files and files[config.trial_id].failure:
            failure = store.notes.read_failure(config.trial_id)
        done = ended.get(config.trial_id, {})
        found.append(trial_state(config, done, failure, manifest.reading))
    return found
