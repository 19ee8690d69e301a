"""What sums up the replicates of several blocks: interquartile mean, and probability of improvement.

Both as in Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS
2021, for which a task is what a block is here, and a run a replicate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.intervals import Values

_HELD = 2_000_000  # values sorted at once


def interquartile_means(values: NDArray[np.floating[Any]], counts: NDArray[np.int64]) -> Values:
    """The mean of the middle half of each draw's values.

    values   [values, draws]
    counts   how often each stands in a draw, [values, draws]; each draw holds some

    Of n values the lowest and the highest floor(n / 4) are left out, as `scipy.stats.trim_mean` at 0.25 does.
    Returns [draws].
    """
    draws = values.shape[1]
    most = max(1, _HELD // max(len(values), 1))
    found = np.empty(draws)
    for start in range(0, draws, most):
        part = slice(start, start + most)
        found[part] = _interquartile_means(values[:, part], counts[:, part])
    return found


def _interquartile_means(values: NDArray[np.floating[Any]], counts: NDArray[np.int64]) -> Values:
    # A draw's values side by side in memory: twice as fast.
    of_draws, times = np.ascontiguousarray(values.T), np.ascontiguousarray(counts.T, dtype=np.int32)
    order = np.argsort(of_draws, axis=1)
    ordered = np.take_along_axis(of_draws, order, axis=1)
    times = np.take_along_axis(times, order, axis=1)
    up_to = np.cumsum(times, axis=1, dtype=np.int32)
    total = up_to[:, -1:]
    cut = total // 4
    # Of the places that a value takes in its draw, those between the two cuts.
    kept = np.minimum(up_to, total - cut) - np.maximum(up_to - times, cut)
    np.maximum(kept, 0, out=kept)
    means: Values = np.einsum("dv,dv->d", kept, ordered, dtype=np.float64) / (total - 2 * cut)[:, 0]
    return means


def improvements(
    better: NDArray[np.floating[Any]], worse: NDArray[np.floating[Any]], counts: NDArray[np.int64]
) -> Values:
    """In each draw the share of pairs of replicates, one of each trial, in which the first has more.

    Equal ones count half: the Mann-Whitney statistic, divided by the number of pairs.

    better, worse   [replicates, draws], higher = better
    counts          how often each replicate stands in a draw, the same for both, [replicates, draws]

    Returns [draws], 0 to 1.
    """
    total = counts.sum(axis=0)
    won = np.zeros(better.shape[1])
    for row, times in zip(better, counts, strict=True):
        above = (row > worse) + 0.5 * (row == worse)
        won += times * (counts * above).sum(axis=0)
    shares: Values = won / total**2
    return shares
