"""Metrics of label sets against scikit-learn, what leaves them undefined, and what resamples draw from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from search_spaces.config import DEFAULT_TARGETS, Binary, DigitMosaic, MultiLabel
from search_spaces.errors import DataError, InputError
from trainer.metrics.calibration import expected_calibration_error
from trainer.metrics.thresholds import ThresholdRule
from trainer.tasks.base import task_arrays

SOURCE = DigitMosaic(classes=(8, 3, 1), prevalences=(0.1, 0.3, 0.5), train=9, validation=9, test=9)
TASK = MultiLabel(source=SOURCE, classes=(8, 3, 1), critical=(8, 1))
NAMES = ("8", "3", "1")


def some(examples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Label sets [N, 3], each label there and not there at least once, and logits that tell something."""
    rng = np.random.default_rng(seed)
    sets = (rng.random((examples, 3)) < np.array([0.1, 0.3, 0.5])).astype(np.uint8)
    sets[:2] = [[1, 1, 1], [0, 0, 0]]
    return sets, np.round(rng.normal(size=(examples, 3)) - 1 + 2 * sets, 1)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(5, 90))
def test_every_metric_is_scikit_learns(seed: int, examples: int) -> None:
    sets, logits = some(examples, seed)
    found = task_arrays(TASK).summarize(sets, logits)
    decided = (logits >= 0).astype(int)
    for place, name in enumerate(NAMES):
        has, says, scores = sets[:, place], decided[:, place], logits[:, place]
        tn, fp, fn, tp = sk.confusion_matrix(has, says, labels=[0, 1]).ravel()
        expected = {
            "true_positives": tp,
            "false_positives": fp,
            "false_negatives": fn,
            "true_negatives": tn,
            "precision": sk.precision_score(has, says, zero_division=0),
            "recall": sk.recall_score(has, says),
            "f1": sk.f1_score(has, says, zero_division=0),
            "auroc": sk.roc_auc_score(has, scores),
            "average_precision": sk.average_precision_score(has, scores),
        }
        for metric, value in expected.items():
            assert found[f"{metric}/{name}"] == pytest.approx(value), metric
        confidence = 1 / (1 + np.exp(-np.abs(scores)))
        error = expected_calibration_error(confidence, says == has)
        assert found[f"calibration_error/{name}"] == error
    for average in ("macro", "micro"):
        kwargs = {"average": average, "zero_division": 0}
        assert found[f"{average}_f1"] == pytest.approx(sk.f1_score(sets, decided, **kwargs))
    assert found["macro_precision"] == pytest.approx(
        sk.precision_score(sets, decided, average="macro", zero_division=0)
    )
    assert found["macro_recall"] == pytest.approx(sk.recall_score(sets, decided, average="macro"))
    assert found["micro_precision"] == pytest.approx(
        sk.precision_score(sets, decided, average="micro", zero_division=0)
    )
    assert found["micro_recall"] == pytest.approx(sk.recall_score(sets, decided, average="micro"))
    assert found["critical_f1"] == pytest.approx((found["f1/8"] + found["f1/1"]) / 2)
    assert found["mean_average_precision"] == pytest.approx(
        sk.average_precision_score(sets, logits, average="macro")
    )
    assert found["macro_auroc"] == pytest.approx(sk.roc_auc_score(sets, logits, average="macro"))
    for name, place in (("8", 0), ("1", 2)):
        fpr, tpr, _ = sk.roc_curve(sets[:, place], logits[:, place], drop_intermediate=False)
        assert found[f"fpr_at_tpr_95/{name}"] == pytest.approx(fpr[tpr >= 0.95 - 1e-12].min())
    assert set(found) == {metric.name for metric in TASK.metrics(DEFAULT_TARGETS)}


def test_a_row_depends_on_no_other_and_a_nan_leaves_its_row_undefined() -> None:
    sets, logits = some(60)
    broken = logits.copy()
    broken[3, 1] = np.nan
    arrays = task_arrays(TASK)
    rows = arrays.summarize_rows(sets, np.stack([logits, broken, logits[:, ::-1]]))
    alone = arrays.summarize(sets, logits)
    for name, values in rows.items():
        assert values[0] == alone[name]
        assert math.isnan(values[1])
        assert not math.isnan(values[2])
    assert arrays.undefined_reason(sets, broken) == "a logit is NaN"
    assert arrays.undefined_reason(sets, logits) is None


def test_scores_that_do_not_decide_at_zero_have_areas_alone() -> None:
    sets, logits = some(60)
    found = task_arrays(TASK).summarize(sets, logits, decides_at_zero=False)
    assert math.isnan(found["macro_f1"])
    assert math.isnan(found["true_positives/8"])
    assert (
        found["mean_average_precision"] == task_arrays(TASK).summarize(sets, logits)["mean_average_precision"]
    )


def test_a_label_that_all_or_none_have_leaves_metrics_undefined_with_a_reason() -> None:
    sets, logits = some(60)
    arrays = task_arrays(TASK)
    for value, which in ((0, "with"), (1, "without")):
        sets[:, 1] = value
        assert arrays.undefined_reason(sets, logits) == f"no examples {which} label 3"
        assert math.isnan(arrays.summarize(sets, logits)["mean_average_precision"])
    assert arrays.undefined_reason(sets[:0], logits[:0]) == "no examples"


def test_other_shapes_and_values_are_errors() -> None:
    sets, logits = some(20)
    arrays = task_arrays(TASK)
    for targets, outputs in ((sets[:, :2], logits), (sets[:, 0], logits), (sets, logits[:, :2])):
        with pytest.raises(InputError, match=r"expected targets \[N, 3\] and logits"):
            arrays.summarize(targets, outputs)
    with pytest.raises(InputError, match=r"expected targets 0 and 1, given the values \[0, 2\]"):
        arrays.summarize(2 * sets, logits)


def test_counts_are_told_as_facts_and_words() -> None:
    sets, _ = some(60)
    arrays = task_arrays(TASK)
    facts = arrays.count_facts(sets)
    assert facts == {
        **{f"train/{name}": sets[:, i].sum() for i, name in enumerate(NAMES)},
        "train_examples": 60,
    }
    assert arrays.drawn_counts(facts) == tuple(sets.sum(axis=0))
    assert arrays.drawn_counts({}) is None
    assert arrays.count_words(sets) == f"{sets[:, 0].sum()} with label 8, {sets[:, 2].sum()} with label 1"


def test_a_seed_draws_a_share_of_each_label_set() -> None:
    sets = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], np.uint8)
    half = TASK.model_copy(update={"train_share": 0.5})
    sizes = (10, 50, 20)
    counts = task_arrays(half).class_counts(sizes, (100, 40, 10, 20), "some", sets)
    assert counts == (50, 20, 5, 10)
    rarer = TASK.model_copy(update={"imbalance_ratio": 19.0, "critical": (8,)})
    counts = task_arrays(rarer).class_counts(sizes, (100, 40, 10, 20), "some", sets)
    assert counts == (100, 40, 8, 20)
    with pytest.raises(
        DataError, match="some: expected training images with label 8, found none among 3 of 17"
    ):
        task_arrays(TASK.model_copy(update={"train_share": 0.02})).class_counts(
            sizes, (100, 40, 10, 20), "some", sets
        )
    with pytest.raises(DataError, match=r"of which the shares can be 0\.05 of label 8"):
        task_arrays(rarer).class_counts(sizes, (100, 40), "some", sets[:2])


def test_decisions_at_thresholds_of_validation_scores_are_scikit_learns() -> None:
    arrays = task_arrays(TASK)
    sets, logits = some(600, 5)
    outputs = np.stack([logits - 0.5, logits + 0.5])
    chosen = arrays.label_thresholds(sets, outputs, ThresholdRule())
    assert list(chosen) == list(NAMES)
    assert all(one.unresolved is None for one in chosen.values())
    test_sets, test_logits = some(300, 6)
    values = {name: one.value for name, one in chosen.items()}
    found = arrays.at_thresholds(test_sets, test_logits, values)
    decided = test_logits >= np.array(list(values.values()))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(test_sets, decided, average="macro"))
    assert found["micro_f1"] == pytest.approx(sk.f1_score(test_sets, decided, average="micro"))
    assert found["true_positives/3"] == np.sum(decided[:, 1] & (test_sets[:, 1] == 1))
    at_zero = arrays.summarize(test_sets, test_logits)
    same = arrays.at_thresholds(test_sets, test_logits, dict.fromkeys(NAMES, 0.0))
    assert same.items() <= at_zero.items()
    never = arrays.at_thresholds(test_sets, test_logits, {**values, "8": math.nan})
    assert never["true_positives/8"] == never["false_positives/8"] == 0
    test_logits[0, 0] = math.nan
    assert all(map(math.isnan, arrays.at_thresholds(test_sets, test_logits, values).values()))


def test_a_task_without_label_sets_has_no_thresholds() -> None:
    arrays = task_arrays(Binary.example())
    assert arrays.label_thresholds([0, 1], [[0.0, 1.0]], ThresholdRule()) == {}
    assert arrays.at_thresholds([0, 1], [0.0, 1.0], {}) == {}
