"""DeLong's test of two areas under ROC curves of the same examples."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analysis.statistics.intervals import LEVEL, UNDEFINED, Interval
from trainer.metrics.ranking import placements

Values = NDArray[np.float64]


class Difference(NamedTuple):
    """A difference, its interval, and the two-sided p of its being 0 in truth; NaN where undefined."""

    value: float
    interval: Interval
    p_value: float


def delong(
    positive: NDArray[np.bool_], negative: NDArray[np.bool_], first: Values, second: Values
) -> Difference:
    """The AUROC of `second` minus that of `first`, scores [N] of the same examples.

    DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988; by ranks as in Sun and Xu, IEEE Signal Processing
    Letters 21, 2014. Interval and p are normal ones. Where the two rank every pair alike there is nothing to
    test: p is 1. Undefined with fewer than two positives or negatives.
    """
    of_positives, of_negatives = [], []
    for scores in (first, second):
        above, below = placements(scores[positive], scores[negative])
        of_positives.append(above)
        of_negatives.append(below)
    difference = float(np.mean(of_positives[1]) - np.mean(of_positives[0]))
    if min(len(of_positives[0]), len(of_negatives[0])) < 2:
        return Difference(difference, UNDEFINED, math.nan)
    variance = _variance_of_mean(of_positives[1] - of_positives[0])
    variance += _variance_of_mean(of_negatives[1] - of_negatives[0])
    if variance == 0:
        return Difference(difference, Interval(difference, difference), 1.0 if difference == 0 else 0.0)
    deviation = math.sqrt(variance)
    reach = float(norm.ppf((1 + LEVEL) / 2)) * deviation
    p_value = float(2 * norm.sf(abs(difference) / deviation))
    return Difference(difference, Interval(difference - reach, difference + reach), p_value)


def _variance_of_mean(values: Values) -> float:
    return float(values.var(ddof=1)) / len(values)
