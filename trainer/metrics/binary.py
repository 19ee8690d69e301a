"""Ranking metrics of binary scores, exact and with ties handled; NumPy only.

Targets are 1 (positive, critical) or 0 (negative), shape [N]; scores are numbers of shape [N], higher = more
critical. An example counts as positive at a threshold when its score >= the threshold. The thresholds are the
distinct scores, examples of equal score changing sides together, and one above all scores, which calls none
positive.

A metric that the data leave undefined (no examples, no positives, no negatives, a score that is NaN) is NaN,
never 0; `undefined_reason` says why. Infinite scores are scores like any other. Wrong shapes or targets raise
InputError.

`summarize` takes one row of scores, `summarize_rows` many at once (replicates x examples); both sort once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from search_spaces.config import DEFAULT_TARGETS, Targets
from search_spaces.config.metrics import fpr_at_tpr as fpr_metric
from search_spaces.config.metrics import partial_aucs
from search_spaces.config.metrics import tpr_at_fpr as tpr_metric
from search_spaces.errors import InputError
from trainer.metrics.partial import partial_areas
from trainer.metrics.ranking import Floats, Ranking, checked, rank, reason


class RocPoints(NamedTuple):
    """A ROC curve: false and true positive rates [K] in [0, 1], both rising, and thresholds [K], falling."""

    fpr: Floats
    tpr: Floats
    thresholds: Floats


def undefined_reason(targets: ArrayLike, scores: ArrayLike) -> str | None:
    """Why the metrics of these scores [N] or [rows, N] are NaN, or None where they are defined.

    >>> undefined_reason([0, 0], [0.5, 1.0])
    'no positives'
    """
    return reason(*checked(targets, scores))


def _exact(product: float) -> float:
    """Undo the rounding of rate * count where it missed a whole number: 0.07 * 100 = 7.000000000000001."""
    return round(product) if math.isclose(product, round(product), rel_tol=1e-12, abs_tol=1e-12) else product


def positives_needed(tpr: float, positives: int) -> int:
    """The least number of `positives` whose share is at least `tpr`.

    >>> positives_needed(0.98, 40), positives_needed(0.98, 150)
    (40, 147)
    """
    return math.ceil(_exact(tpr * positives))


def negatives_allowed(fpr: float, negatives: int) -> int:
    """The largest number of `negatives` whose share is at most `fpr`.

    >>> negatives_allowed(0.05, 150), negatives_allowed(0.07, 100)
    (7, 7)
    """
    return math.floor(_exact(fpr * negatives))


def _check_rate(name: str, rate: float) -> None:
    if not 0 <= rate <= 1:
        raise InputError(f"expected {name} in [0, 1], given {rate}")


def _auroc(ranking: Ranking) -> Floats:
    """Area by trapezoids between thresholds, in whole numbers: twice the count of ordered pairs."""
    width = ranking.false_positives - ranking.previous_false
    twice_area = np.where(ranking.ends, width * (ranking.true_positives + ranking.previous_true), 0)
    area: Floats = twice_area.sum(axis=1) / (2 * ranking.positives * ranking.negatives)
    return area


def _fpr_at_tpr(ranking: Ranking, tpr: float) -> Floats:
    needed = positives_needed(tpr, ranking.positives)
    if needed == 0:
        return np.zeros(len(ranking.scores))
    enough = ranking.ends & (ranking.true_positives >= needed)
    first = np.argmax(enough, axis=1)[:, None]
    rate: Floats = np.take_along_axis(ranking.false_positives, first, axis=1)[:, 0] / ranking.negatives
    return rate


def _tpr_at_fpr(ranking: Ranking, fpr: float) -> Floats:
    allowed = negatives_allowed(fpr, ranking.negatives)
    within = ranking.ends & (ranking.false_positives <= allowed)
    rate: Floats = np.where(within, ranking.true_positives, 0).max(axis=1) / ranking.positives
    return rate


def _average_precision(ranking: Ranking) -> Floats:
    gained = np.where(ranking.ends, ranking.true_positives - ranking.previous_true, 0)
    precision = ranking.true_positives / (ranking.true_positives + ranking.false_positives)
    total: Floats = (gained * precision).sum(axis=1) / ranking.positives
    return total


def _balanced_accuracy(ranking: Ranking, threshold: float) -> Floats:
    at_or_above = np.count_nonzero(ranking.scores >= threshold, axis=1)
    rows, last = np.arange(len(ranking.scores)), np.maximum(at_or_above - 1, 0)
    true_positives = np.where(at_or_above > 0, ranking.true_positives[rows, last], 0)
    false_positives = at_or_above - true_positives
    mean: Floats = (true_positives / ranking.positives + 1 - false_positives / ranking.negatives) / 2
    return mean


def _single(targets: ArrayLike, scores: ArrayLike) -> Ranking | None:
    """The ranking of one row of scores [N], or None where metrics are undefined."""
    positive, rows = checked(targets, scores)
    if np.ndim(scores) != 1:
        raise InputError(f"expected scores of shape [N], given {np.shape(scores)}")
    return None if reason(positive, rows) else rank(positive, rows)


def roc_points(targets: ArrayLike, scores: ArrayLike) -> RocPoints:
    """The ROC curve: a point per threshold, from (0, 0) at threshold +inf to (1, 1).

    One point of NaN where it is undefined.

    >>> points = roc_points([1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1])
    >>> points.fpr.tolist(), points.tpr.tolist(), points.thresholds.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0], [inf, 0.9, 0.5, 0.1])
    """
    ranking = _single(targets, scores)
    if ranking is None:
        return RocPoints(*(np.full(1, np.nan) for _ in range(3)))
    ends = ranking.ends[0]
    return RocPoints(
        np.r_[0.0, ranking.false_positives[0, ends] / ranking.negatives],
        np.r_[0.0, ranking.true_positives[0, ends] / ranking.positives],
        np.r_[np.inf, ranking.scores[0, ends]],
    )


def auroc(targets: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve in [0, 1]: the share of pairs with the positive higher, ties counting half.

    >>> auroc([1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1])  # of 4 pairs 3 in order, 1 tied
    0.875
    """
    ranking = _single(targets, scores)
    return math.nan if ranking is None else float(_auroc(ranking)[0])


def fpr_at_tpr(targets: ArrayLike, scores: ArrayLike, tpr: float) -> float:
    """The least false positive rate over the thresholds with true positive rate >= `tpr`, in [0, 1].

    >>> fpr_at_tpr([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1], tpr=0.98)  # the tie brings one of two negatives
    0.5
    """
    _check_rate("a true positive rate", tpr)
    ranking = _single(targets, scores)
    return math.nan if ranking is None else float(_fpr_at_tpr(ranking, tpr)[0])


def tpr_at_fpr(targets: ArrayLike, scores: ArrayLike, fpr: float) -> float:
    """The largest true positive rate over the thresholds with false positive rate <= `fpr`, in [0, 1].

    >>> tpr_at_fpr([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1], fpr=0.1)
    0.5
    """
    _check_rate("a false positive rate", fpr)
    ranking = _single(targets, scores)
    return math.nan if ranking is None else float(_tpr_at_fpr(ranking, fpr)[0])


def average_precision(targets: ArrayLike, scores: ArrayLike) -> float:
    """Sum over thresholds of (gain in recall) * precision, in (0, 1]; no interpolation, as in scikit-learn.

    >>> average_precision([1, 0, 1], [0.9, 0.5, 0.1])  # 1/2 * 1 + 1/2 * 2/3
    0.8333333333333333
    """
    ranking = _single(targets, scores)
    return math.nan if ranking is None else float(_average_precision(ranking)[0])


def balanced_accuracy(targets: ArrayLike, scores: ArrayLike, threshold: float = 0.0) -> float:
    """Mean of the true positive and the true negative rate at score >= `threshold`, in [0, 1].

    The default is that of logits: score 0 is p = 0.5.

    >>> balanced_accuracy([1, 1, 0, 0], [2.0, -1.0, -2.0, -3.0])
    0.75
    """
    ranking = _single(targets, scores)
    return math.nan if ranking is None else float(_balanced_accuracy(ranking, threshold)[0])


def summarize_rows(
    targets: ArrayLike, scores: ArrayLike, *, rates: Targets = DEFAULT_TARGETS, decides_at_zero: bool = True
) -> dict[str, Floats]:
    """All metrics of rows of scores [rows, N] against the same targets [N]: a value [rows] for each name.

    Names: auroc, fpr_at_tpr_98 and others of `rates`, tpr_at_fpr_1 and others of `rates`, average_precision,
    balanced_accuracy (at 0), and the partial areas of `trainer.metrics.partial`. A row with a NaN score gets
    NaN; the other rows do not suffer from it. Where 0 is not the threshold at which the scores' loss decides
    (`decides_at_zero`), balanced_accuracy is undefined: NaN.
    """
    positive, rows = checked(targets, scores)
    fprs = {fpr_metric(rate).name: rate for rate in rates.tpr}
    tprs = {tpr_metric(rate).name: rate for rate in rates.fpr}
    undefined = np.full(len(rows), np.nan)
    if reason(positive, rows[:0]):  # without a positive, or without a negative, there is no ranking
        names = ["auroc", *fprs, *tprs, "average_precision", "balanced_accuracy"]
        return dict.fromkeys([*names, *(metric.name for metric in partial_aucs())], undefined)
    ranking = rank(positive, rows)
    found = {"auroc": _auroc(ranking)}
    for name, rate in fprs.items():
        found[name] = _fpr_at_tpr(ranking, rate)
    for name, rate in tprs.items():
        found[name] = _tpr_at_fpr(ranking, rate)
    found["average_precision"] = _average_precision(ranking)
    found["balanced_accuracy"] = _balanced_accuracy(ranking, 0.0) if decides_at_zero else undefined
    found |= partial_areas(ranking)
    without = np.isnan(rows).any(axis=1)
    return {name: np.where(without, np.nan, values) for name, values in found.items()}


def summarize(
    targets: ArrayLike, scores: ArrayLike, *, rates: Targets = DEFAULT_TARGETS, decides_at_zero: bool = True
) -> dict[str, float]:
    """All metrics of one row of scores [N]: the names and options of `summarize_rows`, a number each.

    >>> summary = summarize([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])
    >>> summary["auroc"], summary["fpr_at_tpr_98"], summary["tpr_at_fpr_5"]
    (0.875, 0.5, 0.5)
    """
    if np.ndim(scores) != 1:
        raise InputError(f"expected scores of shape [N], given {np.shape(scores)}")
    rows = summarize_rows(targets, scores, rates=rates, decides_at_zero=decides_at_zero)
    return {name: float(column[0]) for name, column in rows.items()}
