"""Which candidate of a cell goes into the table: named rules over validation records, and nothing else.

The order is lexicographic. Earlier criteria outweigh later ones, and the last one leaves no tie:

    1. a complete candidate before a partial one; all want the same seeds (`analysis.cells.check_seeds`), so
       complete ones are ensembles of one size
    2. the rule's value, higher first
    3. ensemble validation AUROC, higher first
    4. ensemble validation FPR at 98, then 95, then 90 % TPR, lower first
    5. trial id, in alphabetical order

A candidate whose rule value is undefined (NaN) is never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.records import ValidationRecord
from search_spaces.errors import InputError, unknown_name


@dataclass(frozen=True)
class Rule:
    """A selection rule: what it says, its value of a candidate (higher is better), and the metric behind it.

    `metric` is the ensemble's that early stopping may go by as well; None where it cannot.
    """

    description: str
    value: Callable[[ValidationRecord], float]
    metric: str | None = None


DEFAULT_RULE = "ensemble-val-auroc"
RULES: dict[str, Rule] = {
    "ensemble-val-auroc": Rule(
        "highest validation AUROC of the scores averaged over replicates",
        lambda r: r.metrics["auroc"],
        "val/auroc",
    ),
    "mean-val-auroc": Rule("highest mean over replicates of the validation AUROC", lambda r: r.mean_auroc),
    "ensemble-val-fpr98": Rule(
        "lowest validation FPR at 98 % TPR of the scores averaged over replicates",
        lambda r: -r.metrics["fpr_at_tpr_98"],
        "val/fpr_at_tpr_98",
    ),
    "ensemble-val-fpr95": Rule(
        "lowest validation FPR at 95 % TPR of the scores averaged over replicates",
        lambda r: -r.metrics["fpr_at_tpr_95"],
        "val/fpr_at_tpr_95",
    ),
    "ensemble-val-fpr90": Rule(
        "lowest validation FPR at 90 % TPR of the scores averaged over replicates",
        lambda r: -r.metrics["fpr_at_tpr_90"],
        "val/fpr_at_tpr_90",
    ),
}

CRITERIA = (
    "complete before partial",
    "rule value",
    "higher ensemble validation AUROC",
    "lower ensemble validation FPR at 98 % TPR",
    "lower ensemble validation FPR at 95 % TPR",
    "lower ensemble validation FPR at 90 % TPR",
    "trial id in alphabetical order",
)


def rule_by_name(name: str) -> Rule:
    """The rule of that name. Raises InputError, which lists the known ones."""
    if name not in RULES:
        raise InputError(unknown_name("selection rule", name, list(RULES)))
    return RULES[name]


def ranked(candidates: Sequence[ValidationRecord], rule: str = DEFAULT_RULE) -> list[ValidationRecord]:
    """The candidates that may be chosen, best first. Raises InputError for an unknown rule."""
    value = rule_by_name(rule).value
    eligible = [c for c in candidates if not math.isnan(value(c))]
    return sorted(eligible, key=lambda c: _key(c, value))


def select(candidates: Sequence[ValidationRecord], rule: str = DEFAULT_RULE) -> ValidationRecord | None:
    """The candidate to report, or None when none may be chosen. Raises InputError for an unknown rule."""
    best = ranked(candidates, rule)
    return best[0] if best else None


def decided_by(candidates: Sequence[ValidationRecord], rule: str = DEFAULT_RULE) -> str:
    """The first criterion in which the chosen candidate differs from the runner-up, and by how much.

    A lead of one pair of examples (one in positives x negatives, for an AUROC) is a lead by the order of
    criteria, and no evidence: rounding alone moves trained results by more (docs/rounding.md). For example
    "rule value: 0.954125 against 0.954, a lead of 0.000125".
    """
    value = rule_by_name(rule).value
    best = ranked(candidates, rule)
    if len(best) < 2:
        return "only candidate" if best else "no candidate"
    first, second = _key(best[0], value), _key(best[1], value)
    place = next(i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b)
    return CRITERIA[place] + _lead(place, best[0], best[1], first[place], second[place])


def _lead(
    place: int, winner: ValidationRecord, second: ValidationRecord, key: bool | float | str, other: object
) -> str:
    """What stands behind the criterion that decided: the two values, and how far apart they are."""
    if place == 0:
        return f": {winner.found}/{winner.expected} replicates against {second.found}/{second.expected}"
    if not isinstance(key, float) or not isinstance(other, float):
        return ""
    if math.isinf(other):
        return f": {abs(key):.6g} against an undefined one"
    return f": {abs(key):.6g} against {abs(other):.6g}, a lead of {abs(key - other):.3g}"


def _key(
    record: ValidationRecord, value: Callable[[ValidationRecord], float]
) -> tuple[bool, float, float, float, float, float, str]:
    metric = record.metrics
    return (
        not record.complete,
        -value(record),
        _last_if_nan(-metric["auroc"]),
        _last_if_nan(metric["fpr_at_tpr_98"]),
        _last_if_nan(metric["fpr_at_tpr_95"]),
        _last_if_nan(metric["fpr_at_tpr_90"]),
        record.trial_id,
    )


def _last_if_nan(value: float) -> float:
    return math.inf if math.isnan(value) else value
