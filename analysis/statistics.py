"""With against without the constraint: a paired comparison of each replicate's steering metric on test.

Pairs are formed by seed: a seed draws the same training subset for both. The test examples are the same for
all replicates, so they too are resampled together. No correction for the number of comparisons is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from analysis.bootstrap import LEVEL, RESAMPLES, example_counts
from analysis.cells import Cell
from analysis.records import TestRecord
from search_spaces.config.metrics import Metric, auroc
from search_spaces.errors import StoreError
from trainer.tasks.base import Column, task_arrays

# With fewer pairs the exact two-sided p-value cannot fall below 0.05, and the bootstrap draws from too few
# seeds to reach the level that the interval names.
MIN_PAIRS = 6
_CHUNK = 2_000_000  # weights held at once

_Values = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """A row with the constraint against the same without, on replicates with the same seed.

    mean_difference   mean over seeds of (with - without), in the metric that steers
    low, high         percentile bootstrap interval of it, over seeds and examples: what other seeds and other
                      test examples of the same kind might give
    p_value           Wilcoxon's signed-rank test of the per-seed differences, two-sided: what other seeds
                      might give on these very examples
    reason            why a value is NaN; empty when none is, and where the metric, being no AUROC, has no
                      interval
    """

    pairs: int
    mean_difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    reason: str = ""


def paired_comparison(
    without: TestRecord, with_constraint: TestRecord, *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare two trials of a block over the seeds that both have.

    The interval is a bootstrap over seeds and, within each stratum, over test examples: `resamples` draws
    from a generator seeded with `seed`. Raises StoreError when the two were tested on different targets.
    """
    if not np.array_equal(without.targets, with_constraint.targets):
        raise StoreError(
            f"trials {without.trial_id} and {with_constraint.trial_id}: expected the same test targets, "
            "found others"
        )
    metric = without.config.data.steering_metric
    seeds = sorted(set(without.seeds) & set(with_constraint.seeds))
    first = list(map(without.seeds.index, seeds))
    second = list(map(with_constraint.seeds.index, seeds))
    differences = with_constraint.steering[second] - without.steering[first]
    pairs = len(seeds)
    if not seeds:
        return Comparison(pairs, reason="no seed in common")
    if not np.isfinite(differences).all():
        return Comparison(pairs, reason=f"the test {metric.words} of a replicate is undefined")
    mean = float(differences.mean())
    if pairs < MIN_PAIRS:
        few = f"{pairs} pairs are too few for an interval or a test (at least {MIN_PAIRS})"
        return Comparison(pairs, mean, reason=few)
    low = high = math.nan
    if _is_of_columns(metric):
        arrays = task_arrays(without.config.data, without.rates)
        plain = arrays.columns(without.targets, without.outputs[first])
        constrained = arrays.columns(without.targets, with_constraint.outputs[second])
        strata = arrays.strata(without.targets)
        draws = _bootstrap(plain, constrained, strata, resamples, np.random.default_rng(seed))
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    if not differences.any():
        return Comparison(pairs, mean, low, high, reason="no test: all differences are zero")
    return Comparison(pairs, mean, low, high, float(wilcoxon(differences).pvalue))


def constraint_comparisons(cells: Sequence[Cell]) -> list[tuple[Cell, Cell, Comparison]]:
    """(cell without, cell with the constraint, comparison) per pair of rows that has results of both."""
    without = {}
    for cell in cells:
        if not cell.constrained and cell.test is not None:
            without[cell.block, cell.pair] = cell
    found = []
    for cell in cells:
        other = without.get((cell.block, cell.pair))
        if cell.constrained and cell.test is not None and other is not None and other.test is not None:
            found.append((other, cell, paired_comparison(other.test, cell.test)))
    return found


def _is_of_columns(metric: Metric) -> bool:
    """Whether a metric is the AUROC of a task's one column, or the mean over its columns."""
    return auroc().name in (metric.name, metric.mean_of)


def _bootstrap(
    plain: Sequence[Column],
    constrained: Sequence[Column],
    strata: Sequence[NDArray[np.int64]],
    resamples: int,
    generator: np.random.Generator,
) -> _Values:
    """Mean difference [resamples]: seeds and, per stratum, examples drawn with replacement.

    The columns of the two trials have a row of scores per pair.
    """
    seeds, examples = plain[0].scores.shape
    values = []
    for draws in _chunks(resamples, examples):
        seed_weights = generator.multinomial(seeds, [1 / seeds] * seeds, size=draws)
        drawn = [_draw(generator, len(stratum), draws) for stratum in strata]
        weights = example_counts(strata, drawn, examples)
        differences = []
        for row in range(seeds):
            differences.append(_mean_auroc(constrained, row, weights) - _mean_auroc(plain, row, weights))
        values.append((np.stack(differences, axis=1) * seed_weights).sum(axis=1) / seeds)
    return np.concatenate(values)


def _mean_auroc(columns: Sequence[Column], row: int, weights: _Values) -> _Values:
    """Mean over columns of the AUROC [draws] of a row of scores, with weights [examples, draws]."""
    areas = []
    for column in columns:
        positives, negatives = column.scores[row][column.positive], column.scores[row][column.negative]
        areas.append(weighted_auroc(positives, negatives, weights[column.positive], weights[column.negative]))
    mean: _Values = np.mean(areas, axis=0)
    return mean


def _chunks(resamples: int, examples: int) -> Iterator[int]:
    size = max(1, min(resamples, _CHUNK // examples))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _draw(generator: np.random.Generator, examples: int, draws: int) -> _Values:
    """How often each example is drawn, [examples, draws]; each column sums to `examples`."""
    counts = generator.multinomial(examples, np.full(examples, 1 / examples), size=draws)
    return np.ascontiguousarray(counts.T, dtype=np.float64)


def weighted_auroc(
    positives: NDArray[np.floating],
    negatives: NDArray[np.floating],
    positive_weights: _Values,
    negative_weights: _Values,
) -> _Values:
    """AUROC [draws] of weighted scores: the weighted share of pairs in the right order, ties counted half.

    Weights are [scores of the class, draws]. Each column's weights sum to the number of scores.
    """
    order = np.argsort(negatives, kind="stable")
    below = np.zeros((len(negatives) + 1, negative_weights.shape[1]))
    np.cumsum(negative_weights[order], axis=0, out=below[1:])
    ordered = negatives[order]
    low = np.searchsorted(ordered, positives, side="left")
    high = np.searchsorted(ordered, positives, side="right")
    credit = 0.5 * (below[low] + below[high])
    value: _Values = np.einsum("pd,pd->d", positive_weights, credit)
    return value / (len(positives) * len(negatives))
