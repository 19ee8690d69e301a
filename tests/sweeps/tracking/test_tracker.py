"""The tracker, on SQLite in a temporary folder: MLflow shows what the store holds, once."""

from __future__ import annotations

import pickle
import socket
from pathlib import Path
from typing import Any

import pytest

from search_spaces.errors import AlmsweepError, InputError
from sweeps.tracking.connection import default_tracking_uri
from sweeps.tracking.mirror import SweepRuns, sweep_runs
from sweeps.tracking.reconcile import ReconcileCounts
from sweeps.tracking.state import trial_state
from sweeps.tracking.tracker import Tracker
from tests.sweeps import synthetic_store as synthetic
from tests.sweeps.tracking.shown import (
    bring_level,
    check_level,
    content_of,
    runs_of,
    tell_epochs,
    tell_start,
    track,
)
from trainer.store import Store


def test_live_trial_ends_level_with_the_store(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]

    def tell(tracker: Tracker) -> None:
        tell_start(tracker, config, synthetic.EPOCHS)
        synthetic.write_trial(store, config)
        tracker.trial_finished(config)

    assert track(store, tell) == 0
    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "BCE ALM_14_beg delta=0.25 digits 1:10"
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
    assert track(store, lambda tracker: tell_start(tracker, config, 3)) == 0
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
        tell_start(tracker, config, synthetic.EPOCHS)
        synthetic.write_trial(store, config)
        tracker.trial_finished(config)

    assert track(store, tell) == 0
    (run,) = runs_of(client)
    check_level(client, store, run, config)


def test_ended_runs_are_let_go_and_found_again(store: Store, client: Any) -> None:
    config = synthetic.trials()[0]
    synthetic.write_trial(store, config)
    runs = sweep_runs(store, synthetic.manifest(), None)
    runs.connect()
    trial = trial_state(config, store.replicates.ended(config.trial_id), None)
    assert runs.bring_level(trial, store)
    known = runs.known()[config.trial_id]
    assert (known.is_stub, known.params, known.latest, known.points) == (True, {}, {}, None)
    assert not runs.bring_level(trial, store)
    runs.start(config)
    assert runs.known()[config.trial_id].params["epochs"] == str(config.epochs)
    assert runs.bring_level(trial, store)
    runs.disconnect()
    (run,) = runs_of(client)
    check_level(client, store, run, config)
    assert run.info.status == "FINISHED"


def test_relaunch_goes_on_in_the_same_run(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]

    def first(tracker: Tracker) -> None:
        tell_start(tracker, config, 3)
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


def test_call_whose_answer_was_lost_is_not_repeated(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]
    assert track(store, lambda tracker: tell_start(tracker, config, 3)) == 0
    (run,) = runs_of(client)
    client.set_tag(run.info.run_id, "epochs", "1")  # MLflow stores metrics first, and was killed then
    assert track(store, lambda tracker: tell_epochs(tracker, config, range(1, 4))) == 0
    (run,) = runs_of(client)
    steps = [m.step for m in client.get_metric_history(run.info.run_id, "val/auroc")]
    assert sorted(steps) == [0, 1, 2, 3]


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
    assert bring_level(store) == ReconcileCounts(failed=1, unchanged=1)


def test_absent_server_neither_blocks_nor_raises(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        uri = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}"
        configs = synthetic.trials()[:2]

        def tell(tracker: Tracker) -> None:
            for config in configs:
                tell_start(tracker, config, synthetic.EPOCHS)
                tracker.trial_finished(config)

        assert track(store, tell, uri) == len(configs)
        warnings = [r.getMessage() for r in caplog.records if r.name == "sweeps.tracking.tracker"]
        assert len(warnings) == 1
        assert "secret" not in caplog.text
        synthetic.write_sweep(store, configs)
        synthetic.write_trial(store, configs[0])
        with pytest.raises(AlmsweepError, match="MLflow at"):
            bring_level(store, uri)


def test_unknown_uri_is_the_users_error(store: Store) -> None:
    with pytest.raises(InputError, match="--tracking-uri"):
        Tracker("file:///tmp/mlruns", store, synthetic.manifest())


def test_tracker_can_be_pickled(store: Store) -> None:
    copy = pickle.loads(pickle.dumps(Tracker(None, store, synthetic.manifest())))
    assert copy.tracking_uri == default_tracking_uri(store)
    assert copy.close() == 0
