"""Metrics of resampled test sets, in which each example stands so many times; NumPy only.

`counts` [N, draws] are whole numbers: how often example i stands in draw d. How many positives and negatives
a draw has may differ from draw to draw, as it does where whole groups are drawn. A draw that leaves a metric
undefined gives NaN. With every count 1 the values are those of `trainer.metrics.binary` and
`trainer.metrics.multiclass`.

Draws lie side by side in memory, so that a step over examples is one addition of a row for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Targets
from search_spaces.config.metrics import fpr_at_tpr, tpr_at_fpr
from trainer.metrics.ranking import Floats

Counts = NDArray[np.integer[Any]]


def ranking_metrics(
    scores: Floats,
    positive: NDArray[np.bool_],
    negative: NDArray[np.bool_],
    counts: Counts,
    rates: Targets,
    *,
    precision: bool = False,
) -> dict[str, Floats]:
    """AUROC, FPR and TPR at each target rate, with `precision` average precision: [draws] for each name.

    scores     [N], higher = more critical, none of them NaN
    positive   [N]; negative [N]; what is neither is left out
    """
    positives, negatives = _falling(scores, positive), _falling(scores, negative)
    if not len(positives) or not len(negatives):
        return dict.fromkeys(_names(rates, precision), np.full(counts.shape[1], np.nan))
    thresholds, falling = scores[positives], -scores[negatives]
    # A threshold calls positive all that score at least as high.
    first_tied = np.searchsorted(falling, -thresholds, side="left")
    behind_tied = np.searchsorted(falling, -thresholds, side="right")
    most = int(counts.max(initial=0))
    found_positives = _running(counts, positives, most)
    found_negatives = _running(counts, negatives, most)
    all_positives, all_negatives = found_positives[-1], found_negatives[-1]
    result = {"auroc": _auroc(counts, positives, found_negatives, first_tied, behind_tied, all_positives)}
    for rate in rates.tpr:
        needed = _whole(np.ceil, rate, all_positives)
        # Place p holds what the first p positives sum to, so the threshold is that of positive p - 1.
        place = _first_reaching(found_positives, needed)
        false = found_negatives[behind_tied[np.maximum(place - 1, 0)], np.arange(counts.shape[1])]
        result[fpr_at_tpr(rate).name] = np.where(place > 0, false, 0) / _or_nan(all_negatives)
    for rate in rates.fpr:
        allowed = _whole(np.floor, rate, all_negatives)
        most = np.zeros_like(all_positives)
        for number, tied in enumerate(behind_tied, start=1):
            within = found_negatives[tied] <= allowed
            np.maximum(most, np.where(within, found_positives[number], 0), out=most)
        result[tpr_at_fpr(rate).name] = most / _or_nan(all_positives)
    if precision:
        result["average_precision"] = _average_precision(
            thresholds, found_positives, found_negatives, behind_tied
        )
    is_undefined = (all_positives == 0) | (all_negatives == 0)
    return {name: np.where(is_undefined, np.nan, values) for name, values in result.items()}


def false_positive_rates(
    scores: Floats,
    positive: NDArray[np.bool_],
    negative: NDArray[np.bool_],
    counts: Counts,
    rates: NDArray[np.float64],
) -> Floats:
    """The FPR at each of many true positive rates (0 to 1), [rates, draws]; as `ranking_metrics` reads it.

    rates   rising; scores [N], positive [N], negative [N] as `ranking_metrics` takes them
    """
    positives, negatives = _falling(scores, positive), _falling(scores, negative)
    draws = counts.shape[1]
    if not len(positives) or not len(negatives):
        return np.full((len(rates), draws), np.nan)
    behind_tied = np.searchsorted(-scores[negatives], -scores[positives], side="right")
    most = int(counts.max(initial=0))
    found_positives = _running(counts, positives, most)
    found_negatives = _running(counts, negatives, most)
    needed = _whole(np.ceil, rates[:, None], found_positives[-1])
    places = _first_reaching(found_positives, needed)
    false = found_negatives[behind_tied[np.maximum(places - 1, 0)], np.arange(draws)]
    found: Floats = np.where(places > 0, false, 0) / _or_nan(found_negatives[-1])
    return np.where(found_positives[-1] == 0, np.nan, found)


def decision_metrics(
    targets: NDArray[np.int64], decided: NDArray[np.int64], counts: Counts, classes: int
) -> tuple[dict[str, Floats], Floats]:
    """Macro F1, accuracy, balanced accuracy [draws] by name; each class's recall [classes, draws].

    targets, decided   [N], the true class and the one that is decided for
    """
    hits, sizes, taken = (np.zeros((classes, counts.shape[1]), np.int64) for _ in range(3))
    for label in range(classes):
        is_of, is_taken = targets == label, decided == label
        sizes[label] = counts[is_of].sum(axis=0, dtype=np.int64)
        taken[label] = counts[is_taken].sum(axis=0, dtype=np.int64)
        hits[label] = counts[is_of & is_taken].sum(axis=0, dtype=np.int64)
    recalls = hits / _or_nan(sizes)
    found = {
        "macro_f1": (2 * hits / np.maximum(sizes + taken, 1)).mean(axis=0),
        "accuracy": hits.sum(axis=0) / _or_nan(sizes.sum(axis=0)),
        "balanced_accuracy": recalls.mean(axis=0),
    }
    return found, recalls


def _names(rates: Targets, precision: bool) -> list[str]:
    """Of what `ranking_metrics` gives."""
    names = ["auroc", *(fpr_at_tpr(rate).name for rate in rates.tpr)]
    names += [tpr_at_fpr(rate).name for rate in rates.fpr]
    return [*names, "average_precision"] if precision else names


def _falling(scores: Floats, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The positions of the chosen examples by falling score."""
    positions = np.flatnonzero(chosen)
    order: NDArray[np.int64] = positions[np.argsort(-scores[positions], kind="stable")]
    return order


def _running(counts: Counts, order: NDArray[np.int64], most: int) -> Counts:
    """What the first p examples of an order sum to, [1 + len(order), draws]; `most` is the largest count."""
    draws = counts.shape[1]
    # Half the memory, and so twice the speed, where it surely holds them.
    kind = np.int16 if len(order) * most <= np.iinfo(np.int16).max else np.int32
    sums = np.zeros((len(order) + 1, draws), dtype=kind)
    for place, position in enumerate(order):
        np.add(sums[place], counts[position], out=sums[place + 1], casting="unsafe")
    return sums


def _first_reaching(sums: Counts, needed: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least place p of each draw at which sums[p] >= needed; the last sum is that, in every draw.

    sums [1 + N, draws] are those of `_running`: they never fall, so that steps of half the length find it.
    needed [draws] or [rates, draws].
    """
    last, draws = len(sums) - 1, sums.shape[1]
    values, columns = sums.reshape(-1), np.arange(draws)
    wanted = needed.astype(sums.dtype)
    below = np.zeros(needed.shape, np.int64)  # how many sums are known to be less
    for power in reversed(range(len(sums).bit_length())):
        place = np.minimum(below + (2**power - 1), last)
        below += 2**power * (values.take(place * draws + columns) < wanted)
    return below


def _auroc(
    counts: Counts,
    positives: NDArray[np.int64],
    found_negatives: Counts,
    first_tied: NDArray[np.int64],
    behind_tied: NDArray[np.int64],
    all_positives: Counts,
) -> Floats:
    """The share of pairs with the positive higher: of those in the wrong order twice, ties counted half."""
    draws = counts.shape[1]
    pairs = all_positives.astype(np.int64) * found_negatives[-1].astype(np.int64)
    # Half the memory here too: the sum is at most twice the pairs.
    is_small = 2 * int(pairs.max(initial=0)) <= np.iinfo(np.int32).max
    kind: type[np.signedinteger[Any]] = np.int32 if is_small else np.int64
    wrong: Counts = np.zeros(draws, kind)
    of_one: Counts = np.empty(draws, kind)
    for place, position in enumerate(positives):
        np.add(
            found_negatives[first_tied[place]],
            found_negatives[behind_tied[place]],
            out=of_one,
            dtype=kind,
        )
        np.multiply(of_one, counts[position], out=of_one)
        wrong += of_one
    area: Floats = 1 - wrong / (2 * _or_nan(pairs))
    return area


def _average_precision(
    thresholds: Floats, found_positives: Counts, found_negatives: Counts, behind_tied: NDArray[np.int64]
) -> Floats:
    """Sum over thresholds of (gain in recall) * precision."""
    total = np.zeros(found_positives.shape[1])
    before = np.int64(0)
    ends = np.flatnonzero(np.append(np.diff(thresholds) != 0, True)) + 1  # behind each run of equal scores
    for end in ends:
        true = found_positives[end].astype(np.float64)
        called = np.maximum(true + found_negatives[behind_tied[end - 1]], 1)
        total += (true - found_positives[before]) * true / called
        before = end
    return total / _or_nan(found_positives[-1])


def _whole(rounded: Any, rate: float | Floats, totals: Counts) -> NDArray[np.int64]:
    """`rate` * totals rounded up or down, but for the rounding of the product itself."""
    product = rate * totals.astype(np.float64)
    nearest = np.round(product)
    exact = np.where(np.isclose(product, nearest, rtol=1e-12, atol=1e-12), nearest, product)
    return np.asarray(rounded(exact), dtype=np.int64)


def _or_nan(totals: Any) -> Floats:
    """Totals to divide by: NaN in place of 0."""
    divisor: Floats = np.where(totals == 0, np.nan, totals)
    return divisor
