"""Several classes on stored logits: metrics by hand and against scikit-learn, counts of a long tail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from search_spaces.config import (
    Binary,
    Cifar10,
    Cifar100,
    Digits,
    ImageFolder,
    Imbalance,
    MultiClass,
    Targets,
)
from search_spaces.errors import DataError, InputError
from trainer.tasks.base import task_arrays

TASK = MultiClass(source=Digits(), classes=(0, 1, 2), critical=(2,))


def test_metrics_by_hand() -> None:
    # Decided for: 0, 1, 2, 1, 2, 0; so recalls 1, 1/2, 1/2 and precisions 1/2, 1/2, 1.
    logits = np.log([[6, 2, 2], [1, 8, 1], [1, 1, 8], [3, 4, 3], [1, 2, 7], [5, 2, 4]]).astype(np.float64)
    targets = np.array([0, 1, 2, 2, 2, 1])
    found = task_arrays(TASK, Targets(tpr=(0.5,), fpr=(0.5,))).summarize(targets, logits)
    assert [found[f"recall/{c}"] for c in (0, 1, 2)] == [1.0, 0.5, pytest.approx(2 / 3)]
    assert found["balanced_accuracy"] == pytest.approx((1 + 0.5 + 2 / 3) / 3)
    # Odds of class 2: positives 4, 3/7, 7/3; negatives 1/4, 1/9, 4/7.
    assert found["auroc/2"] == pytest.approx((3 + 3 + 2) / 9)
    assert found["critical_auroc"] == found["auroc/2"]
    assert found["fpr_at_tpr_50/2"] == 0.0
    assert found["tpr_at_fpr_50/2"] == 1.0


def test_metrics_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(3)
    targets = generator.integers(0, 3, 200)
    logits = generator.normal(size=(2, 200, 3)) + 1.5 * np.eye(3)[targets]
    rows = task_arrays(TASK).summarize_rows(targets, logits)
    for row in range(2):
        decided = logits[row].argmax(axis=1)
        p = np.exp(logits[row]) / np.exp(logits[row]).sum(axis=1, keepdims=True)
        assert rows["macro_f1"][row] == pytest.approx(f1_score(targets, decided, average="macro"))
        assert rows["balanced_accuracy"][row] == pytest.approx(balanced_accuracy_score(targets, decided))
        assert rows["auroc/2"][row] == pytest.approx(roc_auc_score(targets == 2, p[:, 2]), abs=1e-12)


def test_two_classes_of_logits_0_and_s_have_the_binary_metrics_of_s() -> None:
    generator = np.random.default_rng(4)
    scores, targets = generator.normal(size=60).round(1), generator.integers(0, 2, 60)
    two = MultiClass(source=Digits(), classes=(0, 1), critical=(1,))
    one = Binary(source=Digits(), negative=(0,), positive=(1,))
    found = task_arrays(two).summarize(targets, np.stack([np.zeros(60), scores], axis=1))
    binary = task_arrays(one).summarize(targets, scores)
    assert found["critical_auroc"] == binary["auroc"]
    for name in ("fpr_at_tpr_98", "fpr_at_tpr_95", "fpr_at_tpr_90", "tpr_at_fpr_5"):
        assert found[f"{name}/1"] == binary[name]
    # A score of exactly 0 ties two logits; a binary task takes it for positive, the highest of several not.
    assert (scores != 0).all() or found["balanced_accuracy"] != binary["balanced_accuracy"]


def test_equal_decisions_tie_in_balanced_accuracy() -> None:
    """Of recalls 1/3, 1/3, 2/3 in any order: sums of rounded recalls would differ in the last digit."""
    targets = np.repeat([0, 1, 2], 3)
    found = set()
    for hits in ((1, 1, 2), (1, 2, 1), (2, 1, 1)):
        decided = np.array([(c + (i >= hits[c])) % 3 for c in range(3) for i in range(3)])
        logits = np.eye(3)[decided]
        found.add(task_arrays(TASK).summarize(targets, logits)["balanced_accuracy"])
    assert found == {4 / 9}


def test_every_declared_metric_is_computed_and_no_other() -> None:
    arrays = task_arrays(TASK, Targets(tpr=(0.995,), fpr=()))
    targets, logits = np.array([0, 1, 2]), np.eye(3)
    assert set(arrays.summarize(targets, logits)) == {metric.name for metric in arrays.metrics}
    assert "fpr_at_tpr_99.5/2" in arrays.names("headline")


@pytest.mark.parametrize(
    ("targets", "reason"),
    [([], "no examples"), ([0, 1, 0], "no examples of class 2"), ([0, 2, 0], "no examples of class 1")],
)
def test_undefined_is_nan_with_a_reason(targets: list[int], reason: str) -> None:
    arrays, logits = task_arrays(TASK), np.zeros((len(targets), 3))
    assert arrays.undefined_reason(targets, logits) == reason
    assert math.isnan(arrays.summarize(targets, logits)["balanced_accuracy"])


def test_a_logit_that_is_nan_spoils_its_own_row_only() -> None:
    arrays, targets = task_arrays(TASK), np.array([0, 1, 2])
    logits = np.stack([np.eye(3), np.eye(3)])
    logits[1, 0, 0] = np.nan
    rows = arrays.summarize_rows(targets, logits)
    assert rows["macro_f1"][0] == 1.0
    assert all(np.isnan(values[1]) for values in rows.values())
    assert arrays.undefined_reason(targets, logits[1]) == "a logit is NaN"


@pytest.mark.parametrize(
    ("targets", "logits"), [([0, 1], np.zeros((2, 2))), ([0, 3], np.zeros((2, 3))), ([0], np.zeros((2, 3)))]
)
def test_wrong_shapes_and_classes_are_errors(targets: Any, logits: Any) -> None:
    with pytest.raises(InputError, match="expected targets"):
        task_arrays(TASK).summarize(targets, logits)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(None, (90, 90, 80)), (1.0, (90, 90, 90)), (10.0, (90, 28, 9)), (90.0, (90, 9, 1))],
)
def test_a_long_tail_starts_at_the_first_class(factor: float | None, expected: tuple[int, ...]) -> None:
    tail = None if factor is None else Imbalance(factor=factor)
    task = TASK.model_copy(update={"imbalance": tail})
    available = (100, 100, 80) if factor is None else (100, 100, 100)
    assert task_arrays(task).class_counts((100, 100, 100), available, "digits") == expected


@pytest.mark.parametrize(("factor", "message"), [(200.0, "asks for 0"), (1.0, "asks for 90")])
def test_a_tail_that_cannot_be_had_is_one_error(factor: float, message: str) -> None:
    task = TASK.model_copy(update={"imbalance": Imbalance(factor=factor)})
    with pytest.raises(DataError, match=message) as error:
        task_arrays(task).class_counts((100, 100, 100), (100, 40, 100), "digits")
    assert "digits: exponential 1:" in str(error.value)


def test_a_split_without_a_class_is_an_error() -> None:
    arrays = task_arrays(TASK)
    arrays.check_split("test", np.array([0, 1, 2]), "digits")
    with pytest.raises(DataError, match="digits: the test split has no example of class 2"):
        arrays.check_split("test", np.array([0, 1, 0]), "digits")


def test_columns_and_strata() -> None:
    arrays, targets = task_arrays(TASK), np.array([0, 1, 2, 2])
    (column,) = arrays.columns(targets, np.log([[1, 1, 2], [1, 1, 1], [1, 1, 8], [1, 3, 4]]))
    assert column.name == "2"
    assert column.scores.tolist() == [pytest.approx(np.log([1, 1 / 2, 4, 1]).tolist())]
    assert column.positive.tolist() == [False, False, True, True]
    assert (column.negative == ~column.positive).all()
    assert [s.tolist() for s in arrays.strata(targets)] == [[0], [1], [2, 3]]


def tail_of(source: Any, classes: Any, most: int, profile: Any, factor: float) -> int:
    """Training examples in all, of as many of each class before there was a tail."""
    task = MultiClass(
        source=source,
        classes=tuple(classes),
        critical=(classes[-1],),
        imbalance=Imbalance(profile=profile, factor=factor),
        train_share=1,
    )
    sizes = [most] * len(task.classes)
    return sum(task_arrays(task).class_counts(sizes, sizes, "some"))


@pytest.mark.parametrize(("most", "totals"), [(500, (9_901, 6_430, 4_878)), (450, (8_908, 5_788, 4_387))])
def test_cifar_50_is_a_part_of_the_long_tail_of_cifar_100(most: int, totals: tuple[int, ...]) -> None:
    """The counts of the public conversion of Cui et al.'s long tails, for u = 0.1, 0.02 and 0.005."""
    found = [tail_of(Cifar100(), range(0, 100, 2), most, "cui", factor) for factor in (10, 50, 200)]
    assert tuple(found) == totals


@pytest.mark.parametrize(
    ("source", "classes", "most", "totals"),
    [
        (Cifar100(), 100, 500, (19_573, 12_608, 10_847)),
        (Cifar100(), 100, 450, (17_614, 11_349, 9_754)),
        (Cifar10(), 10, 5000, (20_431, 13_996, 12_406)),
        (Cifar10(), 10, 4500, (18_388, 12_596, 11_165)),
    ],
)
def test_the_long_tails_of_the_literature(
    source: Any, classes: int, most: int, totals: tuple[int, ...]
) -> None:
    found = [tail_of(source, range(classes), most, "exponential", factor) for factor in (10, 50, 100)]
    assert tuple(found) == totals


def test_a_step_leaves_the_first_half_whole() -> None:
    task = MultiClass(
        source=Digits(),
        classes=(0, 1, 2, 3, 4),
        critical=(4,),
        imbalance=Imbalance(profile="step", factor=20),
        train_share=1,
    )
    assert task_arrays(task).class_counts([150] * 5, [150] * 5, "digits") == (150, 150, 150, 7, 7)


def test_a_part_of_a_tail_needs_to_know_the_whole() -> None:
    with pytest.raises(ValidationError, match="folder does not tell its classes beforehand, given cui"):
        MultiClass(
            source=ImageFolder(folder="some"),
            classes=("a", "b"),
            critical=("b",),
            imbalance=Imbalance(profile="cui", factor=10),
        )
