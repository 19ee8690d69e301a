"""Partial areas under ROC curves, exact and with ties handled; NumPy only.

partial_auc_fpr_30    over false positive rates up to 0.3, in McClish's form (Med. Decis. Making 9, 1989), as
                      scikit-learn's `roc_auc_score(max_fpr=0.3)` has it: 0.5 is chance, 1 the best
partial_auc_tpr_90    over true positive rates from 0.9 on: the area above that rate, by the 0.1 that there
                      is; 0.05 is chance, 1 the best
two_way_partial_auc   the AUC of the lowest 30 % of the positives against the highest 30 % of the negatives,
                      the two-way partial AUC (FPR up to 0.3, TPR from 0.7 on) as LibAUC is said to compute
                      it, which was not run beside it

Between thresholds the curve is straight, so a partial area may end between two of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config.metrics import PARTIAL_FPR, PARTIAL_TPR, TWO_WAY_FPR, TWO_WAY_TPR
from trainer.metrics.ranking import Floats, Ranking

Counts = NDArray[np.integer[Any]]


def partial_areas(ranking: Ranking) -> dict[str, Floats]:
    """The three areas of each row [rows] of a ranking, by name."""
    ends, steps = ranking.ends, []
    for counts in (
        ranking.previous_false,
        ranking.false_positives,
        ranking.previous_true,
        ranking.true_positives,
    ):
        steps.append(np.where(ends, counts, 0).astype(np.float64))  # elsewhere a step of nothing
    positives, negatives = np.array(ranking.positives), np.array(ranking.negatives)
    return _areas((steps[0], steps[1], steps[2], steps[3]), positives, negatives, axis=1)


def resampled_partial_areas(scores: Floats, positive: NDArray[np.bool_], counts: Counts) -> dict[str, Floats]:
    """The three areas of scores [N] on resampled sets, [draws] each; see `trainer.metrics.resampled`.

    `counts` [N, draws] say how often each example stands in a draw. A draw without a positive or a negative
    gives NaN.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)
    drawn, has = counts[order].astype(np.float64), positive[order][:, None]
    true = np.cumsum(np.where(has, drawn, 0), axis=0)[ends]
    false = np.cumsum(np.where(has, 0, drawn), axis=0)[ends]
    start = np.zeros((1, counts.shape[1]))
    steps = np.vstack([start, false[:-1]]), false, np.vstack([start, true[:-1]]), true
    found = _areas(steps, true[-1], false[-1], axis=0)
    is_undefined = (true[-1] == 0) | (false[-1] == 0)
    return {name: np.where(is_undefined, np.nan, values) for name, values in found.items()}


def _areas(
    steps: tuple[Floats, Floats, Floats, Floats], positives: Floats, negatives: Floats, axis: int
) -> dict[str, Floats]:
    """The three areas of curves whose steps lie along an axis.

    steps       false positives before and at each threshold, then true positives before and at it
    positives   how many there are in all, and `negatives`, of each curve
    """
    before_false, false, before_true, true = steps
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = before_false / negatives, false / negatives, before_true / positives, true / positives
        found = _one_way(*rates, axis=axis)
    few = _some(1 - TWO_WAY_TPR, positives)
    most = _some(TWO_WAY_FPR, negatives)
    # Of the positives of a threshold those that are among the lowest; below each the highest negatives that
    # are, a tied one for a half.
    lowest = np.maximum(true - (positives - few), 0) - np.maximum(before_true - (positives - few), 0)
    below = most - (np.minimum(false, most) + np.minimum(before_false, most)) / 2
    found["two_way_partial_auc"] = (lowest * below).sum(axis=axis) / (few * most)
    return found


def _some(share: float, numbers: Floats) -> Floats:
    """That share of numbers, rounded as Python's `round` does, but at least one."""
    some: Floats = np.maximum(np.round(share * numbers), 1.0)
    return some


def _one_way(left: Floats, right: Floats, lower: Floats, upper: Floats, axis: int) -> dict[str, Floats]:
    """The areas of curves of straight steps along an axis, from (left, lower) to (right, upper)."""
    below = _area_up_to(PARTIAL_FPR, left, right, lower, upper).sum(axis=axis)
    least, most = PARTIAL_FPR**2 / 2, PARTIAL_FPR
    above = _area_above(PARTIAL_TPR, left, right, lower, upper).sum(axis=axis)
    return {
        "partial_auc_fpr_30": (1 + (below - least) / (most - least)) / 2,
        "partial_auc_tpr_90": above / (1 - PARTIAL_TPR),
    }


def _area_up_to(fpr: float, left: Floats, right: Floats, lower: Floats, upper: Floats) -> Floats:
    """The area below each step, as far as it lies left of a false positive rate."""
    width = np.clip(fpr, left, right) - left
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(right > left, width / (right - left), 0)
    area: Floats = width * (lower + share * (upper - lower) / 2)
    return area


def _area_above(tpr: float, left: Floats, right: Floats, lower: Floats, upper: Floats) -> Floats:
    """The area between each step and a true positive rate, as far as the step lies above it."""
    from_there = np.clip(tpr, lower, upper)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(upper > lower, (upper - from_there) / (upper - lower), lower >= tpr)
    area: Floats = share * (right - left) * ((from_there + upper) / 2 - tpr)
    return np.maximum(area, 0)
