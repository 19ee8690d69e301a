"""The tracker and `reconcile`, on SQLite in a temporary folder: MLflow shows what the store holds, once."""

from __future__ import annotations

import hashlib
import json
import pickle
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, InputError
from search_spaces.labels import trial_label
from sweeps.tracking.connection import default_tracking_uri, import_mlflow
from sweeps.tracking.experiment import SweepRuns
from sweeps.tracking.tracker import ReconcileCounts, Tracker, mirror_trial, reconcile, sweep_runs
from sweeps.tracking.view import trial_state, trial_view
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store


@pytest.fixture
def store(tmp_path: Path, database: Path) -> Store:
    """An empty store beside an MLflow database that already has its tables: creating them takes seconds."""
    (tmp_path / "mlflow.db").write_bytes(database.read_bytes())
    return Store(tmp_path)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow database, made by the tracker itself."""
    folder = tmp_path_factory.mktemp("database")
    tracker = Tracker(None, Store(folder), "unused")
    tracker.start()
    assert tracker.close() == 0
    return folder / "mlflow.db"


@pytest.fixture
def client(store: Store) -> Iterator[Any]:
    """An MLflow client of its own on the store's database."""
    client = import_mlflow().MlflowClient(default_tracking_uri(store))
    yield client
    client._tracking_client.store.engine.dispose()


def track(store: Store, tell: Callable[[Tracker], None], uri: str | None = None) -> int:
    """Run a tracker from start to close; returns how many trials it could not mirror."""
    tracker = Tracker(uri, store, synthetic.SWEEP, commit="abc")
    tracker.start()
    tell(tracker)
    return tracker.close()


def tell_epochs(tracker: Tracker, config: TrialConfig, epochs: range) -> None:
    """Tell the epoch records of all replicates, epoch by epoch."""
    records = {seed: synthetic.epoch_records(config, seed) for seed in config.seeds}
    for epoch in epochs:
        tracker.epochs(config, [records[seed][epoch] for seed in config.seeds])


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


def test_live_trial_ends_level_with_the_store(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]

    def tell(tracker: Tracker) -> None:
        tracker.trial_started(config)
        tell_epochs(tracker, config, range(synthetic.EPOCHS))
        synthetic.write_trial(store, config)
        tracker.trial_finished(config)

    assert track(store, tell) == 0
    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == trial_label(config)
    expected = {
        "trial_id": config.trial_id,
        "sweep": synthetic.SWEEP,
        "state": "completed",
        "replicates": "3/3",
    }
    assert expected.items() <= run.data.tags.items()
    assert run.data.tags["commit"] == "0" * 40
    assert run.data.params["constraint.penalty"] == str(config.constraint and config.constraint.penalty)
    assert "seeds" not in run.data.params
    check_level(client, store, run, config)
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {"roc.svg", "replicates.json"}


def test_live_epochs_are_logged_before_the_end(store: Store, client: Any) -> None:
    config = synthetic.trials()[0]

    def tell(tracker: Tracker) -> None:
        tracker.trial_started(config)
        tell_epochs(tracker, config, range(3))

    assert track(store, tell) == 0
    (run,) = runs_of(client)
    assert run.info.status == "RUNNING"
    history = client.get_metric_history(run.info.run_id, "val/auroc")
    told = [r["ensemble/val/auroc"] for r in synthetic.epoch_records(config, 1)[:3]]
    assert [m.value for m in sorted(history, key=lambda m: m.step)] == told
    assert "train/penalty_mean" not in run.data.metrics  # no constraint, no constraint's curves


def test_trial_that_ends_soon_is_told_once(
    store: Store, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = synthetic.trials()[0]
    monkeypatch.setattr(SweepRuns, "start", lambda *arguments: pytest.fail("told before its end"))
    monkeypatch.setattr(SweepRuns, "log_epochs", lambda *arguments: pytest.fail("told before its end"))

    def tell(tracker: Tracker) -> None:
        tracker.trial_started(config)
        tell_epochs(tracker, config, range(synthetic.EPOCHS))
        synthetic.write_trial(store, config)
        tracker.trial_finished(config)

    assert track(store, tell) == 0
    (run,) = runs_of(client)
    check_level(client, store, run, config)


def test_ended_runs_are_let_go_and_found_again(store: Store, client: Any) -> None:
    config = synthetic.trials()[0]
    synthetic.write_trial(store, config)
    runs = sweep_runs(store, synthetic.SWEEP, None)
    runs.connect()
    standing = trial_state(config, store.replicates.ended(config.trial_id), None)
    assert mirror_trial(runs, store, standing)
    known = runs.known()[config.trial_id]
    assert (known.is_stub, known.params, known.latest, known.points) == (True, {}, {}, None)
    assert not mirror_trial(runs, store, standing)
    runs.start(config)
    assert runs.known()[config.trial_id].params["epochs"] == str(config.epochs)
    assert mirror_trial(runs, store, standing)
    runs.disconnect()
    (run,) = runs_of(client)
    check_level(client, store, run, config)
    assert run.info.status == "FINISHED"


def test_relaunch_goes_on_in_the_same_run(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]

    def first(tracker: Tracker) -> None:
        tracker.trial_started(config)
        tell_epochs(tracker, config, range(3))
        tracker.trial_interrupted(config)

    def second(tracker: Tracker) -> None:
        tracker.trial_started(config)
        tell_epochs(tracker, config, range(2, synthetic.EPOCHS))  # one epoch comes again
        synthetic.write_trial(store, config)
        tracker.trial_finished(config)

    assert track(store, first) == 0
    (killed,) = runs_of(client)
    assert killed.info.status == "KILLED"
    assert killed.data.tags["state"] == "interrupted"
    assert track(store, second) == 0
    (run,) = runs_of(client)
    assert run.info.run_id == killed.info.run_id
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(run.info.run_id, "val/auroc")) == synthetic.EPOCHS
    check_level(client, store, run, config)


def test_mirroring_again_changes_nothing(store: Store, client: Any) -> None:
    configs = synthetic.trials()
    synthetic.write_sweep(store, configs)
    synthetic.write_trial(store, configs[0])
    synthetic.write_trial(store, configs[1], seeds=[2])
    store.notes.write_failure(configs[1].trial_id, synthetic.failure())
    synthetic.write_trial(store, configs[2], seeds=[1, 3])
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(created=3)
    before = content_of(client)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(unchanged=3)
    assert track(store, lambda tracker: tracker.trial_finished(configs[0])) == 0
    assert content_of(client) == before
    statuses = {r.data.tags["trial_id"]: (r.info.status, r.data.tags["state"]) for r in runs_of(client)}
    assert statuses == {
        configs[0].trial_id: ("FINISHED", "completed"),
        configs[1].trial_id: ("FAILED", "failed"),
        configs[2].trial_id: ("KILLED", "interrupted"),
    }


def test_reconcile_rebuilds_a_lost_database(store: Store, client: Any) -> None:
    configs = synthetic.trials()
    synthetic.write_sweep(store, configs)
    for config in configs:
        synthetic.write_trial(store, config)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(created=len(configs))
    by_trial = {run.data.tags["trial_id"]: run for run in runs_of(client)}
    assert by_trial.keys() == {config.trial_id for config in configs}
    for config in configs:
        check_level(client, store, by_trial[config.trial_id], config)


def test_reconcile_ends_abandoned_runs(store: Store, client: Any) -> None:
    configs = synthetic.trials()[:2]
    synthetic.write_sweep(store, configs)
    assert track(store, lambda tracker: tracker.trial_started(configs[0])) == 0
    assert reconcile(store, synthetic.SWEEP, is_running=True) == ReconcileCounts(unchanged=1)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(ended=1)
    (run,) = runs_of(client)
    assert run.info.status == "KILLED"
    before = content_of(client)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts()
    assert content_of(client) == before


def test_failed_trial_tells_why(store: Store, client: Any) -> None:
    failed, diverged = synthetic.trials()[:2]
    store.notes.write_failure(failed.trial_id, synthetic.failure("no space left"))
    for seed in (1, 2):
        synthetic.write_replicate(store, diverged, seed)
    synthetic.write_replicate(store, diverged, 3, state="diverged")

    def tell(tracker: Tracker) -> None:
        tracker.trial_finished(failed)
        tracker.trial_finished(diverged)

    assert track(store, tell) == 0
    tags = {r.data.tags["trial_id"]: (r.info.status, r.data.tags) for r in runs_of(client)}
    status, told = tags[failed.trial_id]
    assert (status, told["state"], told["reason"]) == ("FAILED", "failed", "RuntimeError: no space left")
    assert told["error"].endswith("RuntimeError: no space left")
    status, told = tags[diverged.trial_id]
    assert (status, told["state"], told["replicates"]) == ("FAILED", "diverged", "2/3")
    assert told["reason"].startswith("seed 3: the loss is not finite")


def test_retry_clears_the_reason(store: Store, client: Any) -> None:
    config = synthetic.trials()[0]
    synthetic.write_sweep(store, [config])
    store.notes.write_failure(config.trial_id, synthetic.failure())
    reconcile(store, synthetic.SWEEP)
    store.notes.clear_failure(config.trial_id)
    synthetic.write_trial(store, config)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(updated=1)
    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    assert not {"reason", "error"} & run.data.tags.keys()
    check_level(client, store, run, config)


def test_more_replicates_replace_the_curves(store: Store, client: Any) -> None:
    few = synthetic.trials(seeds=(1, 2))[0]
    more = few.model_copy(update={"seeds": (1, 2, 3)})
    synthetic.write_sweep(store, [few])
    synthetic.write_trial(store, few)
    reconcile(store, synthetic.SWEEP)
    (old,) = runs_of(client)
    client.set_tag(old.info.run_id, "mlflow.note.content", "looks odd")
    synthetic.write_sweep(store, [more])
    synthetic.write_trial(store, more)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(updated=1)
    (run,) = runs_of(client)
    assert run.data.tags["mlflow.note.content"] == "looks odd"
    assert run.data.tags["replicates"] == "3/3"
    check_level(client, store, run, more)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(unchanged=1)


def test_call_whose_answer_was_lost_is_not_repeated(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]

    def before(tracker: Tracker) -> None:
        tracker.trial_started(config)
        tell_epochs(tracker, config, range(3))

    assert track(store, before) == 0
    (run,) = runs_of(client)
    client.set_tag(run.info.run_id, "epochs", "1")  # MLflow stores metrics first, and was killed then

    def after(tracker: Tracker) -> None:
        tell_epochs(tracker, config, range(1, 4))

    assert track(store, after) == 0
    (run,) = runs_of(client)
    steps = [m.step for m in client.get_metric_history(run.info.run_id, "val/auroc")]
    assert sorted(steps) == [0, 1, 2, 3]


def test_points_that_stand_twice_are_written_anew(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]
    synthetic.write_sweep(store, [config])

    def tell(tracker: Tracker) -> None:
        tracker.trial_started(config)
        tell_epochs(tracker, config, range(3))

    assert track(store, tell) == 0
    (run,) = runs_of(client)
    value = synthetic.epoch_records(config, 1)[1]["ensemble/val/auroc"]
    client.log_metric(run.info.run_id, "val/auroc", value, timestamp=1, step=1)
    synthetic.write_trial(store, config)
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(updated=1)
    (run,) = runs_of(client)
    check_level(client, store, run, config)


def test_two_runs_of_one_trial_become_one(store: Store, client: Any) -> None:
    config = synthetic.trials()[0]
    assert track(store, lambda tracker: tracker.trial_started(config)) == 0
    (run,) = runs_of(client)
    client.create_run(run.info.experiment_id, tags={"trial_id": config.trial_id})
    assert track(store, lambda tracker: tracker.trial_started(config)) == 0
    assert [r.info.run_id for r in runs_of(client)] == [run.info.run_id]


def test_a_sweep_of_this_name_in_another_folder_keeps_its_runs(
    store: Store, client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = synthetic.trials()[0]
    synthetic.write_trial(store, config)
    assert track(store, lambda tracker: tracker.trial_finished(config)) == 0
    (run,) = runs_of(client)
    before, other = content_of(client), Store(tmp_path / "other")
    assert track(other, lambda t: t.trial_started(config), uri=default_tracking_uri(store)) == 0
    assert track(other, lambda t: t.trial_interrupted(config), uri=default_tracking_uri(store)) == 0
    assert content_of(client) == before
    name = f"{synthetic.SWEEP}-{other.identity()}"
    experiment = client.get_experiment_by_name(name)
    (theirs,) = client.search_runs([experiment.experiment_id])
    assert theirs.data.tags["trial_id"] == run.data.tags["trial_id"]
    assert f"using {name}" in caplog.text
    (moved := tmp_path / "moved").mkdir()
    (tmp_path / "other" / "store.json").rename(moved / "store.json")
    assert track(Store(moved), lambda t: t.trial_started(config), uri=default_tracking_uri(store)) == 0
    assert [r.info.run_id for r in client.search_runs([experiment.experiment_id])] == [theirs.info.run_id]


def test_deleted_experiment_is_restored(store: Store, client: Any) -> None:
    config = synthetic.trials()[0]
    assert track(store, lambda tracker: tracker.trial_started(config)) == 0
    client.delete_experiment(client.get_experiment_by_name(synthetic.SWEEP).experiment_id)
    synthetic.write_trial(store, config)
    assert track(store, lambda tracker: tracker.trial_finished(config)) == 0
    (run,) = runs_of(client)
    check_level(client, store, run, config)


def test_damaged_result_leaves_the_others_alone(
    store: Store, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, sound = synthetic.trials()[:2]
    synthetic.write_sweep(store, [damaged, sound])
    for config in (damaged, sound):
        synthetic.write_trial(store, config)
    done = store.replicates.ended(damaged.trial_id)[1]
    store.storage.write_bytes(
        f"trials/{damaged.trial_id}/replicates/1/{done.files['scores'].name}", b"nothing"
    )

    def tell(tracker: Tracker) -> None:
        tracker.trial_finished(damaged)
        tracker.trial_finished(sound)

    assert track(store, tell) == 1
    assert "hash" in caplog.text
    assert reconcile(store, synthetic.SWEEP) == ReconcileCounts(failed=1, unchanged=1)


def test_absent_server_neither_blocks_nor_raises(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        uri = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}"
        configs = synthetic.trials()[:2]

        def tell(tracker: Tracker) -> None:
            for config in configs:
                tracker.trial_started(config)
                tell_epochs(tracker, config, range(synthetic.EPOCHS))
                tracker.trial_finished(config)

        assert track(store, tell, uri) == len(configs)
        warnings = [r.getMessage() for r in caplog.records if r.name == "sweeps.tracking.tracker"]
        assert len(warnings) == 1
        assert "secret" not in caplog.text
        synthetic.write_sweep(store, configs)
        synthetic.write_trial(store, configs[0])
        with pytest.raises(AlmsweepError, match="MLflow at"):
            reconcile(store, synthetic.SWEEP, uri)


def test_unknown_uri_is_the_users_error(store: Store) -> None:
    with pytest.raises(InputError, match="--tracking-uri"):
        Tracker("file:///tmp/mlruns", store, synthetic.SWEEP)


def test_tracker_can_be_pickled(store: Store) -> None:
    copy = pickle.loads(pickle.dumps(Tracker(None, store, synthetic.SWEEP)))
    assert copy.tracking_uri == default_tracking_uri(store)
    assert copy.close() == 0
