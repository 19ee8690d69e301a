"""Mean ranks of rows over data sets, and what of their differences is no chance.

Ranks as in Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: 1 is best,
equal values share the mean of their ranks. The unit is the data set; of one with several blocks the mean of
its blocks' ranks counts once, which deviates less than a rank and so makes the tests conservative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f, rankdata, studentized_range

from analysis.cells import Cell
from analysis.statistics.across import LEAST_BLOCKS
from analysis.statistics.intervals import Values
from search_spaces.config import Metric

LEAST_TESTED = (
    10  # data sets; with fewer Friedman's statistic does not follow its distribution (section 3.2.1)
)
LEVEL = 0.05


@dataclass(frozen=True)
class RankedRow:
    """A row in one metric.

    mean      its mean rank over data sets; NaN of a row that is not ranked
    ranks     its rank in each block, by the block's label
    lacking   of a row that is not ranked: the blocks in which it has no value that counts
    """

    row: str
    mean: float
    ranks: Mapping[str, float]
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranks:
    """The rows of all blocks in one metric of the ensembles on test.

    rows          in the tables' order
    blocks        those in which they are ranked
    data_sets     whose blocks these are
    unresolved    blocks left out for want of positives
    without       blocks left out as no row has a complete result
    difference    by which two mean ranks would have to differ at the level 0.05 (`critical_difference`)
    friedman      F and p of Friedman's test as Iman and Davenport correct it; NaN where nothing is tested
    together      where it is tested: rows, best first, of which no two differ by so much; the longest ones
    """

    metric: Metric
    rows: tuple[RankedRow, ...]
    blocks: tuple[str, ...]
    data_sets: tuple[str, ...]
    unresolved: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    difference: float = math.nan
    friedman: tuple[float, float] = (math.nan, math.nan)
    together: tuple[tuple[str, ...], ...] = ()

    @property
    def ranked(self) -> tuple[RankedRow, ...]:
        """The rows that have a mean rank, best first."""
        those = [row for row in self.rows if not math.isnan(row.mean)]
        return tuple(sorted(those, key=lambda row: row.mean))

    @property
    def tested(self) -> bool:
        """Whether there are data sets enough for a test, and rows to compare."""
        return len(self.data_sets) >= LEAST_TESTED and len(self.ranked) > 1


def rank_rows(cells: Sequence[Cell], metrics: Mapping[str, Sequence[Metric]]) -> tuple[Ranks, ...]:
    """The rows in every headline metric that several blocks have and that is of no single class.

    metrics   the headline metrics, by the block's label

    Nothing where there is one block. Rows are ranked that have a complete and resolved value in every block
    in which some row has one.
    """
    found: dict[str, Metric] = {}
    for of_block in metrics.values():
        for metric in of_block:
            if not metric.is_of_one_class:
                found.setdefault(metric.name, metric)
    ranks = []
    for metric in found.values():
        those = [cell for cell in cells if metric.name in {one.name for one in metrics[cell.block]}]
        if len({cell.block for cell in those}) >= LEAST_BLOCKS:
            ranks.append(_ranks(metric, those))
    return tuple(ranks)


def _ranks(metric: Metric, cells: Sequence[Cell]) -> Ranks:
    gains: dict[str, dict[str, float]] = {}
    data_sets: dict[str, str] = {}
    unresolved = set()
    for cell in cells:
        of_block = gains.setdefault(cell.block, {})
        data_sets[cell.block] = cell.data.source.data_set
        if cell.test is None or not cell.comparable:
            continue
        if metric.name in cell.test.unresolved:
            unresolved.add(cell.block)
        elif not math.isnan(cell.test.metrics[metric.name]):
            of_block[cell.row] = metric.gain(cell.test.metrics[metric.name])
    blocks = [block for block, of_block in gains.items() if of_block]
    empty = [block for block, of_block in gains.items() if not of_block]
    rows = list(dict.fromkeys(cell.row for cell in cells))
    names = [row for row in rows if all(row in gains[block] for block in blocks)]
    if len(blocks) < LEAST_BLOCKS or len(names) < 2:
        names = []
    ranked = _ranked(names, blocks, gains, data_sets)
    told = []
    for row in rows:
        lacking = tuple(block for block in blocks if row not in gains[block])
        told.append(ranked.get(row, RankedRow(row, math.nan, {}, lacking)))
    of_blocks = dict.fromkeys(data_sets[block] for block in blocks)
    without = [block for block in empty if block not in unresolved]
    ranks = Ranks(
        metric=metric,
        rows=tuple(told),
        blocks=tuple(blocks),
        data_sets=tuple(of_blocks),
        unresolved=tuple(block for block in empty if block in unresolved),
        without=tuple(without),
    )
    return _tested(ranks)


def _ranked(
    names: Sequence[str],
    blocks: Sequence[str],
    gains: Mapping[str, Mapping[str, float]],
    data_sets: Mapping[str, str],
) -> dict[str, RankedRow]:
    """The rows of these names in these blocks, by name."""
    if not names:
        return {}
    table = np.array([[gains[block][row] for row in names] for block in blocks])
    of_blocks = rank_blocks(table)
    means = mean_ranks(of_blocks, [data_sets[block] for block in blocks])
    found = {}
    for place, row in enumerate(names):
        its = dict(zip(blocks, of_blocks[:, place].tolist(), strict=True))
        found[row] = RankedRow(row, float(means[place]), its)
    return found


def _tested(ranks: Ranks) -> Ranks:
    """The same with what can be said of differences."""
    ranked = ranks.ranked
    rows, data_sets = len(ranked), len(ranks.data_sets)
    if rows < 2:
        return ranks
    difference = critical_difference(rows, data_sets)
    friedman, together = (math.nan, math.nan), tuple[tuple[str, ...], ...]()
    if ranks.tested:
        means = np.array([row.mean for row in ranked])
        friedman = friedman_test(means, data_sets)
        groups = not_apart(means, difference)
        together = tuple(tuple(row.row for row in ranked[start:stop]) for start, stop in groups)
    return replace(ranks, difference=difference, friedman=friedman, together=together)


def rank_blocks(gains: NDArray[np.float64]) -> Values:
    """The rank of each row in its block, of gains [blocks, rows], higher = better."""
    ranks: Values = rankdata(-gains, axis=1)
    return ranks


def mean_ranks(ranks: Values, data_sets: Sequence[str]) -> Values:
    """[rows]: means over data sets of the mean ranks of their blocks; `ranks` [blocks, rows]."""
    means = []
    for data_set in dict.fromkeys(data_sets):
        of_one = [block for block, its in enumerate(data_sets) if its == data_set]
        means.append(ranks[of_one].mean(axis=0))
    found: Values = np.mean(means, axis=0)
    return found


def critical_difference(rows: int, data_sets: int) -> float:
    """By which the mean ranks of two rows differ significantly (Nemenyi's test, level 0.05).

    q sqrt(k (k + 1) / (6 N)) of k rows and N data sets; q is the quantile of the studentized range of k means
    and infinite degrees of freedom, divided by sqrt(2) (Demsar, section 3.2.2).

    >>> round(critical_difference(4, 14), 2), round(critical_difference(17, 4), 1)
    (1.25, 12.3)
    """
    quantile = float(studentized_range.ppf(1 - LEVEL, rows, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(rows * (rows + 1) / (6 * data_sets))


def friedman_test(means: Values, data_sets: int) -> tuple[float, float]:
    """F and p of no row being better than another, from mean ranks [rows].

    Friedman's statistic 12 N / (k (k + 1)) (sum of R^2 - k (k + 1)^2 / 4), and from it
    F = (N - 1) chi^2 / (N (k - 1) - chi^2) with k - 1 and (k - 1) (N - 1) degrees of freedom (Iman and
    Davenport, Communications in Statistics 9, 1980; Demsar, section 3.2.1). Where all data sets rank alike F
    is infinite and p is 0. It takes no account of ties, which makes it conservative.
    """
    rows = len(means)
    spread = float(np.sum(means**2)) - rows * (rows + 1) ** 2 / 4
    chi_squared = 12 * data_sets / (rows * (rows + 1)) * spread
    rest = data_sets * (rows - 1) - chi_squared
    if rest <= 1e-9 * data_sets * rows:
        return math.inf, 0.0
    statistic = max(0.0, (data_sets - 1) * chi_squared / rest)
    return statistic, float(f.sf(statistic, rows - 1, (rows - 1) * (data_sets - 1)))


def not_apart(means: Values, difference: float) -> list[tuple[int, int]]:
    """Longest runs of mean ranks [rows], ascending, that span less than a difference: first, behind last.

    >>> not_apart(np.array([1.0, 1.5, 2.4, 4.0]), 1.0)
    [(0, 2), (1, 3)]
    """
    runs: list[tuple[int, int]] = []
    for start, first in enumerate(means):
        stop = int(np.searchsorted(means, first + difference, side="left"))
        if stop - start > 1 and (not runs or stop > runs[-1][1]):
            runs.append((start, stop))
    return runs
