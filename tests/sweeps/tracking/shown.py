"""What the tracker is told, and what MLflow shows afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from search_spaces.config import TrialConfig
from sweeps.tracking.reconcile import ReconcileCounts, reconcile
from sweeps.tracking.state import trial_state
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.view import trial_view
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store


def track(store: Store, tell: Callable[[Tracker], None], uri: str | None = None) -> int:
    """Run a tracker from start to close; returns how many trials it could not mirror."""
    tracker = Tracker(uri, store, synthetic.manifest())
    tracker.start()
    tell(tracker)
    return tracker.close()


def tell_epochs(tracker: Tracker, config: TrialConfig, epochs: range) -> None:
    """Tell the epoch records of all replicates, epoch by epoch."""
    records = {seed: synthetic.epoch_records(config, seed) for seed in config.seeds}
    for epoch in epochs:
        tracker.epochs(config, [records[seed][epoch] for seed in config.seeds])


def tell_start(tracker: Tracker, config: TrialConfig, epochs: int) -> None:
    """Tell that a trial starts, and its first epochs."""
    tracker.trial_started(config)
    tell_epochs(tracker, config, range(epochs))


def runs_of(client: Any) -> list[Any]:
    """All runs of the sweep's experiment, deleted ones left out."""
    experiment = client.get_experiment_by_name(synthetic.SWEEP)
    return list(client.search_runs([experiment.experiment_id]))


def content_of(client: Any) -> str:
    """A hash of everything that MLflow holds of the sweep, timestamps included."""
    content = []
    for run in sorted(runs_of(client), key=lambda r: r.info.run_id):
        history = {
            n: [m.to_dictionary() for m in client.get_metric_history(run.info.run_id, n)]
            for n in run.data.metrics
        }
        content.append(
            [run.to_dictionary(), history, [a.path for a in client.list_artifacts(run.info.run_id)]]
        )
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def points_of(client: Any, run: Any) -> list[tuple[str, int, float]]:
    """Every metric that a run holds: name, step, value, as often as it stands there."""
    return sorted(
        (name, m.step, m.value)
        for name in run.data.metrics
        for m in client.get_metric_history(run.info.run_id, name)
    )


def check_level(client: Any, store: Store, run: Any, config: TrialConfig) -> None:
    """Check that a run's metrics are exactly those that the store tells, each once."""
    done = store.replicates.ended(config.trial_id)
    view = trial_view(trial_state(config, done, store.notes.read_failure(config.trial_id)), store)
    curves = [(name, epoch, v) for epoch, point in view.curves.items() for name, v in point.items()]
    assert points_of(client, run) == sorted([*curves, *((n, 0, v) for n, v in view.summary.items())])
    assert len(curves) > synthetic.EPOCHS


def bring_level(store: Store, uri: str | None = None, *, is_running: bool = False) -> ReconcileCounts:
    """Reconcile the synthetic sweep as the store holds it."""
    return reconcile(store, store.read_sweep(synthetic.SWEEP), uri, is_running=is_running)
