"""Operating points: a threshold fixed on validation, and what it comes to on the test examples.

The paper's FPR at a TPR reads its threshold off the test ROC curve, which nobody has who decides. Here the
threshold is that of the ensemble's validation scores, and the test says which rates it reaches. Intervals are
exact (Clopper and Pearson, Biometrika 26, 1934): the threshold is given, and examples are independent. Where
the data have groups, patients for one, they are not: whole groups are drawn instead (percentile bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from analysis.cells import Cell
from analysis.records import TestRecord
from analysis.statistics.draws import DRAWS, example_draws
from analysis.statistics.intervals import LEVEL, UNDEFINED, Interval, percentile_interval
from analysis.statistics.resampled import examples_key
from trainer.metrics.binary import fpr_at_tpr
from trainer.metrics.resolution import positives_to_resolve
from trainer.metrics.thresholds import ThresholdRule
from trainer.tasks.base import Column
from trainer.tasks.thresholds import columns_of, compared, judged, threshold_between

EXACT, OF_GROUPS = "Clopper-Pearson", "bootstrap over groups"


@dataclass(frozen=True)
class OperatingPoint:
    """A column's threshold for one true positive rate, and what it comes to on test.

    column                 the class or label; "positive" of a binary task
    target                 the true positive rate that the threshold reaches on validation
    threshold              at a score of at least so much an example counts as positive; NaN where validation
                           has none
    validation_positives   that it was chosen on
    unresolved             why there are too few positives, in words; "" where there are enough
    true_positives         test examples, as the next three; 0 where there is no threshold
    roc_fpr                the false positive rate at that rate read off the test ROC curve
    tpr_interval           95 %, of the rate that is reached; undefined where it is not resolved
    fpr_interval           likewise
    interval               how the two were made: `EXACT` or `OF_GROUPS`; "" where they were not
    """

    column: str
    target: float
    threshold: float
    validation_positives: int
    unresolved: str
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    roc_fpr: float
    tpr_interval: Interval = UNDEFINED
    fpr_interval: Interval = UNDEFINED
    interval: str = ""

    @property
    def exists(self) -> bool:
        """Whether validation has a threshold that reaches the target."""
        return not math.isnan(self.threshold)

    @property
    def positives(self) -> int:
        """Test examples that are positive."""
        return self.true_positives + self.false_negatives

    @property
    def negatives(self) -> int:
        """Test examples that are negative."""
        return self.false_positives + self.true_negatives

    @property
    def tpr(self) -> float:
        """The true positive rate that is reached on test."""
        return _share(self.true_positives, self.positives)

    @property
    def fpr(self) -> float:
        """The false positive rate that is reached on test."""
        return _share(self.false_positives, self.negatives)

    @property
    def prevalence(self) -> float:
        """The share of test examples that are positive."""
        return _share(self.positives, self.positives + self.negatives)

    def precision(self, prevalence: float) -> float:
        """The share of truly positive among those called positive, at a prevalence in (0, 1), by Bayes' rule.

        NaN where nobody is called positive.
        """
        right = self.tpr * prevalence
        return _share(right, right + self.fpr * (1 - prevalence))

    def negative_predictive_value(self, prevalence: float) -> float:
        """The share of truly negative among those called negative, likewise."""
        right = (1 - self.fpr) * (1 - prevalence)
        return _share(right, right + (1 - self.tpr) * prevalence)


def operating_points(cell: Cell, rates: Sequence[float], draws: int = DRAWS) -> tuple[OperatingPoint, ...]:
    """Each column's operating point at each true positive rate, of a cell's chosen ensemble.

    Of a task with label sets every label is a column. Empty without a validation split, a test result, or
    where their scores are not all numbers. `draws` are those of groups.
    """
    test, chosen = cell.test, cell.chosen
    if test is None or chosen is None or chosen.validation is None:
        return ()
    validation = chosen.validation.examples
    if validation is None or np.isnan(validation.outputs).any() or np.isnan(test.ensemble).any():
        return ()
    found, taken = [], []
    of_test = {column.name: column for column in columns_of(cell.data, test.targets, test.ensemble)}
    for column in columns_of(cell.data, validation.targets, validation.outputs):
        for rate in rates:
            point = _point(column, of_test[column.name], rate)
            found.append(point)
            taken.append(of_test[column.name].scores[0] >= point.threshold)
    if test.groups is None:
        return tuple(_with_exact(point) for point in found)
    columns = [of_test[point.column] for point in found]
    return _with_drawn(found, columns, taken, test, draws)


def _point(validation: Column, test: Column, rate: float) -> OperatingPoint:
    """The column's threshold for a rate, and its test counts."""
    rule = ThresholdRule("tpr", rate)
    positive, scores = compared(validation)
    on_test, test_scores = compared(test)
    threshold = threshold_between(positive, scores, rule)
    counts = judged(test, threshold, rule.name)  # nothing lies above NaN
    reasons = [rule.why_unresolved(int(np.count_nonzero(positive))) or ""]
    if counts.positives < positives_to_resolve(rate):
        reasons.append(f"{counts.positives} test positives, expected at least {positives_to_resolve(rate)}")
    if math.isnan(threshold):
        reasons.append("no threshold on validation")
    return OperatingPoint(
        column=validation.name,
        target=rate,
        threshold=threshold,
        validation_positives=int(np.count_nonzero(positive)),
        unresolved="; ".join(filter(None, reasons)),
        true_positives=counts.true_positives,
        false_positives=counts.false_positives,
        false_negatives=counts.positives - counts.true_positives,
        true_negatives=counts.negatives - counts.false_positives,
        roc_fpr=fpr_at_tpr(on_test, test_scores, rate),
    )


def _with_exact(point: OperatingPoint) -> OperatingPoint:
    if point.unresolved:
        return point
    return replace(
        point,
        tpr_interval=exact_interval(point.true_positives, point.positives),
        fpr_interval=exact_interval(point.false_positives, point.negatives),
        interval=EXACT,
    )


def exact_interval(part: int, whole: int) -> Interval:
    """The exact two-sided 95 % interval of a share (Clopper and Pearson, 1934); undefined of nothing.

    Its ends are quantiles of beta distributions.

    >>> exact_interval(0, 100).low, round(exact_interval(0, 100).high, 4)
    (0.0, 0.0362)
    """
    if not whole:
        return UNDEFINED
    tail = (1 - LEVEL) / 2
    low = betaincinv(part, whole - part + 1, tail) if part else 0.0
    high = betaincinv(part + 1, whole - part, 1 - tail) if part < whole else 1.0
    return Interval(float(low), float(high))


def _with_drawn(
    points: Sequence[OperatingPoint],
    columns: Sequence[Column],
    taken: Sequence[NDArray[np.bool_]],
    test: TestRecord,
    draws: int,
) -> tuple[OperatingPoint, ...]:
    """The points with intervals over draws of whole groups, where a rate differs from draw to draw.

    A rate that no draw changes, 0 or 1, has none: that the groups at hand agree does not make it certain.
    """
    key = examples_key(test.config.data, test.targets, test.groups)
    strata = test.arrays.strata(test.targets)
    shares: list[tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]] = [([], []) for _ in points]
    for counts in example_draws(strata, test.groups, draws=draws, key=key):
        for column, calls, (tprs, fprs) in zip(columns, taken, shares, strict=True):
            for members, of_draws in ((column.positive, tprs), (column.negative, fprs)):
                whole = counts[members].sum(axis=0, dtype=np.int64)
                part = counts[members & calls].sum(axis=0, dtype=np.int64)
                of_draws.append(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
    found = []
    for point, (tprs, fprs) in zip(points, shares, strict=True):
        if not point.unresolved and tprs:
            ends = [_varying(np.concatenate(of_draws)) for of_draws in (tprs, fprs)]
            point = replace(point, tpr_interval=ends[0], fpr_interval=ends[1], interval=OF_GROUPS)
        found.append(point)
    return tuple(found)


def _varying(draws: NDArray[np.float64]) -> Interval:
    interval = percentile_interval(draws[~np.isnan(draws)])
    return UNDEFINED if interval.low == interval.high else interval


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
