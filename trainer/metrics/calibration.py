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
    if np.isnan(logits).any():
        return math.nan
    confidences = 1 / (1 + np.exp(-np.abs(logits)))
    return expected_calibration_error(confidences, (logits >= 0) == positive)
