"""From draws to intervals.

How often each kind holds the truth is simulated in `benchmarks.coverage`: docs/benchmarks-intervals.md.
"""

from __future__ import annotations

import math
from typing import NamedTuple

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
