"""How far confidence is from being right as often."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.ranking import Floats

BINS = 15


def expected_calibration_error(confidences: Floats, correct: NDArray[np.bool_]) -> float:
    """The mean over examples of |confidence - accuracy| of their bins, in [0, 1]; NaN without examples.

    confidences   [N], probability of the decision
    correct       [N], whether it was right

    There are BINS bins of equally many examples (but for one), by rising confidence. Examples of equal
    confidence count as right as often as they are together, so their order changes nothing. Naeini et al.,
    "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015, with bins of equal count
    (Nguyen and O'Connor, EMNLP 2015).

    >>> expected_calibration_error(np.full(5, 0.8), np.array([True, True, True, True, False]))
    0.0
    """
    if not len(confidences):
        return math.nan
    values, group, sizes = np.unique(confidences, return_inverse=True, return_counts=True)
    rights = np.bincount(group, weights=correct, minlength=len(values)) / sizes
    order = np.argsort(group, kind="stable")
    gaps = (confidences - rights[group])[order]
    total = sum(abs(float(part.sum())) for part in np.array_split(gaps, BINS))
    return total / len(confidences)


def logit_calibration_error(positive: NDArray[np.bool_], logits: Floats) -> float:
    """The expected calibration error of the decisions at logit 0, of logits [N]; NaN where one is NaN.

    The probability of a decision is the logistic function of the logit's size.

    >>> logit_calibration_error(np.array([True, False]), np.array([0.0, 0.0]))
    0.0
    """
    return float(logit_calibration_errors(positive, logits[None])[0])


def logit_calibration_errors(positive: NDArray[np.bool_], logits: Floats) -> Floats:
    """`logit_calibration_error` of each row of logits [rows, N]."""
    confidences = 1 / (1 + np.exp(-np.abs(logits)))
    correct = (logits >= 0) == positive
    order = np.argsort(confidences, axis=1)
    rising = np.take_along_axis(confidences, order, axis=1)
    is_tied = (np.diff(rising, axis=1) == 0).any(axis=1)
    gaps = rising - np.take_along_axis(correct, order, axis=1)
    errors = np.full(len(logits), math.nan)
    for row, parts in enumerate(_sums_of_bins(gaps)):
        if np.isnan(logits[row]).any() or not logits.shape[1]:
            continue
        errors[row] = sum(map(abs, parts.tolist())) / logits.shape[1]
        if is_tied[row]:
            errors[row] = expected_calibration_error(confidences[row], correct[row])
    return errors


def _sums_of_bins(values: Floats) -> Floats:
    """What each of BINS bins of values [rows, N] sums to, [rows, BINS]; the first ones have one more."""
    rows, number = values.shape
    size, larger = divmod(number, BINS)
    first = values[:, : larger * (size + 1)].reshape(rows, larger, size + 1)
    rest = values[:, larger * (size + 1) :].reshape(rows, BINS - larger, size)
    return np.concatenate([first.sum(axis=2), rest.sum(axis=2)], axis=1)
