import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from analysis.load import load_sweep, read_test
from search_spaces.config import DEFAULT_TARGETS, Bce, Ldam, SymmetricMargin
from search_spaces.errors import StoreError
from sweeps.plan import make_plan
from tests.analysis.stored_sweep import (
    SEEDS,
    SIZES,
    SweepBuilder,
    permutation,
    rows_in_files,
    score_table,
    trial,
    with_column,
)
from trainer.store import SweepManifest

SHIFT = {"val": 1.0, "test": 0.5}


def stored_scores(builder: SweepBuilder, trial_id: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets and scores [replicates, examples] straight from the files, in the files' order."""
    done = builder.store.replicates.ended(trial_id)
    tables = [builder.store.replicates.read_scores(done[s]).to_pandas() for s in sorted(done)]
    rows = [t[t["split"] == split] for t in tables]
    return rows[0]["target"].to_numpy(), np.stack([r["score"].to_numpy(dtype=np.float64) for r in rows])


def fpr_by_sklearn(targets: np.ndarray, scores: np.ndarray, tpr: float) -> float:
    fprs, tprs, _ = roc_curve(targets, scores, drop_intermediate=False)
    return float(fprs[tprs >= tpr].min())


def test_numbers_agree_with_scikit_learn_on_the_stored_scores(builder: SweepBuilder) -> None:
    config = builder.complete(trial(Bce()), "a", 1.0, 0.5)
    (record,) = load_sweep(builder.store, builder.manifest()).trials
    test = read_test(builder.store, record, DEFAULT_TARGETS)
    assert record.validation is not None
    assert test is not None
    for split, metrics in (("val", record.validation.metrics), ("test", test.metrics)):
        targets, scores = stored_scores(builder, config.trial_id, split)
        ensemble = scores.mean(axis=0)
        assert metrics["auroc"] == pytest.approx(roc_auc_score(targets, ensemble), abs=1e-12)
        for percent in (98, 95, 90):
            expected = fpr_by_sklearn(targets, ensemble, percent / 100)
            assert metrics[f"fpr_at_tpr_{percent}"] == pytest.approx(expected, abs=1e-12)
    targets, scores = stored_scores(builder, config.trial_id, "test")
    each = [roc_auc_score(targets, row) for row in scores]
    assert test.steering == pytest.approx(each, abs=1e-12)
    assert test.steering_mean == pytest.approx(np.mean(each), abs=1e-12)
    assert test.steering_std == pytest.approx(np.std(each, ddof=0), abs=1e-12)
    targets, scores = stored_scores(builder, config.trial_id, "val")
    mean = np.mean([roc_auc_score(targets, row) for row in scores])
    assert record.validation.mean_steering == pytest.approx(mean, abs=1e-12)


def test_only_a_loss_that_decides_at_zero_has_a_balanced_accuracy(builder: SweepBuilder) -> None:
    for loss, defined in ((Bce(), True), (Ldam(), False)):
        builder.complete(trial(loss), loss.name, 1.0, 0.5)
        (record,) = (t for t in load_sweep(builder.store, builder.manifest()).trials if t.config.loss == loss)
        test = read_test(builder.store, record, DEFAULT_TARGETS)
        assert test is not None
        assert record.validation is not None
        for found in (record.validation, test):
            assert np.isfinite(found.metrics["balanced_accuracy"]) == defined
            assert np.isfinite(found.metrics["auroc"])
            assert found.undefined is None


def test_only_completed_and_wanted_replicates_count(builder: SweepBuilder) -> None:
    config = builder.add(trial(Bce()))
    for seed in (1, 99):
        builder.replicate(config, seed, score_table("a", seed, SHIFT))
    builder.replicate(config, 2, score_table("a", 2, SHIFT), state="diverged", reason="loss is nan")
    builder.replicate(
        config, 3, score_table("a", 3, SHIFT), state="pruned", reason="stopped by ASHA at epoch 2"
    )
    builder.store.notes.write_failure(
        config.trial_id, {"error": "E", "message": "Traceback\n  no disk\n", "seeds": [2]}
    )
    (record,) = load_sweep(builder.store, builder.manifest()).trials
    assert (record.found, record.expected, record.complete, record.final) == (1, 4, False, True)
    assert [s.seed for s in record.sources] == [1]
    assert [(m.seed, m.state, m.reason) for m in record.missing] == [
        (2, "diverged", "loss is nan"),
        (3, "pruned", "stopped by ASHA at epoch 2"),
        (4, "pruned", ""),
    ]


def test_a_failure_names_its_seeds_or_stands_for_all_that_are_missing(builder: SweepBuilder) -> None:
    named, unnamed = builder.add(trial(Bce())), builder.add(trial(SymmetricMargin(margin=1.0)))
    builder.store.notes.write_failure(
        named.trial_id, {"error": "E", "message": "out of memory", "seeds": [3, 4]}
    )
    builder.store.notes.write_failure(unnamed.trial_id, {"error": "KeyError", "message": ""})
    records = {t.trial_id: t for t in load_sweep(builder.store, builder.manifest()).trials}
    states = [m.state for m in records[named.trial_id].missing]
    assert states == ["pending", "pending", "failed", "failed"]
    assert {(m.state, m.reason) for m in records[unnamed.trial_id].missing} == {("failed", "KeyError")}


def test_a_trial_that_was_pruned_halfway_has_ended(builder: SweepBuilder) -> None:
    """The driver died between the markers of its replicates, or more seeds are wanted now."""
    config = builder.add(trial(Bce()))
    builder.replicate(config, 1, None, state="pruned", reason="asha")
    builder.store.notes.write_failure(config.trial_id, {"error": "E", "message": "lost", "seeds": [2]})
    (record,) = load_sweep(builder.store, builder.manifest()).trials
    assert [(m.seed, m.state) for m in record.missing] == [(s, "pruned") for s in SEEDS]
    assert record.final
    assert record.pruned
    (planned,) = make_plan("s", builder.trials, builder.store).trials
    assert (planned.status, planned.missing) == ("pruned", ())


def test_a_trial_without_results_has_no_validation_record(builder: SweepBuilder) -> None:
    builder.add(trial(Bce()))
    (record,) = load_sweep(builder.store, builder.manifest()).trials
    assert record.validation is None
    assert read_test(builder.store, record, DEFAULT_TARGETS) is None
    assert {m.state for m in record.missing} == {"pending"}


def test_rows_in_another_order_are_brought_back_by_example_id(builder: SweepBuilder) -> None:
    straight, mixed = (
        builder.complete(trial(Bce()), "a", 1, 1),
        builder.add(trial(SymmetricMargin(margin=1.0))),
    )
    for seed in SEEDS:
        order = permutation(rows_in_files(), f"rows/{seed}")
        builder.replicate(mixed, seed, score_table("a", seed, {"val": 1, "test": 1}, order=order))
    records = {t.trial_id: t for t in load_sweep(builder.store, builder.manifest()).trials}
    first, second = records[straight.trial_id], records[mixed.trial_id]
    assert first.validation is not None
    assert second.validation is not None
    assert first.validation.metrics == second.validation.metrics
    one, other = (
        read_test(builder.store, first, DEFAULT_TARGETS),
        read_test(builder.store, second, DEFAULT_TARGETS),
    )
    assert one is not None
    assert other is not None
    assert np.array_equal(one.outputs, other.outputs)


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("column", ["example_id", "target"])
@pytest.mark.parametrize("same_trial", [True, False])
def test_other_examples_in_a_trial_or_block_are_an_error(
    builder: SweepBuilder, split: str, column: str, same_trial: bool
) -> None:
    config = builder.add(trial(Bce()))
    other = config if same_trial else builder.add(trial(SymmetricMargin(margin=1.0)))
    builder.replicate(config, 1, score_table("a", 1, SHIFT))
    table = score_table("b", 2, SHIFT)
    row = table.column("split").to_pylist().index(split)
    values = table.column(column).to_pylist()
    values[row] = "unknown" if column == "example_id" else 0
    builder.replicate(other, 2, with_column(table, column, values))
    with pytest.raises(StoreError, match=f"{other.trial_id}.*split '{split}'"):
        load_sweep(builder.store, builder.manifest())


def test_repeated_example_ids_are_an_error(builder: SweepBuilder) -> None:
    config = builder.add(trial(Bce()))
    order = [*range(sum(SIZES["val"])), 0, *range(sum(SIZES["val"]), rows_in_files())]
    builder.replicate(config, 1, score_table("a", 1, SHIFT, order=order))
    with pytest.raises(StoreError, match="repeated"):
        load_sweep(builder.store, builder.manifest())


def test_missing_columns_are_an_error(builder: SweepBuilder) -> None:
    config = builder.add(trial(Bce()))
    builder.replicate(config, 1, score_table("a", 1, SHIFT).drop_columns(["target"]))
    with pytest.raises(StoreError, match=f"{config.trial_id}.*target"):
        load_sweep(builder.store, builder.manifest())


def test_mixed_data_in_a_block_is_an_error_that_names_the_trials(builder: SweepBuilder) -> None:
    first = builder.complete(trial(Bce()), "a", 1, 1)
    second = builder.complete(trial(SymmetricMargin(margin=1.0)), "b", 1, 1, data_sha256="e" * 64)
    with pytest.raises(StoreError) as caught:
        load_sweep(builder.store, builder.manifest())
    assert first.trial_id in str(caught.value)
    assert second.trial_id in str(caught.value)


def test_a_trial_listed_twice_is_an_error(builder: SweepBuilder) -> None:
    config = trial(Bce())
    with pytest.raises(StoreError, match="once"):
        load_sweep(builder.store, SweepManifest("twice", (config, config)))


def test_a_score_that_is_nan_leaves_the_metrics_undefined_with_a_reason(builder: SweepBuilder) -> None:
    config = builder.add(trial(Bce(), seeds=(1,)))
    table = score_table("a", 1, SHIFT)
    scores = [float("nan"), *table.column("score").to_pylist()[1:]]
    builder.replicate(config, 1, with_column(table, "score", scores))
    (record,) = load_sweep(builder.store, builder.manifest()).trials
    assert record.validation is not None
    assert np.isnan(record.validation.metrics["auroc"])
    assert record.validation.undefined
