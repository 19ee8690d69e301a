"""Partial areas under ROC curves, exact and with ties handled; NumPy only.

partial_auc_fpr_30    over false positive rates up to 0.3, in McClish's form (Med. Decis. Making 9, 1989), as
                      scikit-learn's `roc_auc_score(max_fpr=0.3)` has it: 0.5 is chance, 1 the best
partial_auc_tpr_90    over true positive rates from 0.9 on: the area above that rate, by the 0.1 that there
                      is; 0.05 is chance, 1 the best
two_way_partial_auc   the AUC of the lowest 30 % of the positives against the highest 30 % of the negatives,
                      as LibAUC defines it (FPR up to 0.3, TPR from 0.7 on)

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
    steps = (
        np.where(ranking.ends, ranking.previous_false, 0) / ranking.negatives,
        np.where(ranking.ends, ranking.false_positives, 0) / ranking.negatives,
        np.where(ranking.ends, ranking.previous_true, 0) / ranking.positives,
        np.where(ranking.ends, ranking.true_positives, 0) / ranking.positives,
    )
    gained = np.diff(ranking.true_positives, axis=1, prepend=0) > 0
    two_way = []
    for scores, positive in zip(ranking.scores, gained, strict=True):
        counts = np.ones((len(scores), 1), np.int64)
        two_way.append(_two_way(scores, positive, counts)[0])
    return {**_one_way(*steps, axis=1), "two_way_partial_auc": np.array(two_way)}


def resampled_partial_areas(scores: Floats, positive: NDArray[np.bool_], counts: Counts) -> dict[str, Floats]:
    """The three areas of scores [N] on resampled sets, [draws] each; see `trainer.metrics.resampled`.

    `counts` [N, draws] say how often each example stands in a draw. A draw without a positive or a negative
    gives NaN.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)
    drawn, has = counts[order].astype(np.int64), positive[order][:, None]
    true = np.cumsum(np.where(has, drawn, 0), axis=0)[ends]
    false = np.cumsum(np.where(has, 0, drawn), axis=0)[ends]
    with np.errstate(invalid="ignore", divide="ignore"):
        right, upper = false / false[-1], true / true[-1]
        start = np.zeros((1, counts.shape[1]))
        left, lower = np.vstack([start, right[:-1]]), np.vstack([start, upper[:-1]])
        found = _one_way(left, right, lower, upper, axis=0)
        found["two_way_partial_auc"] = _two_way(scores, positive, counts)
    is_undefined = (true[-1] == 0) | (false[-1] == 0)
    return {name: np.where(is_undefined, np.nan, values) for name, values in found.items()}


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


def _two_way(scores: Floats, positive: NDArray[np.bool_], counts: Counts) -> Floats:
    """The area [draws] of the lowest positives against the highest negatives."""
    order = np.argsort(scores, kind="stable")
    ordered, drawn, has = scores[order], counts[order].astype(np.int64), positive[order]
    lowest = _first(drawn[has], 1 - TWO_WAY_TPR)
    highest = _first(drawn[~has][::-1], TWO_WAY_FPR)[::-1]
    negatives = np.vstack([np.zeros((1, counts.shape[1]), np.int64), np.cumsum(highest, axis=0)])
    of_negatives = ordered[~has]
    below = negatives[np.searchsorted(of_negatives, ordered[has], side="left")]
    not_above = negatives[np.searchsorted(of_negatives, ordered[has], side="right")]
    pairs = lowest.sum(axis=0) * highest.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        area: Floats = (lowest * (below + not_above)).sum(axis=0) / (2 * pairs)
    return area


def _first(counts: Counts, share: float) -> NDArray[np.int64]:
    """So much of counts [n, draws], from the first on, as adds up to that share of them, but at least one.

    The share is rounded to a whole number, halves to the even one, as Python's `round` does.
    """
    before = np.cumsum(counts, axis=0) - counts
    wanted = np.maximum(np.round(share * counts.sum(axis=0)), 1).astype(np.int64)
    taken: NDArray[np.int64] = np.clip(wanted - before, 0, counts)
    return taken
