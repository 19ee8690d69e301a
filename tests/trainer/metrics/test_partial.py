"""Partial areas under ROC curves, against slow definitions and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from search_spaces.config import Targets
from search_spaces.config.metrics import partial_aucs
from search_spaces.config.tasks.registered import TASKS
from trainer.metrics.binary import summarize, summarize_rows
from trainer.metrics.partial import resampled_partial_areas
from trainer.tasks.base import task_arrays

NAMES = ("partial_auc_fpr_30", "partial_auc_tpr_90", "two_way_partial_auc")


def area_above(targets: np.ndarray, scores: np.ndarray, tpr: float) -> float:
    """The area between curve and TPR, in 200,000 upright strips."""
    fprs, tprs, _ = roc_curve(targets, scores, drop_intermediate=False)
    middles = (np.arange(200_000) + 0.5) / 200_000
    return float(np.mean(np.maximum(np.interp(middles, fprs, tprs) - tpr, 0)) / (1 - tpr))


def two_way(targets: np.ndarray, scores: np.ndarray) -> float:
    """Every pair of the lowest positives and the highest negatives, one by one."""
    positives, negatives = np.sort(scores[targets == 1]), np.sort(scores[targets == 0])[::-1]
    lowest = positives[: max(round(len(positives) * (1 - 0.7)), 1)]
    highest = negatives[: max(round(len(negatives) * 0.3), 1)]
    pairs = [float(low > high) + (low == high) / 2 for low in lowest for high in highest]
    return sum(pairs) / len(pairs)


def drawn(seed: int, digits: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Few digits make many ties."""
    generator = np.random.default_rng(seed)
    targets = generator.permutation(np.repeat([1, 0], [generator.integers(2, 40), generator.integers(2, 90)]))
    return targets, np.round(generator.normal(size=len(targets)) + targets, digits)


@pytest.mark.parametrize("digits", [0, 1, 6])
@pytest.mark.parametrize("seed", range(6))
def test_areas_of_scores_with_and_without_ties(seed: int, digits: int) -> None:
    targets, scores = drawn(seed, digits)
    found = summarize(targets, scores)
    assert found["partial_auc_fpr_30"] == pytest.approx(roc_auc_score(targets, scores, max_fpr=0.3))
    assert found["partial_auc_tpr_90"] == pytest.approx(area_above(targets, scores, 0.9), abs=1e-4)
    assert found["two_way_partial_auc"] == pytest.approx(two_way(targets, scores))


def test_areas_of_the_best_the_worst_and_one_score() -> None:
    targets = np.repeat([1, 0], [20, 50])
    for scores, expected in (
        (targets, (1.0, 1.0, 1.0)),
        (-targets, (0.5 * (1 - 0.045 / 0.255), 0.0, 0.0)),  # McClish's form falls below chance
        (np.zeros(70), (0.5, 0.05, 0.5)),
    ):
        found = summarize(targets, scores)
        assert [found[name] for name in NAMES] == pytest.approx(expected)
    assert np.isnan([summarize([1, 1], [0.1, 0.2])[name] for name in NAMES]).all()
    rows = summarize_rows([1, 0], [[0.1, np.nan], [1.0, 0.0]])
    for name in NAMES:
        assert np.isnan(rows[name][0])
        assert rows[name][1] == 1


@given(st.integers(0, 10_000))
def test_only_the_order_counts(seed: int) -> None:
    targets, scores = drawn(seed, 1)
    for name in NAMES:
        assert summarize(targets, 7 * scores - 3)[name] == pytest.approx(summarize(targets, scores)[name])


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_a_resampled_set_is_the_set_with_its_examples_repeated(digits: int) -> None:
    targets, scores = drawn(11, digits)
    generator = np.random.default_rng(2)
    counts = generator.multinomial(len(targets), np.full(len(targets), 1 / len(targets)), size=30).T
    counts[targets == 1, 0] = 0  # a draw without a positive
    found = resampled_partial_areas(scores, targets == 1, counts.astype(np.int16))
    for draw in range(30):
        expected = summarize(np.repeat(targets, counts[:, draw]), np.repeat(scores, counts[:, draw]))
        for name in NAMES:
            assert found[name][draw] == pytest.approx(expected[name], nan_ok=True), (name, draw)
    assert np.isnan(found["two_way_partial_auc"][0])


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: str(kind.kind))
def test_every_task_has_them_of_each_critical_column(kind: type) -> None:
    """And their mean over these, where a task has several; the same over draws of one each."""
    task = kind.example()  # type: ignore[attr-defined]
    arrays = task_arrays(task, Targets())
    generator = np.random.default_rng(0)
    columns = task.columns("one_vs_rest")
    several = len(task.labels)
    if kind.kind == "binary":  # type: ignore[attr-defined]
        targets, outputs = generator.integers(0, 2, 60), generator.normal(size=60)
    elif task.has_label_sets:
        targets, outputs = generator.integers(0, 2, (60, several)), generator.normal(size=(60, several))
    else:
        targets, outputs = generator.integers(0, several, 60), generator.normal(size=(60, several))
    found = arrays.summarize(targets, outputs)
    drawn_ones = arrays.resampled_partial(targets, outputs, np.ones((60, 2), np.int16))
    by_column = {column.name: column for column in arrays.columns(targets, outputs)}
    for metric in partial_aucs():
        values = []
        for name in columns:
            column = by_column[name]
            values.append(summarize(column.positive.astype(int), column.scores[0])[metric.name])
            told = f"{metric.name}/{name}" if f"{metric.name}/{name}" in found else metric.name
            assert found[told] == pytest.approx(values[-1])
            assert drawn_ones[told] == pytest.approx([values[-1]] * 2)
        if kind.kind != "binary":  # type: ignore[attr-defined]
            assert found[f"critical_{metric.name}"] == pytest.approx(np.mean(values))
            assert drawn_ones[f"critical_{metric.name}"] == pytest.approx([np.mean(values)] * 2)
