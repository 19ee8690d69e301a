"""Thresholds of labels, chosen on validation scores by a named rule: decision rules over stored scores.

Nothing is trained for them, they are no part of a trial's identity, and they follow from what is stored: the
validation outputs of a trial's replicates. A label is decided for at score >= threshold, and the thresholds
are the distinct scores themselves, as in scikit-learn's `precision_recall_curve`. NumPy only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.config import percent
from search_spaces.errors import InputError
from trainer.metrics.binary import positives_needed
from trainer.metrics.ranking import Floats, checked
from trainer.metrics.resolution import positives_to_resolve

RuleKind: TypeAlias = Literal["max_f1", "recall_at_precision", "precision_at_recall", "tpr"]

# Of fewer validation positives no threshold is said to be known.
LEAST_POSITIVES = 20
RESAMPLES = 200
LEVEL = 0.95
# Numbers of one array that is held at once.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class ThresholdRule:
    """What a threshold is chosen for.

    "max_f1"               the highest F1; of equal ones the highest threshold
    "recall_at_precision"  the highest recall at a precision of at least `target`
    "precision_at_recall"  the highest precision at a recall of at least `target`
    "tpr"                  the least false positive rate at a true positive rate of at least `target`
    """

    kind: RuleKind = "max_f1"
    target: float | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a target that is missing, not asked for, or no rate."""
        if (self.kind == "max_f1") != (self.target is None):
            expected = "no target" if self.kind == "max_f1" else "a target"
            raise InputError(f"threshold rule {self.kind}: expected {expected}, given {self.target}")
        if self.target is not None and not 0 < self.target < 1:
            raise InputError(
                f"threshold rule {self.kind}: expected a target from 0 to 1, given {self.target}"
            )

    @property
    def name(self) -> str:
        """As a person writes it: "max_f1", "recall_at_precision_80", "tpr_99.5"."""
        return self.kind if self.target is None else f"{self.kind}_{percent(self.target)}"

    @classmethod
    def of(cls, name: str) -> ThresholdRule:
        """The rule of a name. Raises InputError for any other word.

        >>> ThresholdRule.of("tpr_95")
        ThresholdRule(kind='tpr', target=0.95)
        """
        if name == "max_f1":
            return cls()
        for kind in _WITH_TARGET:
            found = re.fullmatch(rf"{kind}_([0-9]+(?:\.[0-9]+)?)", name)
            if found:
                return cls(kind, float(found[1]) / 100)
        known = ", ".join(["max_f1", *(f"{kind}_90" for kind in _WITH_TARGET)])
        raise InputError(f"expected a threshold rule like {known}, given {name!r}")

    def why_unresolved(self, positives: int) -> str | None:
        """Why so many validation positives are too few for it, in words; None where they are enough.

        Too few are fewer than 20, and, for a recall or true positive rate t, fewer than ceil(ln 0.05 / ln t)
        (`trainer.metrics.resolution`).

        >>> ThresholdRule("tpr", 0.95).why_unresolved(40)
        '40 validation positives, expected at least 59'
        """
        least = LEAST_POSITIVES
        if self.target is not None and self.kind in ("tpr", "precision_at_recall"):
            least = max(least, positives_to_resolve(self.target))
        if positives >= least:
            return None
        return f"{positives} validation positives, expected at least {least}"


_WITH_TARGET: tuple[RuleKind, ...] = ("recall_at_precision", "precision_at_recall", "tpr")


@dataclass(frozen=True)
class LabelThreshold:
    """The threshold of a label, and how well it is known.

    value        at a score of at least so much the label is decided for; NaN where no threshold keeps the
                 rule, and then it is never decided for
    positives    validation examples with the label, that it was chosen on
    negatives    validation examples without it
    unresolved   why it is not said to be known, in words; None where it is
    low, high    the ends of its 95 % interval over validation examples; NaN where it is unresolved
    deviation    over replicates of each one's own threshold, ddof 0; NaN of fewer than two, and unresolved
    """

    value: float
    positives: int
    negatives: int
    unresolved: str | None = None
    low: float = math.nan
    high: float = math.nan
    deviation: float = math.nan


def chosen_threshold(positive: ArrayLike, scores: ArrayLike, rule: ThresholdRule) -> float:
    """The threshold of scores [N] that the rule chooses; NaN where none keeps it.

    `positive` [N] is 1 or 0. NaN too without a positive or without a negative, and for a score that is NaN.

    >>> positive, scores = [1, 1, 0, 1, 0], [5.0, 4.0, 3.0, 2.0, 1.0]
    >>> chosen_threshold(positive, scores, ThresholdRule())
    2.0
    >>> chosen_threshold(positive, scores, ThresholdRule("recall_at_precision", 0.9))
    4.0
    """
    has, rows = checked(positive, scores)
    if has.all() or not has.any() or np.isnan(rows).any():
        return math.nan
    return float(_chosen(has, rows[0], rule, np.ones((len(has), 1)))[0])


def label_thresholds(
    sets: ArrayLike,
    outputs: ArrayLike,
    rule: ThresholdRule,
    *,
    shrink: float = 0.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[LabelThreshold, ...]:
    """The threshold of each label, chosen on the mean over replicates of validation scores.

    sets      label sets [N, L]
    outputs   [replicates, N, L]
    shrink    so many positives' worth of the pooled threshold, which the rule chooses on the decisions for
              all labels together: a label of n positives has n / (n + shrink) of its own; one that is
              unresolved keeps its own
    seed      of the resamples, which depend on it and on the numbers of positives and negatives alone
    """
    has, scores = np.asarray(sets) == 1, np.asarray(outputs, dtype=np.float64)
    if scores.ndim != 3 or has.shape != scores.shape[1:]:
        raise InputError(
            f"expected label sets [N, L] and outputs [replicates, N, L], given shapes {np.shape(sets)} and "
            f"{np.shape(outputs)}"
        )
    mean = scores.mean(axis=0)
    pooled = chosen_threshold(has.ravel(), mean.ravel(), rule) if shrink else math.nan
    found = []
    for label in range(has.shape[1]):
        positive, of_label = has[:, label], mean[:, label]
        value = chosen_threshold(positive, of_label, rule)
        positives = int(np.count_nonzero(positive))
        negatives = len(positive) - positives
        reason = rule.why_unresolved(positives)
        if reason is None and math.isnan(value):
            reason = _why_none(positive, of_label, rule)
        if reason is not None:
            found.append(LabelThreshold(value, positives, negatives, reason))
            continue
        own = positives / (positives + shrink) if shrink and not math.isnan(pooled) else 1.0
        offset = (1 - own) * pooled if own < 1 else 0.0
        low, high = _interval(positive, of_label, rule, resamples, seed)
        each = [chosen_threshold(positive, one[:, label], rule) for one in scores]
        deviation = own * float(np.std(each)) if len(each) > 1 else math.nan
        found.append(
            LabelThreshold(
                own * value + offset,
                positives,
                negatives,
                low=own * low + offset,
                high=own * high + offset,
                deviation=deviation,
            )
        )
    return tuple(found)


def _why_none(positive: NDArray[np.bool_], scores: Floats, rule: ThresholdRule) -> str:
    if positive.all():
        return "no validation negatives"
    return "a score is NaN" if np.isnan(scores).any() else f"no threshold keeps {rule.name}"


def _chosen(positive: NDArray[np.bool_], scores: Floats, rule: ThresholdRule, times: Floats) -> Floats:
    """The rule's threshold [D] in each of D samples, in which example i stands `times[i]` [N, D] times."""
    order = np.argsort(-scores, kind="stable")
    ordered, has = scores[order], positive[order]
    ends = np.append(ordered[1:] != ordered[:-1], True)
    drawn = times[order]
    hits = np.cumsum(np.where(has[:, None], drawn, 0), axis=0)[ends]
    wrong = np.cumsum(np.where(has[:, None], 0, drawn), axis=0)[ends]
    place, there = _place(rule, hits, wrong)
    return np.where(there, ordered[ends][place], np.nan)


def _place(rule: ThresholdRule, hits: Floats, wrong: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where [D] the chosen threshold stands among K falling ones, and whether there is one.

    `hits` and `wrong` [K, D] are true and false positives at each.
    """
    positives = hits[-1]
    called = np.maximum(hits + wrong, 1)
    if rule.kind == "max_f1" or rule.target is None:
        return np.argmax(2 * hits / (hits + wrong + positives), axis=0), np.asarray(positives > 0)
    if rule.kind == "recall_at_precision":
        # 0.07 * 100 is above 7.
        keeps = (hits >= rule.target * called * (1 - 1e-12)) & (hits > 0)
        return np.argmax(np.where(keeps, hits, 0), axis=0), np.asarray(keeps.any(axis=0))
    needed = np.array([positives_needed(rule.target, int(count)) for count in positives])
    keeps = hits >= np.maximum(needed, 1)
    if rule.kind == "tpr":
        return np.argmax(keeps, axis=0), np.asarray(keeps.any(axis=0))
    # Of equal precisions that of the higher recall, which is the last.
    precision = np.where(keeps, hits / called, 0)[::-1]
    return len(hits) - 1 - np.argmax(precision, axis=0), np.asarray(keeps.any(axis=0))


def _interval(
    positive: NDArray[np.bool_], scores: Floats, rule: ThresholdRule, resamples: int, seed: int
) -> tuple[float, float]:
    """The ends of the percentile interval of the threshold.

    Positives are drawn with replacement, and so are negatives. Draws in which no threshold keeps the rule
    have no part in it; where none does it is NaN.
    """
    parts = [_chosen(positive, scores, rule, times) for times in _draws(positive, resamples, seed)]
    values = np.concatenate(parts) if parts else np.zeros(0)
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _draws(positive: NDArray[np.bool_], resamples: int, seed: int) -> Iterator[Floats]:
    """How often each example stands in a resample, [N, draws], in parts."""
    sides: Sequence[NDArray[np.int64]] = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    most = max(1, min(resamples, _CHUNK // len(positive)))
    generator = np.random.default_rng([seed, *map(len, sides)])
    for start in range(0, resamples, most):
        draws = min(most, resamples - start)
        times = np.zeros((len(positive), draws))
        for side in sides:
            shares = np.full(len(side), 1 / len(side))
            times[side] = generator.multinomial(len(side), shares, size=draws).T
        yield times
