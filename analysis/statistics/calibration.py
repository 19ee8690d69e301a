"""Calibration of an ensemble: fitted on validation, judged on test, before and after.

Platt scaling maps a score s to the probability 1 / (1 + exp(-(slope s + offset))); the offset alone, with
slope 1, moves the probabilities to the share of positives. Both are fitted on the validation scores, so they
hold for data with that share of positives. No trial is trained, and nothing is selected by them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log1p

from analysis.cells import Cell
from analysis.statistics.intervals import UNDEFINED, Interval, Values
from analysis.statistics.operating import exact_interval
from trainer.metrics.calibration import BINS, logit_calibration_error
from trainer.metrics.thresholds import ThresholdRule
from trainer.tasks.thresholds import columns_of, compared

NONE, OFFSET, PLATT = "none", "offset", "platt"


@dataclass(frozen=True)
class Bin:
    """Test examples of about the same probability.

    examples, positives   how many there are, and how many of them are positive
    mean_probability      of these examples
    interval              the exact 95 % interval of the share of positives; undefined of examples in groups
    """

    examples: int
    positives: int
    mean_probability: float
    interval: Interval

    @property
    def observed(self) -> float:
        """The share of positives."""
        return self.positives / self.examples


@dataclass(frozen=True)
class Calibrated:
    """A column's test probabilities under one calibration.

    column                 the class or label; "positive" of a binary task
    method                 `NONE`, `OFFSET` or `PLATT`
    slope, offset          of the logit, slope * score + offset; NaN where they could not be fitted
    validation_positives   that it was fitted on, and `validation_negatives`
    unresolved             why these are too few, in words; "" where they are enough
    brier                  the mean squared difference of probability and truth on test
    calibration_error      of the decisions at probability 0.5 (`trainer.metrics.calibration`)
    bins                   by rising probability, of about equally many examples
    """

    column: str
    method: str
    slope: float
    offset: float
    validation_positives: int
    validation_negatives: int
    unresolved: str
    brier: float
    calibration_error: float
    bins: tuple[Bin, ...]


def calibrations(cell: Cell) -> tuple[Calibrated, ...]:
    """Every column of a cell's chosen ensemble, as it is and as each calibration has it.

    Of a task with label sets every label is a column. A loss whose score is no logit has no probability as it
    is, and no offset alone: it has Platt scaling only. Empty without a validation split, a test result, or
    where their scores are not all finite.
    """
    test, chosen = cell.test, cell.chosen
    if test is None or chosen is None or chosen.validation is None:
        return ()
    validation = chosen.validation.examples
    if validation is None or not np.isfinite(validation.outputs).all() or not np.isfinite(test.outputs).all():
        return ()
    is_logit = cell.data.decides_by_highest or chosen.config.loss.decides_at_zero
    of_test = {column.name: column for column in columns_of(cell.data, test.targets, test.ensemble)}
    found = []
    for column in columns_of(cell.data, validation.targets, validation.outputs):
        fitted_on = compared(column)
        judged_on = compared(of_test[column.name])
        for method in (NONE, OFFSET, PLATT):
            if is_logit or method == PLATT:
                found.append(
                    _calibrated(column.name, method, fitted_on, judged_on, grouped=test.groups is not None)
                )
    return tuple(found)


def _calibrated(
    column: str,
    method: str,
    validation: tuple[NDArray[np.bool_], Values],
    test: tuple[NDArray[np.bool_], Values],
    *,
    grouped: bool,
) -> Calibrated:
    positive, scores = validation
    slope, offset = 1.0, 0.0
    reason = None
    if method != NONE:
        slope, offset = platt(positive, scores) if method == PLATT else (1.0, offset_alone(positive, scores))
        reason = ThresholdRule().why_unresolved(int(np.count_nonzero(positive)))
    on_test, logits = test[0], slope * test[1] + offset
    return Calibrated(
        column=column,
        method=method,
        slope=slope,
        offset=offset,
        validation_positives=int(np.count_nonzero(positive)),
        validation_negatives=int(np.count_nonzero(~positive)),
        unresolved=reason or "",
        brier=brier_score(on_test, logits),
        calibration_error=logit_calibration_error(on_test, logits),
        bins=reliability(on_test, logits, grouped=grouped),
    )


def platt(positive: NDArray[np.bool_], scores: Values) -> tuple[float, float]:
    """Slope and offset of Platt scaling, of scores [N]; NaN twice without a positive or a negative.

    The highest likelihood of the targets (p + 1) / (p + 2) of p positives and 1 / (n + 2) of n negatives,
    which keep the slope finite where the two sides do not overlap (Platt, "Probabilistic outputs for support
    vector machines", 1999).
    """
    positives = int(np.count_nonzero(positive))
    negatives = len(positive) - positives
    if not positives or not negatives:
        return math.nan, math.nan
    targets = np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    middle, spread = float(scores.mean()), float(scores.std())
    if spread == 0:  # one score tells nothing apart
        return 0.0, float(np.log(targets.mean() / (1 - targets.mean())))
    design = np.column_stack([(scores - middle) / spread, np.ones(len(scores))])
    slope, offset = _most_likely(design, targets)
    return slope / spread, offset - slope * middle / spread


def offset_alone(positive: NDArray[np.bool_], scores: Values) -> float:
    """The offset, beside slope 1, of the highest likelihood, of scores [N].

    Under it the mean probability is the share of positives. NaN without a positive or a negative.
    """
    if positive.all() or not positive.any():
        return math.nan
    (offset,) = _most_likely(np.ones((len(scores), 1)), positive.astype(np.float64), scores)
    return offset


def _most_likely(design: Values, targets: Values, base: Values | float = 0.0) -> list[float]:
    """The weights [P] of a logistic regression of targets [N] in [0, 1] on a design [N, P], `base` added."""

    def loss(weights: Values) -> float:
        logits = design @ weights + base
        softplus = np.maximum(logits, 0) + log1p(np.exp(-np.abs(logits)))
        return float(np.mean(softplus - targets * logits))

    def gradient(weights: Values) -> Values:
        slopes: Values = design.T @ (expit(design @ weights + base) - targets) / len(targets)
        return slopes

    def curvature(weights: Values) -> Values:
        chances = expit(design @ weights + base)
        bent: Values = (design * (chances * (1 - chances))[:, None]).T @ design / len(targets)
        return bent

    start = np.zeros(design.shape[1])
    found = minimize(loss, start, jac=gradient, hess=curvature, method="trust-exact", options={"gtol": 1e-9})
    return [float(weight) for weight in found.x]


def brier_score(positive: NDArray[np.bool_], logits: Values) -> float:
    """The mean squared difference of probability and truth, in [0, 1] (Brier, 1950); NaN without examples."""
    if not len(logits):
        return math.nan
    return float(np.mean((expit(logits) - positive) ** 2))


def reliability(
    positive: NDArray[np.bool_], logits: Values, *, grouped: bool = False, bins: int = BINS
) -> tuple[Bin, ...]:
    """Examples by rising probability in at most so many bins of about equally many.

    Examples of equal probability stay together. With `grouped` examples no bin has an interval: they are not
    independent.
    """
    if not len(logits) or np.isnan(logits).any():
        return ()
    order = np.argsort(logits, kind="stable")
    ordered, has, chances = logits[order], positive[order], expit(logits[order])
    found = []
    for start, end in _ends(ordered, bins):
        examples, positives = end - start, int(np.count_nonzero(has[start:end]))
        interval = UNDEFINED if grouped else exact_interval(positives, examples)
        found.append(Bin(examples, positives, float(chances[start:end].mean()), interval))
    return tuple(found)


def _ends(ordered: Values, bins: int) -> Sequence[tuple[int, int]]:
    """First and last place of each bin of rising values: ends move up to where the value changes."""
    cuts = [0]
    for number in range(1, bins + 1):
        place = round(number * len(ordered) / bins)
        place = int(np.searchsorted(ordered, ordered[place - 1], side="right")) if place else 0
        if place > cuts[-1]:
            cuts.append(place)
    return list(pairwise(cuts))
