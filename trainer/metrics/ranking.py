"""Rows of scores sorted once, with the counts that every ranking metric is made of; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Rows of scores sorted downwards: how many positives and negatives stand at or above each place.

    `ends` marks the last place of each run of equal scores; only there is a threshold, and the counts
    `true_positives`, `false_positives` [rows, N] mean something. `previous_*` are those of the
    threshold before.
    """

    scores: Floats
    ends: NDArray[np.bool_]
    true_positives: Integers
    false_positives: Integers
    previous_true: Integers
    previous_false: Integers
    positives: int
    negatives: int


def checked(targets: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Targets [N] as bool and scores [rows, N] as float64; raises InputError for wrong shapes or targets."""
    labels, values = np.asarray(targets), np.asarray(scores, dtype=np.float64)
    if values.ndim == 1:
        values = values[None, :]
    if labels.ndim != 1 or values.ndim != 2 or values.shape[1] != labels.shape[0]:
        raise InputError(
            f"expected targets [N] and scores [N] or [rows, N], given shapes {np.shape(targets)} "
            f"and {np.shape(scores)}"
        )
    positive = labels == 1
    if not np.all(positive | (labels == 0)):
        raise InputError(f"expected targets 0 and 1, given the values {np.unique(labels)[:10].tolist()}")
    return positive, values


def reason(positive: NDArray[np.bool_], scores: Floats) -> str | None:
    """Why metrics of these targets [N] and rows of scores are undefined, or None."""
    if positive.size == 0:
        return "no examples"
    if not positive.any():
        return "no positives"
    if positive.all():
        return "no negatives"
    if np.isnan(scores).any():
        return "a score is NaN"
    return None


def rank(positive: NDArray[np.bool_], scores: Floats) -> Ranking:
    """Sort rows of scores [rows, N], N >= 1, and count."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=1)
    ends = np.ones(ordered.shape, dtype=np.bool_)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=ends[:, :-1])
    true_positives = np.cumsum(positive[order], axis=1, dtype=np.int64)
    false_positives = np.arange(1, ordered.shape[1] + 1) - true_positives
    positives = int(np.count_nonzero(positive))
    return Ranking(
        ordered,
        ends,
        true_positives,
        false_positives,
        _at_previous_end(true_positives, ends),
        _at_previous_end(false_positives, ends),
        positives,
        positive.size - positives,
    )


def _at_previous_end(counts: Integers, ends: NDArray[np.bool_]) -> Integers:
    """The (never falling) counts at the last threshold strictly before each place; 0 before the first."""
    previous = np.zeros_like(counts)
    np.maximum.accumulate(np.where(ends, counts, 0)[:, :-1], axis=1, out=previous[:, 1:])
    return previous


def placements(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """Per positive the share of negatives below it; per negative the share of positives above it.

    Scores [P] and [N], none of them NaN; an equal score counts half. Either mean is the AUROC.
    """
    rising, falling = np.sort(negatives), np.sort(-positives)
    below = np.searchsorted(rising, positives, side="left") + np.searchsorted(rising, positives, side="right")
    above = np.searchsorted(falling, -negatives, side="left") + np.searchsorted(
        falling, -negatives, side="right"
    )
    return below / (2 * len(negatives)), above / (2 * len(positives))


def auroc_influences(scores: Floats, positive: NDArray[np.bool_], negative: NDArray[np.bool_]) -> Floats:
    """How far each example moves the AUROC, [N]: its empirical influence, by the size of its class.

    A positive above more negatives than positives are on average moves it up; so does a negative below more
    positives. Their sum over a class is 0. What is neither class moves nothing.

    scores   [N], none of them NaN

    NaN where a class is missing.
    """
    found = np.zeros(len(scores))
    if not positive.any() or not negative.any():
        return np.full(len(scores), np.nan)
    for members, placed in zip(
        (positive, negative), placements(scores[positive], scores[negative]), strict=True
    ):
        found[members] = (placed - placed.mean()) / len(placed)
    return found
