"""ROC curves of ensembles with bands: at each true positive rate the interval of the false positive rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analysis.crew import ALONE, Crew, shares
from analysis.records import TestRecord
from analysis.statistics.draws import example_draws
from analysis.statistics.intervals import Values, percentile_interval
from analysis.statistics.resampled import examples_key
from trainer.metrics.resampled import Counts, false_positive_rates
from trainer.metrics.resolution import positives_to_resolve
from trainer.tasks.base import Column

# True positive rates at which a band is made, beside those of the tables.
GRID = np.arange(1, 50) / 50
# Of a task of more columns than these no band is made: they would cover one another.
MOST_COLUMNS = 4


@dataclass(frozen=True, eq=False)
class Band:
    """Of one column: at true positive rates [rates] the FPR, and its 95 % interval over test examples.

    At a rate that the tables tell, the interval is theirs. No band goes beyond what the test positives
    resolve (`trainer.metrics.resolution`). All numbers are 0 to 1.
    """

    tpr: Values
    fpr: Values
    low: Values
    high: Values


def roc_bands(tests: Iterable[TestRecord], draws: int, crew: Crew = ALONE) -> dict[str, dict[str, Band]]:
    """Bands of the ensembles, pointwise, from the draws of the tables' intervals.

    By the trials' ids and the names of the columns. None of a trial whose metrics are undefined or that has
    more than `MOST_COLUMNS`; with 0 draws none at all. The work is shared with a crew.
    """
    by_examples: dict[str, list[TestRecord]] = {}
    for test in tests:
        if test.undefined is None and draws and len(test.columns) <= MOST_COLUMNS:
            key = examples_key(test.config.data, test.targets, test.groups)
            by_examples.setdefault(key, []).append(test)
    calls = []
    for key, alike in by_examples.items():
        for share in shares(alike, crew.size):
            calls.append(partial(_of_examples, [test.for_the_crew() for test in share], draws, key))
    found: dict[str, dict[str, Band]] = {}
    for of_share in crew.map(calls):
        found |= of_share
    return found


def _of_examples(tests: Sequence[TestRecord], draws: int, key: str) -> dict[str, dict[str, Band]]:
    """See `roc_bands`; all of them were tested on the same examples."""
    first = tests[0]
    parts: dict[tuple[str, str], list[NDArray[np.float32]]] = {}
    for counts in example_draws(first.arrays.strata(first.targets), first.groups, draws=draws, key=key):
        for test in tests:
            for name, column in test.columns.items():
                of_part = _rates(column, counts, _grid(test, column)).astype(np.float32)
                parts.setdefault((test.trial_id, name), []).append(of_part)
    found: dict[str, dict[str, Band]] = {test.trial_id: {} for test in tests}
    for test in tests:
        for name, column in test.columns.items():
            grid = _grid(test, column)
            drawn = np.concatenate(parts.pop((test.trial_id, name)), axis=1)
            ends = np.array([percentile_interval(of_rate.astype(np.float64)) for of_rate in drawn])
            once = np.ones((len(test.targets), 1), np.int16)
            low, high = ends.reshape(-1, 2).T
            found[test.trial_id][name] = Band(grid, _rates(column, once, grid)[:, 0], low, high)
    return found


def _rates(column: Column, counts: Counts, grid: Values) -> Values:
    return false_positive_rates(column.scores[0], column.positive, column.negative, counts, grid)


def _grid(test: TestRecord, column: Column) -> Values:
    """The rates of a band: those that the column's positives resolve."""
    positives = int(column.positive.sum())
    rates = sorted({*GRID.tolist(), *test.rates.tpr})
    return np.array([rate for rate in rates if positives_to_resolve(rate) <= positives])
