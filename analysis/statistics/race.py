"""Which candidates of a cell could still be its best, after a few replicates each.

The rule is that of multiple comparisons with the best (Hsu, Annals of Statistics 12, 1984) with an
indifference zone (Bechhofer, Annals of Mathematical Statistics 25, 1954). A candidate's value with a seed is
taken as its own part, the seed's part and noise of one variance. Dunnett's critical value d (Journal of the
American Statistical Association 50, 1955) bounds all differences to one candidate at once, so with
probability 1 - level the truly best candidate is better than the observed best by no more than

    its own mean - the best mean + d s sqrt(2 / n)

of n seeds. A candidate of which that is less than the tolerance is left behind. The observed best never is.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm

# Of the quadrature over the control's mean and over the deviation.
_NODES = 80
_MOST = 1000.0


def left_behind(
    values: NDArray[np.float64], *, level: float, tolerance: float, judged_at: int = 1
) -> NDArray[np.bool_]:
    """Which candidates could be better than the best by less than the tolerance.

    values      [candidates, seeds], finite, more is better; at least two seeds
    level       the probability, at most, that the truly best is left behind although it is better than the
                observed best by more than the tolerance, at any of the `judged_at` times; in (0, 1)
    tolerance   a difference in value that is worth no replicate
    judged_at   how often a cell is judged in all

    The noise is pooled over the better half of the candidates, as those that hardly learn vary in their own
    way, and is what candidate and seed do not explain.
    """
    candidates, seeds = values.shape
    if seeds < 2:
        raise ValueError(f"expected at least two seeds of each candidate, given {seeds}")
    means = values.mean(axis=1)
    if candidates < 2:
        return np.zeros(candidates, dtype=bool)
    better = np.argsort(-means, kind="stable")[: max(2, math.ceil(candidates / 2))]
    deviation, degrees = _noise(values[better])
    critical = dunnett_critical(1 - level / judged_at, candidates - 1, degrees)
    bound = critical * deviation * math.sqrt(2 / seeds)
    behind: NDArray[np.bool_] = means - means.max() + bound < tolerance
    behind[int(np.argmax(means))] = False
    return behind


def _noise(values: NDArray[np.float64]) -> tuple[float, int]:
    """The standard deviation that candidate and seed do not explain, and its degrees of freedom."""
    residuals = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    degrees = (values.shape[0] - 1) * (values.shape[1] - 1)
    return math.sqrt(float((residuals**2).sum()) / degrees), degrees


@lru_cache(maxsize=4096)
def dunnett_critical(probability: float, others: int, degrees: int) -> float:
    """The value that the largest of `others` studentised differences to one control stays below.

    One-sided, of means of equally many observations: differences correlate by 1/2.

    >>> round(dunnett_critical(0.95, 1, 10), 3), round(dunnett_critical(0.95, 4, 20), 2)
    (1.812, 2.3)
    """

    def excess(value: float) -> float:
        return _below(value, others, degrees) - probability

    return float(brentq(excess, 0.0, _MOST, xtol=1e-6))


def _below(value: float, others: int, degrees: int) -> float:
    """The probability that all differences stay below a value: over the control's mean and the deviation."""
    controls, weights = hermegauss(_NODES)
    weights = weights / weights.sum()
    places, place_weights = leggauss(_NODES)
    deviations = np.sqrt(chi2.ppf((places + 1) / 2, degrees) / degrees)
    given = norm.cdf(math.sqrt(2) * value * deviations[:, None] + controls) ** others
    return float(place_weights / 2 @ given @ weights)
