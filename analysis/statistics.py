"""With against without the constraint: a paired comparison of per-replicate test AUROC.

Pairs are formed by seed: a seed draws the same training subset for both. The test examples are the same for
all replicates, so they too are resampled together. No correction for the number of comparisons is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from analysis.cells import Cell
from analysis.records import TestRecord
from search_spaces.errors import StoreError

RESAMPLES = 1000
LEVEL = 0.95
# With fewer pairs the exact two-sided p-value cannot fall below 0.05, and the bootstrap draws from too few
# seeds to reach the level that the interval names.
MIN_PAIRS = 6
_CHUNK = 2_000_000  # weights held at once


@dataclass(frozen=True)
class Comparison:
    """Row + ALM against row, on the test AUROC of replicates with the same seed.

    mean_difference   mean over seeds of (with - without), in AUROC (-1 to 1)
    low, high         percentile bootstrap interval of it, over seeds and examples: what other seeds and other
                      test examples of the same kind might give
    p_value           Wilcoxon's signed-rank test of the per-seed differences, two-sided: what other seeds
                      might give on these very examples
    reason            why a value is NaN; empty when none is
    """

    pairs: int
    mean_difference: float
    low: float
    high: float
    p_value: float
    reason: str


def paired_comparison(
    without: TestRecord, with_constraint: TestRecord, *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare two trials of a block over the seeds that both have.

    The interval is a bootstrap over seeds and, within each class, over test examples: `resamples` draws from
    a generator seeded with `seed`. Raises StoreError when the two were tested on different targets.
    """
    if not np.array_equal(without.targets, with_constraint.targets):
        raise StoreError(
            f"trials {without.trial_id} and {with_constraint.trial_id}: expected the same test targets, "
            "found others"
        )
    seeds = sorted(set(without.seeds) & set(with_constraint.seeds))
    first = [without.seeds.index(s) for s in seeds]
    second = [with_constraint.seeds.index(s) for s in seeds]
    differences = with_constraint.replicate_auroc[second] - without.replicate_auroc[first]
    if not seeds or not np.isfinite(differences).all():
        reason = "no seed in common" if not seeds else "the test AUROC of a replicate is undefined"
        return Comparison(len(seeds), *(float("nan"),) * 4, reason=reason)
    mean = float(differences.mean())
    if len(seeds) < MIN_PAIRS:
        reason = f"{len(seeds)} pairs are too few for an interval or a test (at least {MIN_PAIRS})"
        return Comparison(len(seeds), mean, *(float("nan"),) * 3, reason=reason)
    draws = _bootstrap(without, with_constraint, first, second, resamples, np.random.default_rng(seed))
    low, high = (float(q) for q in np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    if not differences.any():
        return Comparison(len(seeds), mean, low, high, float("nan"), "no test: all differences are zero")
    return Comparison(len(seeds), mean, low, high, float(wilcoxon(differences).pvalue), "")


def constraint_comparisons(cells: Sequence[Cell]) -> list[tuple[Cell, Cell, Comparison]]:
    """(cell without, cell with the constraint, comparison) per block and loss that has results of both."""
    with_constraint = {(c.block, c.family): c for c in cells if c.constrained and c.test is not None}
    found = []
    for cell in cells:
        other = with_constraint.get((cell.block, cell.family))
        if not cell.constrained and cell.test is not None and other is not None and other.test is not None:
            found.append((cell, other, paired_comparison(cell.test, other.test)))
    return found


def _bootstrap(
    without: TestRecord,
    with_constraint: TestRecord,
    first: Sequence[int],
    second: Sequence[int],
    resamples: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Mean AUROC difference [resamples]: seeds and, per class, examples drawn with replacement."""
    positive = without.targets == 1
    seeds = len(first)
    values = []
    for draws in _chunks(resamples, len(positive)):
        seed_weights = generator.multinomial(seeds, [1 / seeds] * seeds, size=draws)
        weights = [_draw(generator, int(mask.sum()), draws) for mask in (positive, ~positive)]
        difference = np.stack(
            [
                _weighted_auroc(with_constraint.scores[b], positive, *weights)
                - _weighted_auroc(without.scores[a], positive, *weights)
                for a, b in zip(first, second, strict=True)
            ],
            axis=1,
        )
        values.append((difference * seed_weights).sum(axis=1) / seeds)
    return np.concatenate(values)


def _chunks(resamples: int, examples: int) -> Iterator[int]:
    size = max(1, min(resamples, _CHUNK // examples))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _draw(generator: np.random.Generator, examples: int, draws: int) -> NDArray[np.float64]:
    """How often each example is drawn, [examples, draws]; each column sums to `examples`."""
    counts = generator.multinomial(examples, np.full(examples, 1 / examples), size=draws)
    return np.ascontiguousarray(counts.T, dtype=np.float64)


def _weighted_auroc(
    scores: NDArray[np.float32],
    positive: NDArray[np.bool_],
    positive_weights: NDArray[np.float64],
    negative_weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """AUROC [draws] of weighted examples: the weighted share of pairs in the right order, ties counted half.

    Weights are [examples of the class, draws]. Each column's weights sum to the number of examples.
    """
    negatives, positives = scores[~positive], scores[positive]
    order = np.argsort(negatives, kind="stable")
    below = np.zeros((len(negatives) + 1, negative_weights.shape[1]))
    np.cumsum(negative_weights[order], axis=0, out=below[1:])
    ranked = negatives[order]
    low = np.searchsorted(ranked, positives, side="left")
    high = np.searchsorted(ranked, positives, side="right")
    credit = 0.5 * (below[low] + below[high])
    value: NDArray[np.float64] = np.einsum("pd,pd->d", positive_weights, credit)
    return value / (len(positives) * len(negatives))
