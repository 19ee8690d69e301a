"""Intervals of a trial's test metrics: its outputs, bootstrapped over test examples within each stratum.

The strata are the task's. For a binary task positives are drawn with replacement from the positives, and
negatives from the negatives, so that every resample has the class ratio of the test set (stratified
bootstrap; Efron and Tibshirani 1993, chapter 13, percentile interval). It tells what other test examples of
the same kind might give for these very networks; what other seeds or another machine's rounding might give
comes on top. With few positives the FPR at 98 % TPR hangs on one or two of them, and its interval is wide and
goes in steps.

Ranking metrics of the task's columns have intervals, and those that are the mean of one over the columns. The
draws depend on the strata's sizes alone: trials that were tested on the same examples are resampled alike.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Targets
from search_spaces.config.metrics import auroc, fpr_at_tpr, tpr_at_fpr
from trainer.metrics.binary import negatives_allowed, positives_needed
from trainer.seeds import seed_for
from trainer.tasks.base import Column, TaskArrays

RESAMPLES = 1000
LEVEL = 0.95
_CHUNK = 2_000_000  # counts of one stratum held at once
_CACHED = 16  # chunks: the cells of one block need the same ones one after another

Counts = NDArray[np.int32]
Values = NDArray[np.float64]


class Interval(NamedTuple):
    """The two ends of an interval, or NaN twice where it is undefined."""

    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan)


def bootstrap_intervals(
    arrays: TaskArrays,
    targets: NDArray[Any],
    outputs: NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of the task's metrics that have one, by their names.

    targets   [N]; outputs [N] or [N, classes] (the ensemble's, for example)
    level     the share of resamples between the two ends, in (0, 1); the ends are linear quantiles

    There are none where the metrics themselves are undefined (no positives, no negatives, a score that is
    NaN). Raises InputError for wrong shapes or targets.
    """
    if arrays.undefined_reason(targets, outputs) is not None:
        return {}
    columns = arrays.columns(targets, outputs)
    strata = arrays.strata(targets)
    drawn: dict[str, list[Values]] = {}
    for counts in draw_resamples(list(map(len, strata)), resamples, seed):
        of_examples = example_counts(strata, counts, len(targets))
        for name, values in _resampled(arrays, columns, of_examples).items():
            drawn.setdefault(name, []).append(values)
    ends = [(1 - level) / 2, (1 + level) / 2]
    intervals = {}
    for name, parts in drawn.items():
        low, high = np.quantile(np.concatenate(parts), ends)
        intervals[name] = Interval(float(low), float(high))
    return intervals


def _resampled(arrays: TaskArrays, columns: Sequence[Column], counts: Counts) -> dict[str, Values]:
    """Of those metrics that have intervals, the values [draws] of resamples."""
    names = {metric.name for metric in arrays.metrics}
    areas, found = [], {}
    for column in columns:
        values = resampled_metrics(column, arrays.rates, counts[column.positive], counts[column.negative])
        areas.append(values[auroc().name])
        for name, value in values.items():
            found[column_metric(name, column.name, names)] = value
    for metric in arrays.metrics:
        if metric.mean_of == auroc().name:
            found[metric.name] = np.mean(areas, axis=0)
    return found


def column_metric(name: str, column: str, known: Container[str]) -> str:
    """The name of a column's metric: a task that has but one column names its metrics without it."""
    of_column = f"{name}/{column}"
    return of_column if of_column in known else name


def resampled_metrics(
    column: Column, rates: Targets, positive_counts: Counts, negative_counts: Counts
) -> dict[str, Values]:
    """AUROC, FPR and TPR at each target rate [draws] of test sets in which each example stands so many times.

    column       its first row of scores counts
    ..._counts   how often each of its positives (negatives) is in a draw, [P, draws] and [N, draws]; they sum
                 to P and N
    """
    scores = column.scores[0]
    positives, negatives = scores[column.positive], scores[column.negative]
    # Both classes by falling score; a threshold calls positive all that score at least as high.
    by_positive = np.argsort(-positives, kind="stable")
    by_negative = np.argsort(-negatives, kind="stable")
    thresholds = positives[by_positive]
    true_positives = np.cumsum(positive_counts[by_positive], axis=0, dtype=np.int64)
    called = np.zeros((len(negatives) + 1, negative_counts.shape[1]), dtype=np.int64)
    np.cumsum(negative_counts[by_negative], axis=0, out=called[1:])
    falling = -negatives[by_negative]
    above = called[np.searchsorted(falling, -thresholds, side="left")]
    at_or_above = called[np.searchsorted(falling, -thresholds, side="right")]
    # Twice the pairs in the wrong order, ties counted half: whole numbers, so the sum is exact.
    wrong = np.einsum("pd,pd->d", positive_counts[by_positive].astype(np.int64), above + at_or_above)
    pairs = len(positives) * len(negatives)
    found = {auroc().name: 1 - wrong / (2 * pairs)}
    for rate in rates.tpr:
        needed = positives_needed(rate, len(positives))
        first = np.argmax(true_positives >= needed, axis=0)
        false_positives = np.take_along_axis(at_or_above, first[None, :], axis=0)[0]
        found[fpr_at_tpr(rate).name] = false_positives / len(negatives)
    for rate in rates.fpr:
        allowed = at_or_above <= negatives_allowed(rate, len(negatives))
        found[tpr_at_fpr(rate).name] = np.where(allowed, true_positives, 0).max(axis=0) / len(positives)
    return found


def draw_resamples(sizes: Sequence[int], resamples: int, seed: int) -> Iterator[tuple[Counts, ...]]:
    """How often each example of a stratum stands in a resample: in parts of [size, draws] per stratum."""
    # Of two strata the larger one counts; of many, which are compared with each other, half of all.
    largest = max(*sizes, sum(sizes) // 2)
    most = max(1, min(resamples, _CHUNK // largest))
    for number, start in enumerate(range(0, resamples, most)):
        yield _counts(tuple(sizes), min(most, resamples - start), seed, number)


def example_counts(
    strata: Sequence[NDArray[np.int64]], counts: Sequence[NDArray[Any]], examples: int
) -> NDArray[Any]:
    """The counts of strata, [size, draws] each, as those of examples, [examples, draws]."""
    of_examples = np.zeros((examples, counts[0].shape[1]), dtype=counts[0].dtype)
    for stratum, of_stratum in zip(strata, counts, strict=True):
        of_examples[stratum] = of_stratum
    return of_examples


@lru_cache(maxsize=_CACHED)
def _counts(sizes: tuple[int, ...], draws: int, seed: int, chunk: int) -> tuple[Counts, ...]:
    purpose = "/".join(["bootstrap", *map(str, sizes), str(chunk)])
    generator = np.random.default_rng(seed_for(seed, purpose))
    return tuple(_draw(generator, size, draws) for size in sizes)


def _draw(generator: np.random.Generator, examples: int, draws: int) -> Counts:
    """How often each example is drawn, [examples, draws]; read-only, as it is shared."""
    chosen = generator.integers(examples, size=(examples, draws))
    place = chosen * draws + np.arange(draws)
    counts = np.bincount(place.ravel(), minlength=examples * draws).astype(np.int32).reshape(examples, draws)
    counts.setflags(write=False)
    return counts
