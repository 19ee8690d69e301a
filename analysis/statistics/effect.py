"""The constraint's effect over all pairs of a table, per metric: in how many it helps, and how much."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.comparison import SIGNIFICANT, Comparison, Pair
from analysis.statistics.intervals import UNDEFINED, Interval, percentile_interval
from analysis.statistics.resampled import Resampled
from search_spaces.config import Metric
from search_spaces.words import count


@dataclass(frozen=True)
class Effect:
    """One metric over the pairs of a table.

    pairs              those that count: complete and resolved
    better             in how many of them the ensemble with the constraint is better
    significant        in how many of these that is no chance, after Holm's correction
    worse_significant  in how many the opposite is none
    mean               mean over pairs of the ensembles' difference, with minus without
    interval           its 95 % interval over test examples, pairs on the same ones drawn together
    unresolved         pairs that do not count for want of positives
    incomplete         pairs that do not count as a cell is incomplete or has pruned candidates
    tested             whether a test was made of these pairs
    """

    metric: Metric
    pairs: int
    better: int
    significant: int
    worse_significant: int
    mean: float
    interval: Interval
    unresolved: int
    incomplete: int
    tested: bool = True

    def words(self) -> str:
        """The effect as one line."""
        left_out = []
        if self.unresolved:
            left_out.append(f"{count(self.unresolved, 'pair')} not resolved")
        if self.incomplete:
            left_out.append(f"{count(self.incomplete, 'pair')} incomplete")
        rest = f" Left out: {', '.join(left_out)}." if left_out else ""
        if not self.pairs:
            return f"{self._name}: no pair to judge by.{rest}"
        way = "lower" if self.metric.better == "lower" else "higher"
        told = (
            f"{self._name}: {way} with the constraint in {self.better} of {count(self.pairs, 'pair')}, "
            f"{self._test_words('higher' if way == 'lower' else 'lower')}"
        )
        return f"{told}; mean difference {self._mean_words()}.{rest}"

    def _test_words(self, opposite: str) -> str:
        if not self.tested:
            return "not tested"
        told = f"significantly in {self.significant}"
        if self.worse_significant:
            told += f", significantly {opposite} in {self.worse_significant}"
        return f"{told} (Holm, level {SIGNIFICANT:g})"

    @property
    def _name(self) -> str:
        return self.metric.words[0].upper() + self.metric.words[1:]

    def _mean_words(self) -> str:
        scale, unit, digits = self.metric.scale, "", 4
        if scale == 100:
            unit, digits = " points", 2
        told = f"{scale * self.mean:+.{digits}f}{unit}"
        if math.isnan(self.interval.low):
            return told
        low, high = (scale * end for end in self.interval)
        return f"{told} (95 % interval over test examples {low:+.{digits}f} to {high:+.{digits}f})"


def effects(pairs: Sequence[Pair], resampled: Mapping[str, Resampled]) -> list[Effect]:
    """The effect in every metric that some pair was compared in, in the order of the tables."""
    by_metric: dict[str, list[tuple[Pair, Comparison]]] = {}
    for pair in pairs:
        for comparison in pair.comparisons:
            by_metric.setdefault(comparison.metric.name, []).append((pair, comparison))
    return [_effect(compared, resampled) for compared in by_metric.values()]


def _effect(compared: Sequence[tuple[Pair, Comparison]], resampled: Mapping[str, Resampled]) -> Effect:
    metric = compared[0][1].metric
    counting: list[Pair] = []
    differences: list[float] = []
    better = significant = worse_significant = unresolved = incomplete = 0
    tested = False
    for pair, comparison in compared:
        if not pair.comparable:
            incomplete += 1
            continue
        if not comparison.resolved:
            unresolved += 1
            continue
        if math.isnan(comparison.difference):
            continue
        gain = metric.gain(comparison.difference)
        counting.append(pair)
        differences.append(comparison.difference)
        better += gain > 0
        tested |= not math.isnan(comparison.p_value)
        significant += gain > 0 and comparison.significant
        worse_significant += gain < 0 and comparison.significant
    return Effect(
        metric=metric,
        pairs=len(counting),
        better=better,
        significant=significant,
        worse_significant=worse_significant,
        mean=float(np.mean(differences)) if differences else math.nan,
        interval=_mean_interval(metric.name, counting, resampled),
        unresolved=unresolved,
        incomplete=incomplete,
        tested=tested,
    )


def _mean_interval(name: str, pairs: Iterable[Pair], resampled: Mapping[str, Resampled]) -> Interval:
    """Of the mean difference over pairs; draws are the same where examples are, and else independent."""
    differences = []
    for pair in pairs:
        drawn = [resampled.get(cell.chosen_id) for cell in (pair.constrained, pair.without)]
        if drawn[0] is None or drawn[1] is None or name not in drawn[0].ensemble:
            return UNDEFINED
        differences.append(drawn[0].ensemble[name] - drawn[1].ensemble[name])
    if not differences:
        return UNDEFINED
    return percentile_interval(np.mean(differences, axis=0))
