"""Metrics of images with several labels, of label sets [N, L] against decisions or scores of each label.

A label is decided for at score >= 0, which is p = 0.5. Counts are whole numbers of examples; precision
without a decision for a label is 0, as scikit-learn's `zero_division=0` has it, and so is F1 without a hit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.metrics.ranking import Floats, Integers
from trainer.metrics.resampled import Counts


class Decided(NamedTuple):
    """Examples of each label by what they are and what was decided: int64 [..., L] each."""

    true_positives: Integers
    false_positives: Integers
    false_negatives: Integers
    true_negatives: Integers

    def summed(self) -> Decided:
        """Over all labels, as micro-averaged metrics count."""
        return Decided(*(counts.sum(axis=-1) for counts in self))


def decided(sets: ArrayLike, scores: ArrayLike, thresholds: ArrayLike = 0.0) -> Decided:
    """The four counts of each label, of label sets [N, L] and scores [..., N, L].

    thresholds   one for all labels, or [L]; a label is decided for at score >= threshold

    >>> decided([[1, 0], [1, 1]], [[2.0, -1.0], [-1.0, 3.0]]).true_positives.tolist()
    [1, 1]
    """
    has = np.asarray(sets) == 1
    says = np.asarray(scores) >= np.asarray(thresholds)
    return Decided(
        np.count_nonzero(says & has, axis=-2),
        np.count_nonzero(says & ~has, axis=-2),
        np.count_nonzero(~says & has, axis=-2),
        np.count_nonzero(~says & ~has, axis=-2),
    )


def resampled_decisions(has: NDArray[np.bool_], says: NDArray[np.bool_], counts: Counts) -> Decided:
    """The four counts [draws] of one label on resampled test sets.

    has, says   [N], whether an example has the label, and whether it is decided for
    counts      [N, draws], how often each example stands in a draw (see `trainer.metrics.resampled`)
    """
    found = []
    for chosen in (says & has, says & ~has, ~says & has, ~says & ~has):
        found.append(counts[chosen].sum(axis=0, dtype=np.int64))
    return Decided(*found)


def shares(counts: Decided) -> dict[str, Floats]:
    """Precision, recall and F1 of counts, by name."""
    return {"precision": precision(counts), "recall": recall(counts), "f1": f1(counts)}


def precision(counts: Decided) -> Floats:
    """The share of decisions for a label that are right, [...] as the counts."""
    return _share(counts.true_positives, counts.true_positives + counts.false_positives)


def recall(counts: Decided) -> Floats:
    """The share of examples with a label that are decided for."""
    return _share(counts.true_positives, counts.true_positives + counts.false_negatives)


def f1(counts: Decided) -> Floats:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    wrong = counts.false_positives + counts.false_negatives
    return _share(2 * counts.true_positives, 2 * counts.true_positives + wrong)


def _share(part: Integers, whole: Integers) -> Floats:
    found: Floats = np.asarray(part / np.maximum(whole, 1), dtype=np.float64)
    return found
