"""The constraint's effect across blocks, per loss and over all: whether it helps wherever it is tried.

The unit is the data set: blocks of one data set share its images, and are no independent cases of anything.
From `MIN_DATA_SETS` on these are drawn too, and an interval is of further data sets like these. With fewer
they are held fixed: an interval is of other seeds and test examples of these very data sets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.comparison import Comparison, Pair
from analysis.statistics.draws import seed_draws
from analysis.statistics.intervals import MIN_SEEDS, UNDEFINED, Interval, Values, expanded_interval
from analysis.statistics.pooled import improvements, interquartile_means
from analysis.statistics.resampled import Resampled
from search_spaces.config import Metric
from search_spaces.words import count

# Below so many a bootstrap over data sets draws from too few, as one over seeds does.
MIN_DATA_SETS = MIN_SEEDS
LEAST_BLOCKS = 2  # of what is across them
ALL_LOSSES = "all rows"
# What the draws of an interval draw.
ALL, FIXED, WHOLE = "data sets, seeds and examples", "seeds and examples", "data sets"

Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float = math.nan
    interval: Interval = UNDEFINED


@dataclass(frozen=True)
class Across:
    """One metric of one loss over all blocks that have it with and without the constraint.

    row           the row without the constraint; `ALL_LOSSES` of all of them
    data_sets     those of the pairs that count: complete, resolved, with seeds in common
    blocks        their blocks
    pairs         how many pairs of cells these are: one per block, of all losses several
    seeds         the fewest and the most seeds that a pair has in common
    difference    interquartile mean of the differences of all replicates, with the constraint minus without
    improvement   probability that a replicate with the constraint is better than one without it, in [0, 1]:
                  a mean over pairs
    drawn         what the intervals draw; "" where there are none
    unresolved    pairs that do not count for want of positives
    incomplete    pairs that do not count as a cell is incomplete or has pruned candidates
    undefined     pairs that do not count as they have no seed in common, or a replicate without a value
    reason        why something is undefined
    """

    row: str
    metric: Metric
    data_sets: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    pairs: int = 0
    seeds: tuple[int, int] = (0, 0)
    difference: Estimate = Estimate()
    improvement: Estimate = Estimate()
    drawn: str = ""
    unresolved: int = 0
    incomplete: int = 0
    undefined: int = 0
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Sample:
    """A pair that counts: gains of its common seeds, [seeds], and the same over draws, [seeds, draws]."""

    data_set: str
    block: str
    constrained: Values
    without: Values
    drawn: tuple[Numbers, Numbers] | None

    @property
    def seeds(self) -> int:
        """How many both have."""
        return len(self.without)


def across_blocks(
    pairs: Sequence[Pair], resampled: Mapping[str, Resampled], draws: int
) -> tuple[Across, ...]:
    """Per loss, and then over all losses, every metric that is of no single class; nothing of one block.

    resampled   of the chosen trials, by their ids
    draws       those of `resampled`; 0 for no intervals
    """
    if len({pair.without.block for pair in pairs}) < LEAST_BLOCKS:
        return ()
    rows: dict[str, list[Pair]] = {}
    for pair in pairs:
        rows.setdefault(pair.without.row, []).append(pair)
    if len(rows) > 1:
        rows[ALL_LOSSES] = list(pairs)
    found = []
    for row, its in rows.items():
        metrics: dict[str, Metric] = {}
        for pair in its:
            for comparison in pair.comparisons:
                metrics.setdefault(comparison.metric.name, comparison.metric)
        for metric in metrics.values():
            if not metric.is_of_one_class:
                found.append(_across(row, metric, its, resampled, draws))
    return tuple(found)


def _across(
    row: str, metric: Metric, pairs: Iterable[Pair], resampled: Mapping[str, Resampled], draws: int
) -> Across:
    samples = []
    unresolved = incomplete = undefined = 0
    for pair in pairs:
        compared = [one for one in pair.comparisons if one.metric.name == metric.name]
        if not compared:
            continue
        if not pair.comparable:
            incomplete += 1
        elif not compared[0].resolved:
            unresolved += 1
        elif not compared[0].per_seed:
            undefined += 1
        else:
            samples.append(_sample(pair, compared[0], resampled))
    blocks = tuple(dict.fromkeys(sample.block for sample in samples))
    data_sets = tuple(dict.fromkeys(sample.data_set for sample in samples))
    reason, drawn = "", ""
    difference, improvement = Estimate(), Estimate()
    if len(blocks) < LEAST_BLOCKS:
        reason = f"{count(len(blocks), 'block')} with a complete, resolved pair, nothing to sum up"
    else:
        drawn, reason = _what_is_drawn(samples, len(data_sets), draws)
        difference, improvement = _estimates(samples, metric, data_sets, drawn, draws)
    seeds = [sample.seeds for sample in samples] or [0]
    return Across(
        row=row,
        metric=metric,
        data_sets=data_sets,
        blocks=blocks,
        pairs=len(samples),
        seeds=(min(seeds), max(seeds)),
        difference=difference,
        improvement=improvement,
        drawn=drawn,
        unresolved=unresolved,
        incomplete=incomplete,
        undefined=undefined,
        reason=reason,
    )


def _sample(pair: Pair, compared: Comparison, resampled: Mapping[str, Resampled]) -> _Sample:
    name = compared.metric.name
    sign = compared.metric.gain(1.0)
    values, drawn = [], []
    for cell in (pair.constrained, pair.without):
        if cell.test is None:
            raise ValueError(f"expected the test results of both cells, found none of {cell.row}")
        places = list(map(cell.test.seeds.index, compared.seeds))
        values.append(sign * cell.test.replicates[name][places])
        of_trial = resampled.get(cell.chosen_id)
        if of_trial is not None and name in of_trial.replicates and len(places) >= MIN_SEEDS:
            drawn.append(sign * of_trial.replicates[name][places])
    return _Sample(
        data_set=pair.without.data.source.data_set,
        block=pair.without.block,
        constrained=values[0],
        without=values[1],
        drawn=(drawn[0], drawn[1]) if len(drawn) == len(values) else None,
    )


def _what_is_drawn(samples: Sequence[_Sample], data_sets: int, draws: int) -> tuple[str, str]:
    """What the intervals draw, and why there are none."""
    if not draws:
        return "", ""
    have_draws = all(sample.drawn is not None for sample in samples)
    if data_sets >= MIN_DATA_SETS:
        return (ALL if have_draws else WHOLE), ""
    if have_draws:
        return FIXED, ""
    fewest = count(min(sample.seeds for sample in samples), "common seed")
    return "", f"{fewest}, too few for an interval (at least {MIN_SEEDS})"


def _estimates(
    samples: Sequence[_Sample], metric: Metric, data_sets: Sequence[str], drawn: str, draws: int
) -> tuple[Estimate, Estimate]:
    """Interquartile mean of differences, in the metric's own sign, and probability of improvement.

    Draws of the probability are shifted so that their mean is the value: drawn examples add noise to that of
    the examples at hand, which takes every probability towards one half.
    """
    sign = metric.gain(1.0)
    once = {data_set: np.ones(1, np.int64) for data_set in data_sets}
    observed = _summed(samples, once, sign, drawn="")
    if not drawn:
        return Estimate(float(observed[0][0])), Estimate(float(observed[1][0]))
    if drawn == FIXED:
        units = min(sample.seeds for sample in samples)
        freedom = _freedom(samples)
        times = {data_set: np.ones(draws, np.int64) for data_set in data_sets}
    else:
        units = len(data_sets)
        freedom = units - 1
        times = dict(zip(data_sets, _times(units, draws, "data sets"), strict=True))
    differences, shares = _summed(samples, times, sign, drawn=drawn)
    difference, share = float(observed[0][0]), float(observed[1][0])
    shares = np.clip(shares + (share - np.mean(shares)), 0, 1)
    return (
        Estimate(difference, expanded_interval(differences, units, freedom=freedom)),
        Estimate(share, expanded_interval(shares, units, freedom=freedom)),
    )


def _freedom(samples: Sequence[_Sample]) -> int:
    """Degrees of freedom of the deviation over seeds: the seeds of each data set, less one."""
    fewest: dict[str, int] = {}
    for sample in samples:
        fewest[sample.data_set] = min(sample.seeds, fewest.get(sample.data_set, sample.seeds))
    return sum(seeds - 1 for seeds in fewest.values())


def _summed(
    samples: Sequence[_Sample], times: Mapping[str, NDArray[np.int64]], sign: float, *, drawn: str
) -> tuple[Values, Values]:
    """Both numbers in each draw; `times` says how often each data set stands in it, [draws]."""
    differences, counts = [], []
    draws = len(next(iter(times.values())))
    won, pairs = np.zeros(draws), np.zeros(draws)
    for sample in samples:
        of_data_set = times[sample.data_set]
        shape = (sample.seeds, draws)
        constrained: Numbers = np.broadcast_to(sample.constrained[:, None], shape)
        without: Numbers = np.broadcast_to(sample.without[:, None], shape)
        of_seeds = np.ones(shape, np.int64)
        if drawn in (ALL, FIXED) and sample.drawn is not None:
            constrained, without = sample.drawn
            of_seeds = _times(sample.seeds, draws, f"across/{sample.data_set}")
        differences.append(sign * (constrained - without))
        counts.append(of_data_set * of_seeds)
        won += of_data_set * improvements(constrained, without, of_seeds)
        pairs += of_data_set
    return interquartile_means(np.concatenate(differences), np.concatenate(counts)), won / pairs


@lru_cache(maxsize=64)
def _times(units: int, draws: int, key: str) -> NDArray[np.int64]:
    """How often each unit stands in a draw, [units, draws], not to be changed; the same for the same key."""
    times = np.rint(units * seed_draws(units, draws, key)).astype(np.int64)
    times.flags.writeable = False
    return times
