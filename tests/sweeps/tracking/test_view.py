"""What MLflow shows of a trial: summary equal to the tables' numbers, states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.load import load_sweep, read_test
from search_spaces.config import DEFAULT_TARGETS, SmallCnn, Targets
from search_spaces.errors import StoreError
from search_spaces.labels import BlockLabels
from search_spaces.reading import Reading
from search_spaces.rows import DEFAULT_ROWS
from sweeps.tracking.experiment import identity_tags, params
from sweeps.tracking.state import trial_state
from sweeps.tracking.view import trial_view
from tests.sweeps import synthetic_store as synthetic
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.trial import run_trial


def test_summary_equals_the_numbers_of_the_tables(tmp_path: Path) -> None:
    store, configs = Store(tmp_path), synthetic.trials()
    synthetic.write_sweep(store, configs)
    for config in configs:
        synthetic.write_trial(store, config)
    for record in load_sweep(store, store.read_sweep(synthetic.SWEEP)).trials:
        test = read_test(store, record, DEFAULT_TARGETS)
        view = trial_view(trial_state(record.config, store.replicates.ended(record.trial_id), None), store)
        assert test is not None
        assert record.validation is not None
        for name, value in test.metrics.items():
            assert view.summary[f"final/test/{name}"] == value
        for name, value in record.validation.metrics.items():
            assert view.summary[f"final/val/{name}"] == value
        assert view.tags["val AUC"] == f"{record.validation.metrics['auroc']:.4f}"
        assert view.tags["test AUC"] == f"{test.metrics['auroc']:.4f}"
        assert view.tags["test FPR 98"] == f"{test.metrics['fpr_at_tpr_98']:.4f}"
        assert view.summary["final/test/auroc_mean"] == pytest.approx(test.steering_mean, abs=1e-12)
        assert view.summary["final/test/auroc_std"] == pytest.approx(test.steering_std, abs=1e-12)
        assert view.summary["final/replicates_found"] == view.summary["final/replicates_expected"] == 3


def test_what_is_final_follows_the_sweeps_rates_and_rows(tmp_path: Path) -> None:
    """Also after the trial was trained: stored scores give any rate."""
    store, config = Store(tmp_path), synthetic.trials()[1]
    synthetic.write_trial(store, config)
    done = store.replicates.ended(config.trial_id)
    before = trial_state(config, done, None)
    reading = Reading(targets=Targets(tpr=(0.995,), fpr=(0.05,)), rows=("loss", "constraint", "sampler"))
    after = trial_state(config, done, None, reading)
    assert before.fingerprint != after.fingerprint
    view = trial_view(after, store)
    assert view.tags["row"] == "BCE + ALM"
    for split in ("val", "test"):
        names = {name for name in view.summary if name.startswith(f"final/{split}/") and "_at_" in name}
        rate = f"final/{split}/fpr_at_tpr_99.5"
        assert names == {rate, f"{rate}_mean", f"{rate}_std", f"final/{split}/tpr_at_fpr_5"}
    assert [name for name in view.replicates[0] if "_at_" in name] == [
        "val/fpr_at_tpr_99.5",
        "test/fpr_at_tpr_99.5",
    ]
    assert "val/fpr_at_tpr_98" in view.curves[0], "curves are those of the time when it was trained"


def test_of_a_single_replicate_no_deviation_is_shown(tmp_path: Path) -> None:
    store, config = Store(tmp_path), synthetic.trials((1,))[0]
    synthetic.write_trial(store, config)
    view = trial_view(trial_state(config, store.replicates.ended(config.trial_id), None), store)
    assert "final/test/auroc_mean" in view.summary
    assert not [name for name in view.summary if name.endswith("_std")]


def test_a_replicate_that_did_not_complete_has_a_row_without_metrics(tmp_path: Path) -> None:
    store, config = Store(tmp_path), synthetic.trials()[0]
    synthetic.write_trial(store, config, seeds=[1, 2])
    synthetic.write_replicate(store, config, 3, "diverged", epochs=4)
    view = trial_view(trial_state(config, store.replicates.ended(config.trial_id), None), store)
    by_seed = {row["seed"]: row for row in view.replicates}
    done = store.replicates.ended(config.trial_id)
    stored = store.replicates.read_result(done[2])["metrics"]
    assert by_seed[2]["test/auroc"] == stored["test/auroc"]
    assert (by_seed[3]["test/auroc"], by_seed[3]["state"]) == (None, "diverged")


def test_replicates_with_other_examples_are_refused(tmp_path: Path) -> None:
    store, config = Store(tmp_path), synthetic.trials()[0]
    synthetic.write_trial(store, config)
    done = store.replicates.ended(config.trial_id)
    table = store.replicates.read_scores(done[1])
    changed = table.set_column(2, "target", [(1 - np.array(table["target"])).astype(np.int8)])
    store.replicates.write(
        config.trial_id,
        1,
        state="completed",
        attempt="ffff0000",
        epochs=store.replicates.read_epochs(done[1]),
        scores=changed,
        result=store.replicates.read_result(done[1]),
    )
    with pytest.raises(StoreError, match="target"):
        trial_view(trial_state(config, store.replicates.ended(config.trial_id), None), store)


def test_without_validation_the_test_split_stands_alone(tmp_path: Path) -> None:
    plain = synthetic.trials()[0]
    config = plain.model_copy(
        update={
            "data": plain.data.model_copy(update={"validation_per_class": 0}),
            "model": SmallCnn(width=2),
            "scored": "last",
            "patience": None,
            "epochs": 1,
            "seeds": (1, 2),
        }
    )
    store = Store(tmp_path)
    run_trial(config, store, torch.device("cpu"), TrialOptions())
    view = trial_view(trial_state(config, store.replicates.ended(config.trial_id), None), store)
    assert view.summary["final/replicates_found"] == 2
    assert 0 <= view.summary["final/test/auroc"] <= 1
    assert not any("val/" in name for name in [*view.summary, *view.replicates[0], *view.tags])
    assert view.roc is not None


def test_fingerprint_changes_with_what_is_shown(tmp_path: Path) -> None:
    store, config = Store(tmp_path), synthetic.trials()[0]
    synthetic.write_trial(store, config, seeds=[1, 2])
    partial = trial_state(config, store.replicates.ended(config.trial_id), None)
    failed = trial_state(config, store.replicates.ended(config.trial_id), synthetic.failure())
    synthetic.write_trial(store, config, seeds=[3])
    complete = trial_state(config, store.replicates.ended(config.trial_id), None)
    more = config.model_copy(update={"seeds": (1, 2, 3, 4)})
    grown = trial_state(more, store.replicates.ended(config.trial_id), None)
    assert [s.state for s in (partial, failed, complete, grown)] == [
        "interrupted",
        "failed",
        "completed",
        "interrupted",
    ]
    assert len({s.fingerprint for s in (partial, failed, complete, grown)}) == 4
    again = trial_state(config, store.replicates.ended(config.trial_id), None)
    assert again.fingerprint == complete.fingerprint


def test_parameters_and_tags_tell_the_trial() -> None:
    plain, constrained = synthetic.trials()[:2]
    told = params(plain)
    assert told["data.source.name"] == "digits"
    assert told["constraint"] == "none"
    assert all(isinstance(value, str) for value in told.values())
    assert len(told) <= 100
    tags = identity_tags(constrained, "demo", DEFAULT_ROWS, BlockLabels())
    assert (tags["dataset"], tags["ratio"], tags["delta"]) == ("digits", "10", "0.25")
    assert (tags["loss"], tags["constraint"]) == ("baseline_BCE", "ALM_14_beg")
    assert identity_tags(plain, "demo", DEFAULT_ROWS, BlockLabels())["delta"] == "none"
