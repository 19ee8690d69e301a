"""Which candidate of a cell goes into the table: named rules over validation records, and nothing else.

The order is lexicographic. Earlier criteria outweigh later ones, and the last one leaves no tie:

    1. a complete candidate before a partial one; all want the same seeds (`analysis.cells.check_seeds`), so
       complete ones are ensembles of one size
    2. the rule's value, the better one first
    3. the metric that steers the task, then its other headline metrics at the sweep's own rates, each of the
       ensemble on validation: for a binary task AUROC, then FPR at 98, 95 and 90 % TPR
    4. trial id, in alphabetical order

A candidate whose rule value is undefined (NaN) is never chosen.

Rules have names for what they are, like "ensemble-val-auroc", and some a short one: "steering" is the task's
default; "val_fpr_at_tpr_98" (of a class: "val_fpr_at_tpr_98/8") the ensemble's validation FPR at a rate;
"partial_auc" the validation partial AUC over TPR from 90 % on, of several critical classes their mean.
"oracle" alone reads the test examples, and only tables may be made by it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.records import ValidationRecord
from search_spaces.config import Metric, Targets, Task
from search_spaces.errors import InputError, unknown_name
from search_spaces.search import objective_name

_OF_ENSEMBLE = "ensemble-val-"
_OF_REPLICATES = "mean-val-"
# The rule of a task without validation: whatever stands alone in its cell is shown.
NO_RULE = "nothing-selected"
STEERING, PARTIAL, ORACLE = "steering", "partial_auc", "oracle"
_AT_RATE = re.compile(r"val_(fpr_at_tpr_([0-9]+(?:\.[0-9]+)?))(/.+)?")
_PARTIAL_AREA = "partial_auc_tpr_90"


@dataclass(frozen=True)
class Rule:
    """A selection rule of a task.

    name       like "ensemble-val-auroc"; a false positive rate is short for what it is: "ensemble-val-fpr98"
    metric     what it goes by
    averaged   whether by the mean over replicates of each one's own value, not by that of the ensemble
    ties       metrics of the ensemble that decide between equal values, one after another
    confirms     the sweep whose choices stand, whatever the fresh seeds say; "" where the rule chooses
    reads_test   whether all of this is of the test examples: the oracle, whose choice is no result
    """

    name: str
    metric: Metric
    averaged: bool
    ties: tuple[Metric, ...]
    reads_test: bool = False
    confirms: str = ""

    @property
    def split(self) -> str:
        """Whose examples it reads, in a word."""
        return "test" if self.reads_test else "validation"

    @property
    def selects(self) -> bool:
        """Whether it chooses between candidates; without a validation split nothing does."""
        return self.name != NO_RULE

    @property
    def description(self) -> str:
        """What is chosen, in words."""
        if not self.selects:
            return "nothing: there is no validation split"
        direction = _direction(self.metric, "highest", "lowest")
        if self.reads_test:
            return (
                f"ORACLE, no result to take: {direction} test {self.metric.words}, read off the very "
                "examples that judge it"
            )
        told = f"{direction} validation {self.metric.words} of the scores averaged over replicates"
        if self.averaged:
            told = f"{direction} mean over replicates of the validation {self.metric.words}"
        return f"as the sweep {self.confirms} chose, by the {told}" if self.confirms else told

    @property
    def objective(self) -> str | None:
        """The ensemble's metric that early stopping may go by as well ("val/auroc"); None where it cannot."""
        if self.averaged or self.reads_test or not self.selects:
            return None
        return objective_name(self.metric)

    @property
    def criteria(self) -> tuple[str, ...]:
        """What decides, in words, the most important first."""
        words = []
        for metric in self.ties:
            words.append(f"{_direction(metric, 'higher', 'lower')} ensemble {self.split} {metric.words}")
        return ("complete before partial", "rule value", *words, "trial id in alphabetical order")

    def value(self, record: ValidationRecord) -> float:
        """What the rule goes by, as it is: whether more is better says its metric. NaN where undefined."""
        if self.averaged:
            return record.mean_steering
        return record.metrics[self.metric.name]


def rules_of(task: Task, targets: Targets, ties: Targets | None = None) -> dict[str, Rule]:
    """Every rule for trials of a task, by name; the first is the default.

    targets   the rates at which the records' metrics are known
    ties      those of them by which ties are broken: the sweep's own, whatever else is asked for
    """
    first, *others = _steering_first(task, targets)
    order = _steering_first(task, ties or targets)
    rules = {}
    rules[_OF_ENSEMBLE + first.name] = Rule(_OF_ENSEMBLE + first.name, first, False, order)
    rules[_OF_REPLICATES + first.name] = Rule(_OF_REPLICATES + first.name, first, True, order)
    for metric in others:
        name = _OF_ENSEMBLE + metric.name.replace("fpr_at_tpr_", "fpr")
        rules[name] = Rule(name, metric, False, order)
    for metric in task.metrics(targets):
        if metric.listed and not metric.is_of_one_class:
            name = _OF_ENSEMBLE + metric.name
            rules[name] = Rule(name, metric, False, order)
    return rules


def rates_of_rule(name: str | None) -> Targets:
    """The true positive rate that a rule's name asks for; none of most.

    >>> rates_of_rule("val_fpr_at_tpr_99.5").tpr, rates_of_rule("steering").tpr
    ((0.995,), ())
    """
    found = _AT_RATE.fullmatch(name or "")
    rate = float(found[2]) / 100 if found else 0.0
    return Targets(tpr=(rate,) if 0 < rate < 1 else (), fpr=())


def rule_of(
    task: Task, name: str | None, targets: Targets, ties: Targets | None = None, *, oracle: bool = False
) -> Rule:
    """The rule of that name, or the task's default. Raises InputError, which lists the known ones.

    `oracle` allows the rule of that name, which is refused where a choice is kept or trained further. Of a
    task without validation it is always the one that selects nothing.
    """
    if not task.validates:
        return Rule(NO_RULE, task.steering_metric, False, ())
    rules = rules_of(task, targets, ties)
    if name is None or name == STEERING:
        return next(iter(rules.values()))
    if name == ORACLE:
        if not oracle:
            raise InputError(
                "--rule oracle: expected a rule that reads validation alone, given one that reads the test "
                "examples; `tables` and `explain` show what it would choose"
            )
        first = next(iter(rules.values()))
        return Rule(ORACLE, first.metric, False, first.ties, reads_test=True)
    full = _full_name(name, rules)
    if full not in rules:
        raise InputError(unknown_name("selection rule", name, [*rules, *_short_names(rules), ORACLE]))
    return rules[full]


def _full_name(name: str, rules: Mapping[str, Rule]) -> str:
    """The name of the rule that a short one means; any other as it is."""
    at_rate = _AT_RATE.fullmatch(name)
    if at_rate:
        of_rate = [rule.name for rule in rules.values() if rule.metric.family == at_rate[1]]
        of_class = [known for known in of_rate if at_rate[3] is None or known.endswith(at_rate[3])]
        return of_class[0] if len(of_class) == 1 else name  # of several classes one has to be named
    if name == PARTIAL:
        return next(rule.name for rule in rules.values() if rule.metric.name.endswith(_PARTIAL_AREA))
    return name


def _short_names(rules: Mapping[str, Rule]) -> list[str]:
    """The short names that these rules have."""
    names = [f"val_{rule.metric.name}" for rule in rules.values()]
    return [STEERING, *filter(_AT_RATE.fullmatch, names), PARTIAL]


def check_rule(name: str | None, tasks: Iterable[Task], targets: Targets) -> None:
    """Raise InputError for a rule that one of these tasks has not."""
    for task in tasks:
        rule_of(task, name, targets)


def ranked(candidates: Sequence[ValidationRecord], rule: Rule) -> list[ValidationRecord]:
    """The candidates that may be chosen, best first."""
    eligible = [c for c in candidates if not math.isnan(rule.value(c))]
    return sorted(eligible, key=lambda c: _key(c, rule))


def select(candidates: Sequence[ValidationRecord], rule: Rule) -> ValidationRecord | None:
    """The candidate to report, or None when none may be chosen."""
    best = ranked(candidates, rule)
    if not best:
        return None
    return best[0]


def decided_by(candidates: Sequence[ValidationRecord], rule: Rule) -> str:
    """The first criterion in which the chosen candidate differs from the runner-up, and by how much.

    A lead of one pair of examples (one in positives x negatives, for an AUROC) is a lead by the order of
    criteria, and no evidence: rounding alone moves trained results by more (docs/rounding.md). For example
    "rule value: 0.954125 against 0.954, a lead of 0.000125".
    """
    best = ranked(candidates, rule)
    if not best:
        return "no candidate"
    if len(best) == 1:
        return "only candidate"
    first, second = _key(best[0], rule), _key(best[1], rule)
    place = 0
    while first[place] == second[place]:  # the last place, the id, is never equal
        place += 1
    return rule.criteria[place] + _lead(place, best[0], best[1], first[place], second[place])


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


def _key(record: ValidationRecord, rule: Rule) -> tuple[bool | float | str, ...]:
    """Smaller is better, in every place."""
    ties = [_last_if_nan(-metric.gain(record.metrics[metric.name])) for metric in rule.ties]
    return (not record.complete, -rule.metric.gain(rule.value(record)), *ties, record.trial_id)


def _steering_first(task: Task, targets: Targets) -> tuple[Metric, ...]:
    """The headline metrics, what steers before all others."""
    steers = task.steers
    return tuple(sorted(task.headline(targets), key=lambda metric: metric.name != steers))


def _last_if_nan(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _direction(metric: Metric, higher: str, lower: str) -> str:
    return higher if metric.better == "higher" else lower
