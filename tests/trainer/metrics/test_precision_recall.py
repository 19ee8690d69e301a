"""Precision-recall curves against scikit-learn, where they are undefined, and how many points they have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from trainer.metrics.precision_recall import precision_recall_points


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(3, 80))
def test_points_are_scikit_learns(seed: int, examples: int) -> None:
    generator = np.random.default_rng(seed)
    targets = (generator.random(examples) < 0.3).astype(int)
    targets[:2] = (0, 1)
    scores = np.round(generator.normal(size=examples) + targets, 1)
    found = precision_recall_points(targets, scores)
    precision, recall, thresholds = precision_recall_curve(targets, scores)
    places = np.flatnonzero(np.isin(thresholds, found.thresholds))[::-1]
    assert np.array_equal(thresholds[places], found.thresholds)
    assert np.allclose(recall[places], found.recall)
    assert np.allclose(precision[places], found.precision)
    of_each = {value: precision[:-1][recall[:-1] == value] for value in recall[:-1]}
    for value, there in of_each.items():  # the curve's ends at every recall
        drawn = found.precision[np.isclose(found.recall, value)]
        assert (drawn.max(), drawn.min()) == pytest.approx((there.max(), there.min()))


def test_of_many_points_both_ends_stay() -> None:
    generator = np.random.default_rng(1)
    targets = np.arange(4000) % 2
    scores = generator.normal(size=4000)
    found = precision_recall_points(targets, scores, most=50)
    assert len(found.thresholds) == 50
    assert (found.thresholds[0], found.thresholds[-1]) == (scores.max(), scores.min())
    assert (found.recall[-1], found.precision[-1]) == (1.0, 0.5)
    assert (np.diff(found.recall) >= 0).all()


@pytest.mark.parametrize(
    ("targets", "scores"), [([], []), ([1, 1], [0.1, 0.2]), ([0, 0], [0.1, 0.2]), ([1, 0], [np.nan, 0.2])]
)
def test_undefined_curves_have_no_point(targets: list[int], scores: list[float]) -> None:
    assert [len(part) for part in precision_recall_points(targets, scores)] == [0, 0, 0]


def test_infinite_scores_are_scores_like_any_other() -> None:
    found = precision_recall_points([1, 0, 0], [np.inf, 0.0, -np.inf])
    assert found.precision.tolist() == pytest.approx([1.0, 1 / 3])
