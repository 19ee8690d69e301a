"""From draws to intervals.

How often each kind holds the truth is simulated in `benchmarks.coverage`: docs/benchmarks-intervals.md.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

LEVEL = 0.95
# Below so many seeds a bootstrap over seeds draws from too few to reach the level that its interval names.
MIN_SEEDS = 6

Values = NDArray[np.float64]


class Interval(NamedTuple):
    """The two ends of an interval, or NaN twice where it is undefined."""

    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan)


def percentile_interval(draws: Values, level: float = LEVEL) -> Interval:
    """The middle `level` of the draws [draws], its ends linear quantiles; undefined where a draw is NaN."""
    return _between(draws, (1 - level) / 2)


def acceleration(influences: Values, groups: NDArray[Any] | None = None) -> float:
    """How fast a metric's deviation grows with the metric, of `corrected_interval`; 0 where nothing moves it.

    influences   [N], how far each example moves it (`TaskArrays.influences`)
    groups       [N], of which whole ones are drawn; None where there are none
    """
    if groups is not None:
        _, number = np.unique(groups, return_inverse=True)
        influences = np.bincount(number, weights=influences).astype(np.float64)
    squares = float(np.sum(influences**2))
    return float(np.sum(influences**3)) / (6 * squares**1.5) if squares > 0 else 0.0


def corrected_interval(draws: Values, value: float, acceleration: float, level: float = LEVEL) -> Interval:
    """The percentile interval, its ends moved for the draws' bias and skewness (BCa).

    Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82, 1987;
    of several strata: Davison and Hinkley, "Bootstrap methods and their application", 1997, section 5.3.
    For areas under ROC curves: near 1 they are skewed, and the percentile interval is too narrow.

    value          of the metric on the examples as they are
    acceleration   see there

    Undefined where a draw is NaN.
    """
    if not draws.size or np.isnan(draws).any():
        return UNDEFINED
    below = np.count_nonzero(draws < value) + 0.5 * np.count_nonzero(draws == value)
    bias = norm.ppf(np.clip(below / draws.size, 1 / (draws.size + 1), draws.size / (draws.size + 1)))
    wanted = bias + norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(draws, norm.cdf(bias + wanted / (1 - acceleration * wanted)))
    return Interval(float(low), float(high))


def expanded_interval(
    draws: Values, seeds: int, level: float = LEVEL, *, freedom: int | None = None
) -> Interval:
    """The percentile interval of a mean over few seeds, widened to hold its level.

    Its ends are the quantiles at Phi(-sqrt(n / (n - 1)) t_{n - 1}) and 1 minus that (Hesterberg, "What
    teachers should know about the bootstrap", The American Statistician 69, 2015, section 4.3): a bootstrap
    over n seeds is too narrow by sqrt((n - 1) / n), and knows their deviation no better than n allow.
    Undefined below `MIN_SEEDS`, and where a draw is NaN.

    freedom   degrees of freedom of that deviation where several strata tell it; None is n - 1
    """
    if seeds < MIN_SEEDS:
        return UNDEFINED
    return _between(draws, outer_share(seeds, level, freedom=freedom))


def of_few(values: Values) -> list[float]:
    """The values of replicates where they are too few for an interval of their mean, and more than one."""
    return values.tolist() if 1 < len(values) < MIN_SEEDS else []


def outer_share(seeds: int, level: float = LEVEL, *, freedom: int | None = None) -> float:
    """The share of draws beyond each end of `expanded_interval`.

    >>> [round(outer_share(seeds), 4) for seeds in (6, 10)]
    [0.0024, 0.0086]
    """
    quantile = t.ppf((1 + level) / 2, seeds - 1 if freedom is None else freedom)
    return float(norm.cdf(-math.sqrt(seeds / (seeds - 1)) * quantile))


def least_p_over_seeds(seeds: int) -> float:
    """The least two-sided p that a test of the signs or ranks of so many differences can give.

    >>> least_p_over_seeds(6), least_p_over_seeds(10)
    (0.03125, 0.001953125)
    """
    return min(1.0, float(2 ** (1 - seeds)))


def _between(draws: Values, outer: float) -> Interval:
    if not draws.size or np.isnan(draws).any():
        return UNDEFINED
    low, high = np.quantile(draws, [outer, 1 - outer])
    return Interval(float(low), float(high))
