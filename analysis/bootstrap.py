"""Intervals of a trial's test metrics: its scores, bootstrapped over test examples within each class.

Positives are drawn with replacement from the positives, negatives from the negatives, so that every resample
has the class ratio of the test set (stratified bootstrap; Efron and Tibshirani 1993, chapter 13, percentile
interval). It tells what other test examples of the same kind might give for these very networks; what other
seeds or another machine's rounding might give comes on top. With few positives the FPR at 98 % TPR hangs on
one or two of them, and its interval is wide and goes in steps.

The draws depend on the numbers of positives and negatives alone: trials that were tested on the same examples
are resampled alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.config import DEFAULT_TARGETS
from search_spaces.config.metrics import fpr_at_tpr
from trainer.metrics import binary as metrics
from trainer.seeds import seed_for

RESAMPLES = 1000
LEVEL = 0.95
FPR_AT_TPR = {fpr_at_tpr(rate).name: rate for rate in DEFAULT_TARGETS.tpr}
METRICS = ("auroc", *FPR_AT_TPR)  # those that have intervals
_CHUNK = 2_000_000  # counts of one class held at once
_CACHED = 16  # chunks: the cells of one block need the same ones one after another

Counts = NDArray[np.int32]
Values = NDArray[np.float64]


class Interval(NamedTuple):
    """The two ends of an interval, or NaN twice where it is undefined."""

    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan)


def bootstrap_intervals(
    targets: ArrayLike, scores: ArrayLike, *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> dict[str, Interval]:
    """Percentile intervals of AUROC and of the FPR at each target TPR, by the names in `METRICS`.

    targets   [N] in {0, 1}, 1 = positive; scores [N], higher is more critical (the ensemble's, for example)
    level     the share of resamples between the two ends, in (0, 1); the ends are linear quantiles

    All are NaN where the metrics themselves are undefined (no positives, no negatives, a score that is NaN).
    Raises InputError for wrong shapes or targets.

    >>> intervals = bootstrap_intervals([1, 1, 1, 0, 0, 0], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    >>> intervals["auroc"], intervals["fpr_at_tpr_98"]
    (Interval(low=1.0, high=1.0), Interval(low=0.0, high=0.0))
    """
    if metrics.undefined_reason(targets, scores) is not None:
        return dict.fromkeys(METRICS, UNDEFINED)
    labels = np.asarray(targets) == 1
    values = np.asarray(scores, dtype=np.float64)
    positives, negatives = values[labels], values[~labels]
    drawn: dict[str, list[Values]] = {name: [] for name in METRICS}
    for positive_counts, negative_counts in draw_resamples(len(positives), len(negatives), resamples, seed):
        found = resampled_metrics(positives, negatives, positive_counts, negative_counts)
        for name, column in found.items():
            drawn[name].append(column)
    ends = [(1 - level) / 2, (1 + level) / 2]
    intervals = {}
    for name, columns in drawn.items():
        low, high = np.quantile(np.concatenate(columns), ends)
        intervals[name] = Interval(float(low), float(high))
    return intervals


def resampled_metrics(
    positives: Values, negatives: Values, positive_counts: Counts, negative_counts: Counts
) -> dict[str, Values]:
    """AUROC and FPR at each target TPR [draws] of test sets in which each example stands so many times.

    positives, negatives   scores of the two classes, [P] and [N]
    ..._counts             how often each is in a draw, [P, draws] and [N, draws]; they sum to P and N
    """
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
    found = {"auroc": 1 - wrong / (2 * pairs)}
    for name, tpr in FPR_AT_TPR.items():
        needed = metrics.positives_needed(tpr, len(positives))
        first = np.argmax(true_positives >= needed, axis=0)
        found[name] = np.take_along_axis(at_or_above, first[None, :], axis=0)[0] / len(negatives)
    return found


def draw_resamples(
    positives: int, negatives: int, resamples: int, seed: int
) -> Iterator[tuple[Counts, Counts]]:
    """How often each example of a class stands in a resample, in parts of [P, draws] and [N, draws]."""
    size = max(1, min(resamples, _CHUNK // max(positives, negatives)))
    for number, start in enumerate(range(0, resamples, size)):
        yield _counts(positives, negatives, min(size, resamples - start), seed, number)


@lru_cache(maxsize=_CACHED)
def _counts(positives: int, negatives: int, draws: int, seed: int, chunk: int) -> tuple[Counts, Counts]:
    generator = np.random.default_rng(seed_for(seed, f"bootstrap/{positives}/{negatives}/{chunk}"))
    return _draw(generator, positives, draws), _draw(generator, negatives, draws)


def _draw(generator: np.random.Generator, examples: int, draws: int) -> Counts:
    """How often each example is drawn, [examples, draws]; read-only, as it is shared."""
    chosen = generator.integers(examples, size=(examples, draws))
    place = chosen * draws + np.arange(draws)
    counts = np.bincount(place.ravel(), minlength=examples * draws).astype(np.int32).reshape(examples, draws)
    counts.setflags(write=False)
    return counts


def as_columns(intervals: Mapping[str, Interval]) -> dict[str, float]:
    """The ends under the names of table columns: "auc_low", "auc_high", "fpr_at_tpr_98_low" ..."""
    columns = {}
    for name, interval in intervals.items():
        column = "auc" if name == "auroc" else name
        columns[f"{column}_low"] = interval.low
        columns[f"{column}_high"] = interval.high
    return columns
