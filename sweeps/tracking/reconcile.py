"""Brings MLflow level with the result store, whatever it shows now: at the end of a run, or by a command."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.errors import AlmsweepError
from search_spaces.redaction import redacted
from sweeps.tracking.columns import LEFT_TAG
from sweeps.tracking.connection import first_line, import_mlflow
from sweeps.tracking.mirror import SweepRuns, sweep_runs
from sweeps.tracking.run import Run
from sweeps.tracking.state import STATUS, TrialState, trial_state
from trainer.store import Store, SweepManifest, wanted_seeds

log = logging.getLogger(__name__)


@dataclass
class ReconcileCounts:
    """What `reconcile` did: trials whose run was written or brought level, already was, ended, or failed.

    left   runs that were marked as no longer in the sweep's space, or as in it again
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    ended: int = 0
    failed: int = 0
    left: int = 0


def reconcile(
    store: Store, manifest: SweepManifest, tracking_uri: str | None = None, *, is_running: bool = False
) -> ReconcileCounts:
    """Bring MLflow level with the store for all trials of a sweep. A second call changes nothing.

    Runs that say "running" end as killed, unless `is_running` says that a driver is at work on the sweep.
    Trials of which the store holds nothing get no run; runs of trials that left the sweep's space are marked,
    unless a driver is at work, which may have chosen trials that the manifest does not hold yet. Raises
    AlmsweepError when MLflow cannot be reached; a trial whose files are damaged is logged and counted as
    failed.
    """
    runs = sweep_runs(store, manifest, tracking_uri)
    try:
        import_mlflow()
        runs.connect()
        return _reconcile(runs, store, manifest, is_running)
    except AlmsweepError:
        raise
    except Exception as error:
        where = redacted(runs.tracking_uri)
        raise AlmsweepError(f"MLflow at {where}: {type(error).__name__}: {first_line(error)}") from error
    finally:
        runs.disconnect()


def _reconcile(runs: SweepRuns, store: Store, manifest: SweepManifest, is_running: bool) -> ReconcileCounts:
    counts = ReconcileCounts()
    if not is_running:
        counts.left = _mark_left(runs.known(), {config.trial_id for config in manifest.trials})
    for trial in _trial_states(store, manifest):
        run = runs.known().get(trial.config.trial_id)
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
