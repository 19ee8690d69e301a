"""Which candidates of a cell could still be its best, after a few replicates each.

The rule is subset selection (Gupta, Technometrics 7, 1965) with an indifference zone (Bechhofer, Annals of
Mathematical Statistics 25, 1954), by a posterior probability. A cell's choice goes by a value of all N
replicates together, mostly that of their ensemble. After n of them a candidate's final value is taken as
normal around its value so far, with the deviation

    s sqrt((1 - n / N) / n)

s^2 is the variance of its jackknife pseudo-values (Tukey, Annals of Mathematical Statistics 29, 1958), of
which the jackknife expects too much rather than too little (Efron and Stein, Annals of Statistics 9, 1981);
1 - n / N is there because the n are among the N. A variance of few seeds is moderated (Smyth, Statistical
Applications in Genetics and Molecular Biology 3, 2004): it counts with its degrees of freedom beside the
pooled one, which counts as PRIOR_DEGREES.

Kept are the fewest candidates of which, in all but a share `level` of draws, one will be no more than the
tolerance below the best of all. The observed best always is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

PRIOR_DEGREES = 4
DRAWS = 10_000
_KEY = 1965


def pseudo_values(whole: Values, without: Values) -> Values:
    """The jackknife's pseudo-values [candidates, seeds].

    whole     [candidates], the value of all seeds
    without   [candidates, seeds], the value without each of them
    """
    seeds = without.shape[1]
    values: Values = seeds * whole[:, None] - (seeds - 1) * without
    return values


def left_behind(
    whole: Values, without: Values, *, of: int, level: float, tolerance: float, judged_at: int = 1
) -> NDArray[np.bool_]:
    """Which candidates are left behind.

    whole       [candidates], each one's value of its seeds so far, finite, more is better
    without     [candidates, seeds], the same without each of the seeds; at least two seeds
    of          how many seeds a candidate has in the end
    level       the probability, at most and as far as the model holds, that at any of the `judged_at` times
                none is kept that ends within the tolerance of the best of those judged then; in (0, 1)
    tolerance   a difference in value that is worth no replicate

    The same values give the same answer: the draws have a fixed key.
    """
    candidates, seeds = without.shape
    if seeds < 2:
        raise ValueError(f"expected at least two seeds of each candidate, given {seeds}")
    if candidates < 2:
        return np.zeros(candidates, dtype=bool)
    deviations, degrees = _deviations(whole, pseudo_values(whole, without))
    generator = np.random.default_rng(_KEY)
    noise = generator.standard_normal((DRAWS, candidates))
    # The pooled variance is itself of a sample.
    noise /= np.sqrt(generator.chisquare(degrees, DRAWS) / degrees)[:, None]
    final = whole + math.sqrt((1 - seeds / of) / seeds) * deviations * noise
    best = final.max(axis=1)
    good = (final >= best[:, None] - tolerance).mean(axis=0)
    good[int(np.argmax(whole))] = 1.0
    order = np.lexsort((-whole, -good))
    kept_best = np.maximum.accumulate(final[:, order], axis=1)
    missed = (best[:, None] - kept_best > tolerance).mean(axis=0)
    kept = int(np.argmax(missed <= level / judged_at)) + 1
    behind = np.ones(candidates, dtype=bool)
    behind[order[:kept]] = False
    return behind


def _deviations(whole: Values, pseudo: Values) -> tuple[Values, int]:
    """Each candidate's moderated deviation over seeds, and the degrees of freedom of the pooled one.

    What a seed does to all alike is no noise. Pooled is the better half, as candidates that hardly learn vary
    in their own way.
    """
    candidates, seeds = pseudo.shape
    better = np.argsort(-whole, kind="stable")[: max(2, math.ceil(candidates / 2))]
    by_seed = pseudo[better].mean(axis=0) - pseudo[better].mean()
    squares = ((pseudo - pseudo.mean(axis=1, keepdims=True) - by_seed) ** 2).sum(axis=1)
    degrees = (len(better) - 1) * (seeds - 1)
    pooled = squares[better].sum() / degrees
    moderated = (PRIOR_DEGREES * pooled + squares) / (PRIOR_DEGREES + seeds - 1)
    return np.sqrt(moderated), degrees
