"""The tracker against MLflow's server: the same view as on SQLite, artifacts through the server."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import urlopen

import pytest

from sweeps.tracking.connection import import_mlflow
from sweeps.tracking.mirror import sweep_runs
from sweeps.tracking.reconcile import ReconcileCounts, reconcile
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.ui import free_port, running_ui
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store, SweepManifest

pytestmark = pytest.mark.group(name="tracking")


def test_tracker_writes_through_a_server(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server_folder, store = tmp_path / "server", Store(tmp_path / "output")
    runs = sweep_runs(Store(server_folder), SweepManifest("unused", ()), None)
    runs.connect()
    runs.disconnect()
    config = synthetic.trials()[1]
    synthetic.write_sweep(store, [config])
    port = free_port()
    with running_ui(server_folder, port=port):
        address = f"http://127.0.0.1:{port}"
        tracker = Tracker(address, store, synthetic.manifest())
        tracker.start()
        tracker.trial_started(config)
        for epoch in range(3):
            tracker.epochs(config, [synthetic.epoch_records(config, seed)[epoch] for seed in config.seeds])
        synthetic.write_trial(store, config)
        tracker.trial_finished(config)
        assert tracker.close() == 0
        assert tracker.failures == {}
        assert reconcile(store, store.read_sweep(synthetic.SWEEP), address) == ReconcileCounts(unchanged=1)

        client = import_mlflow().MlflowClient(address)
        experiment = client.get_experiment_by_name(synthetic.SWEEP)
        (run,) = client.search_runs([experiment.experiment_id])
        history = client.get_metric_history(run.info.run_id, "val/auroc")
        stored = [r["ensemble/val/auroc"] for r in synthetic.epoch_records(config, config.seeds[-1])]
        assert [m.value for m in sorted(history, key=lambda m: m.step)] == stored
        with urlopen(
            f"{address}/get-artifact?path=replicates.json&run_uuid={run.info.run_id}", timeout=30
        ) as reply:
            table = json.load(reply)
        assert [row[table["columns"].index("seed")] for row in table["data"]] == list(config.seeds)
    assert "View run" not in capfd.readouterr().out
