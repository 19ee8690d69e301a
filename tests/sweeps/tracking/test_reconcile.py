"""`reconcile`, on SQLite: MLflow shows what the store holds, whatever it showed before."""

from __future__ import annotations

import json
from typing import Any

from sweeps.tracking.columns import VIEW_TAG
from sweeps.tracking.reconcile import ReconcileCounts
from tests.sweeps import synthetic_store as synthetic
from tests.sweeps.tracking.shown import bring_level, check_level, content_of, runs_of, tell_start, track
from trainer.store import Store


def test_mirroring_again_changes_nothing(store: Store, client: Any) -> None:
    configs = synthetic.trials()
    synthetic.write_sweep(store, configs)
    synthetic.write_trial(store, configs[0])
    synthetic.write_trial(store, configs[1], seeds=[2])
    store.notes.write_failure(configs[1].trial_id, synthetic.failure())
    synthetic.write_trial(store, configs[2], seeds=[1, 3])
    assert bring_level(store) == ReconcileCounts(created=3)
    before = content_of(client)
    assert bring_level(store) == ReconcileCounts(unchanged=3)
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
    assert bring_level(store) == ReconcileCounts(created=len(configs))
    by_trial = {run.data.tags["trial_id"]: run for run in runs_of(client)}
    assert by_trial.keys() == {config.trial_id for config in configs}
    for config in configs:
        check_level(client, store, by_trial[config.trial_id], config)


def test_reconcile_ends_abandoned_runs(store: Store, client: Any) -> None:
    configs = synthetic.trials()[:2]
    synthetic.write_sweep(store, configs)
    assert track(store, lambda tracker: tracker.trial_started(configs[0])) == 0
    assert bring_level(store, is_running=True) == ReconcileCounts(unchanged=1)
    assert bring_level(store) == ReconcileCounts(ended=1)
    (run,) = runs_of(client)
    assert run.info.status == "KILLED"
    before = content_of(client)
    assert bring_level(store) == ReconcileCounts()
    assert content_of(client) == before


def test_retry_clears_the_reason(store: Store, client: Any) -> None:
    config = synthetic.trials()[0]
    synthetic.write_sweep(store, [config])
    store.notes.write_failure(config.trial_id, synthetic.failure())
    bring_level(store)
    store.notes.clear_failure(config.trial_id)
    synthetic.write_trial(store, config)
    assert bring_level(store) == ReconcileCounts(updated=1)
    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    assert not {"reason", "error"} & run.data.tags.keys()
    check_level(client, store, run, config)


def test_more_replicates_replace_the_curves(store: Store, client: Any) -> None:
    few = synthetic.trials(seeds=(1, 2))[0]
    more = few.model_copy(update={"seeds": (1, 2, 3)})
    synthetic.write_sweep(store, [few])
    synthetic.write_trial(store, few)
    bring_level(store)
    (old,) = runs_of(client)
    client.set_tag(old.info.run_id, "mlflow.note.content", "looks odd")
    synthetic.write_sweep(store, [more])
    synthetic.write_trial(store, more)
    assert bring_level(store) == ReconcileCounts(updated=1)
    (run,) = runs_of(client)
    assert run.data.tags["mlflow.note.content"] == "looks odd"
    assert run.data.tags["replicates"] == "3/3"
    check_level(client, store, run, more)
    assert bring_level(store) == ReconcileCounts(unchanged=1)


def test_points_that_stand_twice_are_written_anew(store: Store, client: Any) -> None:
    config = synthetic.trials()[1]
    synthetic.write_sweep(store, [config])
    assert track(store, lambda tracker: tell_start(tracker, config, 3)) == 0
    (run,) = runs_of(client)
    value = synthetic.epoch_records(config, 1)[1]["ensemble/val/auroc"]
    client.log_metric(run.info.run_id, "val/auroc", value, timestamp=1, step=1)
    synthetic.write_trial(store, config)
    assert bring_level(store) == ReconcileCounts(updated=1)
    (run,) = runs_of(client)
    check_level(client, store, run, config)


def test_runs_of_trials_that_left_the_space_are_marked_until_they_come_back(
    store: Store, client: Any
) -> None:
    configs = synthetic.trials()
    for config in configs[:3]:
        synthetic.write_trial(store, config)
    synthetic.write_sweep(store, configs)
    bring_level(store)
    assert track(store, lambda tracker: tracker.trial_started(configs[3])) == 0
    assert shown_in_view(client) == {config.trial_id for config in configs}
    synthetic.write_sweep(store, configs[:1])
    assert bring_level(store) == ReconcileCounts(unchanged=1, left=3)
    assert shown_in_view(client) == {configs[0].trial_id}
    assert {run.info.status for run in runs_of(client)} == {"FINISHED", "KILLED"}
    assert bring_level(store) == ReconcileCounts(unchanged=1)
    synthetic.write_sweep(store, configs)
    assert track(store, lambda tracker: tracker.trial_started(configs[3])) == 0
    assert shown_in_view(client) == {configs[0].trial_id, configs[3].trial_id}, "what is trained is back in"
    assert bring_level(store) == ReconcileCounts(unchanged=3, ended=1, left=2)
    assert shown_in_view(client) == {config.trial_id for config in configs}


def shown_in_view(client: Any) -> set[str]:
    """Trial ids of the runs that the saved view's filter lets pass."""
    experiment = client.get_experiment_by_name(synthetic.SWEEP)
    state = json.loads(json.loads(experiment.tags[VIEW_TAG])["state"])
    found = client.search_runs([experiment.experiment_id], state["searchFilter"])
    return {run.data.tags["trial_id"] for run in found}


def test_runs_take_a_new_label_but_not_in_place_of_a_persons_name(store: Store, client: Any) -> None:
    configs = synthetic.trials()[:2]
    for config in configs:
        synthetic.write_trial(store, config)

    def labelled(label: str | None) -> ReconcileCounts:
        """What is brought level when the sweep's data are called so."""
        named = []
        for config in configs:
            data = config.data.model_copy(update={"label": label})
            named.append(config.model_copy(update={"data": data}))
        synthetic.write_sweep(store, named)
        return bring_level(store)

    assert labelled(None) == ReconcileCounts(created=2)
    own = next(run for run in runs_of(client) if run.data.tags["trial_id"] == configs[1].trial_id)
    client.set_tag(own.info.run_id, "mlflow.runName", "my favourite")
    for label, shown in (("Haustiere", "Haustiere 1:"), ("animals", "animals 1:"), (None, "digits")):
        assert labelled(label) == ReconcileCounts(updated=2)
        assert labelled(label) == ReconcileCounts(unchanged=2)
        for run in runs_of(client):
            assert run.data.tags["block"].startswith(shown)
            is_own = run.info.run_id == own.info.run_id
            assert run.info.run_name == "my favourite" if is_own else shown in run.info.run_name
