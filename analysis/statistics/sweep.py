"""All statistics of a sweep's table, made once and handed on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.cells import Cell
from analysis.records import TestRecord
from analysis.statistics.across import Across, across_blocks
from analysis.statistics.comparison import Pair, constraint_pairs
from analysis.statistics.draws import DRAWS
from analysis.statistics.effect import Effect, effects
from analysis.statistics.intervals import Interval
from analysis.statistics.optimism import DRAWS as OF_CHOICE
from analysis.statistics.optimism import Choice, choice_of
from analysis.statistics.ranks import Ranks, rank_rows
from analysis.statistics.resampled import Resampled, joined, resampling
from analysis.statistics.ties import tied_with_best
from search_spaces.config import Metric, Targets


@dataclass(frozen=True)
class SweepStatistics:
    """What the numbers of a sweep's table are worth.

    draws       of the bootstrap; 0 where none was made
    intervals   of the ensembles' metrics over test examples, by the chosen trials' ids and the metrics' names
    means       of the mean over replicates, over seeds and test examples, likewise
    tied        which chosen trials are the best of their block or tied with it, by block and metric
    pairs       with against without the constraint
    effects     the same over all pairs, per metric
    across      the same per row and metric over blocks, the data set being the unit
    ranks       the rows' mean ranks over data sets, per metric
    choices     how each cell's trial was chosen, by the chosen trials' ids
    """

    draws: int = 0
    intervals: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    means: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    tied: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    effects: tuple[Effect, ...] = ()
    across: tuple[Across, ...] = ()
    ranks: tuple[Ranks, ...] = ()
    choices: Mapping[str, Choice] = field(default_factory=dict)

    def interval(self, trial_id: str, metric: str) -> Interval | None:
        """That of the ensemble's metric; None where there is none."""
        return self.intervals.get(trial_id, {}).get(metric)

    def is_best(self, block: str, metric: str, trial_id: str) -> bool:
        """Whether a trial is the best of its block in a metric, or tied with it."""
        return trial_id in self.tied.get((block, metric), ())


def sweep_statistics(
    cells: Sequence[Cell],
    metrics: Mapping[str, Sequence[Metric]],
    shown: Mapping[str, Sequence[Metric]],
    rates: Targets,
    *,
    draws: int = DRAWS,
    drawn: Iterable[Mapping[str, Resampled]] | None = None,
) -> SweepStatistics:
    """Statistics of the chosen trials of all cells.

    metrics   the headline metrics of a table, by the block's label
    shown     all metrics that it prints, likewise: those in which rows may be tied
    rates     those at which the cells' metrics are known
    draws     of the bootstrap: 10,000 for the outermost quantiles; 0 for no intervals, and no tests but
              DeLong's
    drawn     what `resampling` gives of them, where it was begun before

    Raises StoreError for trials of a block that were tested on different targets.
    """
    choices = {}
    for cell in cells:
        choice = choice_of(cell, rates, min(draws, OF_CHOICE))
        if choice is not None:
            choices[cell.chosen_id] = choice
    if drawn is None:
        drawn = resampling(tests_of(cells), draws)
    resampled = joined(drawn)
    intervals, means = {}, {}
    for trial_id, of_trial in resampled.items():
        intervals[trial_id] = of_trial.intervals()
        means[trial_id] = of_trial.mean_intervals()
    pairs = constraint_pairs(cells, metrics, resampled)
    return SweepStatistics(
        draws=draws,
        intervals=intervals,
        means=means,
        tied=_ties(cells, shown, resampled),
        pairs=tuple(pairs),
        effects=tuple(effects(pairs, resampled)),
        across=across_blocks(pairs, resampled, draws),
        ranks=rank_rows(cells, metrics),
        choices=choices,
    )


def tests_of(cells: Iterable[Cell]) -> list[TestRecord]:
    """Test records of the cells that have one."""
    return [cell.test for cell in cells if cell.test is not None]


def _ties(
    cells: Sequence[Cell], shown: Mapping[str, Sequence[Metric]], resampled: Mapping[str, Resampled]
) -> dict[tuple[str, str], frozenset[str]]:
    """See `SweepStatistics.tied`; among cells that may be set bold.

    Where examples were drawn, a metric without draws has no best one: nothing says what others are tied with
    it.
    """
    found = {}
    for block in dict.fromkeys(cell.block for cell in cells):
        for metric in shown[block]:
            gains, drawn = {}, {}
            for cell in cells:
                if cell.block != block or not cell.comparable or cell.test is None:
                    continue
                value = cell.test.every_metric.get(metric.name, math.nan)
                if metric.name in cell.test.unresolved or value != value or metric.is_trivial(value):
                    continue
                gains[cell.chosen_id] = metric.gain(value)
                if cell.chosen_id in resampled and metric.name in resampled[cell.chosen_id].ensemble:
                    drawn[cell.chosen_id] = metric.gain(1.0) * resampled[cell.chosen_id].ensemble[metric.name]
            if drawn or not resampled:
                found[block, metric.name] = tied_with_best(gains, drawn)
    return found
