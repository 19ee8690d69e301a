"""With against without the constraint, on the same test examples: what it changes, and is it chance.

Two questions, never mixed. *These networks*: the two ensembles as the fixed classifiers that they are, over
other test examples of the same kind; DeLong's test for an AUROC, a paired bootstrap for all else. *The
method*: the mean over seeds that both have, over other seeds and other test examples.

How often the tests call a difference significant that is none: docs/benchmarks-intervals.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.cells import Cell
from analysis.records import TestRecord
from analysis.statistics.delong import Difference, delong
from analysis.statistics.intervals import (
    MIN_SEEDS,
    UNDEFINED,
    Interval,
    Values,
    percentile_interval,
)
from analysis.statistics.resampled import Resampled, mean_interval
from search_spaces.config import Metric
from search_spaces.config.metrics import auroc
from search_spaces.errors import StoreError
from search_spaces.words import count
from trainer.tasks.base import Column

SIGNIFICANT = 0.05
DELONG, BOOTSTRAP = "DeLong", "paired bootstrap"


@dataclass(frozen=True)
class Comparison:
    """One metric of the test set, with the constraint minus without.

    resolved         whether there are positives enough to read it (`TestRecord.unresolved`)
    difference       of the ensembles
    interval         its 95 % interval, over test examples
    p_value          two-sided
    p_holm           the same, corrected by Holm's method for all pairs of the table in this metric; NaN of a
                     pair that is not resolved or not complete, which takes no part
    test             what p is of: `DELONG` or `BOOTSTRAP`; "" where there is none
    seeds            those that both trials have
    per_seed         their differences, in the order of `seeds`
    mean_interval    95 % interval of the mean over seeds, over seeds and test examples
    reason           why a value is undefined
    """

    metric: Metric
    resolved: bool
    difference: float = math.nan
    interval: Interval = UNDEFINED
    p_value: float = math.nan
    p_holm: float = math.nan
    test: str = ""
    seeds: tuple[int, ...] = ()
    per_seed: tuple[float, ...] = ()
    mean_interval: Interval = UNDEFINED
    reason: str = ""

    @property
    def mean_difference(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.per_seed)) if self.per_seed else math.nan

    @property
    def seeds_better(self) -> int:
        """In how many seeds the constraint is better."""
        return sum(self.metric.gain(difference) > 0 for difference in self.per_seed)

    @property
    def significant(self) -> bool:
        """Whether the ensembles' difference is no chance at the level `SIGNIFICANT`, after correction."""
        return self.p_holm <= SIGNIFICANT


@dataclass(frozen=True)
class Pair:
    """Two cells that differ in the constraint alone, compared in each metric."""

    without: Cell
    constrained: Cell
    comparisons: tuple[Comparison, ...]

    @property
    def comparable(self) -> bool:
        """Whether both cells are complete, without pruned candidates."""
        return self.without.comparable and self.constrained.comparable


def constraint_pairs(
    cells: Sequence[Cell], metrics: Mapping[str, Sequence[Metric]], resampled: Mapping[str, Resampled]
) -> list[Pair]:
    """Every pair of rows that has results of both, compared and corrected.

    metrics     those to compare, by the block's label
    resampled   of the chosen trials, by their ids; without one there is no interval and no test but DeLong's

    Raises StoreError for two that were tested on different targets.
    """
    without = {}
    for cell in cells:
        if not cell.constrained and cell.test is not None:
            without[cell.block, cell.pair] = cell
    pairs = []
    for cell in cells:
        other = without.get((cell.block, cell.pair))
        if cell.constrained and cell.test is not None and other is not None and other.test is not None:
            compared = compare(other.test, cell.test, metrics[cell.block], resampled)
            pairs.append(Pair(other, cell, compared))
    return _corrected(pairs)


def compare(
    without: TestRecord,
    constrained: TestRecord,
    metrics: Sequence[Metric],
    resampled: Mapping[str, Resampled],
) -> tuple[Comparison, ...]:
    """Two trials of a block in these metrics; see `constraint_pairs`, but for Holm's correction."""
    if not np.array_equal(without.targets, constrained.targets):
        raise StoreError(
            f"trials {without.trial_id} and {constrained.trial_id}: expected the same test targets, "
            "found others"
        )
    seeds = tuple(sorted(set(without.seeds) & set(constrained.seeds)))
    found = []
    for metric in metrics:
        resolved = metric.name not in without.unresolved | constrained.unresolved
        comparison = Comparison(metric, resolved, seeds=seeds)
        comparison = _of_ensembles(comparison, without, constrained, resampled)
        found.append(_of_seeds(comparison, without, constrained, resampled))
    return tuple(found)


def _of_ensembles(
    comparison: Comparison,
    without: TestRecord,
    constrained: TestRecord,
    resampled: Mapping[str, Resampled],
) -> Comparison:
    name = comparison.metric.name
    difference = constrained.metrics[name] - without.metrics[name]
    if math.isnan(difference):
        return replace(comparison, reason=f"the test {comparison.metric.words} of an ensemble is undefined")
    if not comparison.resolved:
        return replace(comparison, difference=difference)
    found = Difference(difference, UNDEFINED, math.nan)
    test = ""
    first, second = _column(name, without), _column(name, constrained)
    draws = _drawn_difference(name, without, constrained, resampled)
    if first is not None and second is not None and without.groups is None:
        test = DELONG
        found = delong(first.positive, first.negative, first.scores[0], second.scores[0])
    elif draws is not None:
        test, found = BOOTSTRAP, Difference(difference, percentile_interval(draws), bootstrap_p(draws))
    return replace(
        comparison, difference=difference, interval=found.interval, p_value=found.p_value, test=test
    )


def _column(name: str, test: TestRecord) -> Column | None:
    """The column whose AUROC a metric is; None of another metric."""
    for column in test.columns.values():
        if name in (auroc().name, auroc(of=column.name).name):
            return column
    return None


def _drawn_difference(
    name: str, without: TestRecord, constrained: TestRecord, resampled: Mapping[str, Resampled]
) -> Values | None:
    """The ensembles' difference over draws of test examples; None without such."""
    values = []
    for test in (constrained, without):
        drawn = resampled.get(test.trial_id)
        if drawn is None or name not in drawn.ensemble:
            return None
        values.append(drawn.ensemble[name])
    return values[0] - values[1]


def bootstrap_p(draws: Values) -> float:
    """The two-sided p of a difference being 0: the level at which its percentile interval just reaches 0.

    A draw of exactly 0 counts on both sides. The least value that B draws allow is 2 / (B + 1).

    >>> bootstrap_p(np.array([1.0, 2.0, 3.0]))
    0.5
    """
    below = 1 + int(np.count_nonzero(draws <= 0))
    above = 1 + int(np.count_nonzero(draws >= 0))
    return min(1.0, 2 * min(below, above) / (len(draws) + 1))


def _of_seeds(
    comparison: Comparison,
    without: TestRecord,
    constrained: TestRecord,
    resampled: Mapping[str, Resampled],
) -> Comparison:
    name, seeds = comparison.metric.name, comparison.seeds
    if not seeds:
        return _because(comparison, "no seed in common")
    first = list(map(without.seeds.index, seeds))
    second = list(map(constrained.seeds.index, seeds))
    differences = constrained.replicates[name][second] - without.replicates[name][first]
    if not np.isfinite(differences).all():
        return _because(comparison, f"the test {comparison.metric.words} of a replicate is undefined")
    comparison = replace(comparison, per_seed=tuple(differences.tolist()))
    if len(seeds) < MIN_SEEDS:
        words = count(len(seeds), "common seed")
        return _because(comparison, f"{words}, too few for an interval of their mean (at least {MIN_SEEDS})")
    if not comparison.resolved:
        return comparison
    drawn = [resampled.get(test.trial_id) for test in (constrained, without)]
    if drawn[0] is None or drawn[1] is None or name not in drawn[0].replicates:
        return comparison
    values = drawn[0].replicates[name][second] - drawn[1].replicates[name][first]
    return replace(comparison, mean_interval=mean_interval(values))


def _because(comparison: Comparison, reason: str) -> Comparison:
    reasons = [comparison.reason, reason]
    return replace(comparison, reason="; ".join(filter(None, reasons)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, Scandinavian Journal of Statistics 6, 1979), in their order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [math.nan] * len(p_values)
    reached = 0.0
    for place, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        reached = max(reached, (len(p_values) - place) * p_values[position])
        corrected[position] = min(1.0, reached)
    return corrected


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with `p_holm`: per metric over all of them that are resolved and complete."""
    families: dict[str, list[tuple[int, int]]] = {}
    for number, pair in enumerate(pairs):
        for place, comparison in enumerate(pair.comparisons):
            if pair.comparable and comparison.resolved and not math.isnan(comparison.p_value):
                families.setdefault(comparison.metric.name, []).append((number, place))
    compared = [list(pair.comparisons) for pair in pairs]
    for family in families.values():
        p_values = [compared[number][place].p_value for number, place in family]
        for (number, place), p_holm in zip(family, holm(p_values), strict=True):
            compared[number][place] = replace(compared[number][place], p_holm=p_holm)
    return [replace(pair, comparisons=tuple(its)) for pair, its in zip(pairs, compared, strict=True)]
