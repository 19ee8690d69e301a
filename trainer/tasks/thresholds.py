"""Decision thresholds, chosen on validation from stored scores: rules over scores, no part of a trial.

A column is one comparison of the task: the positives of a binary one, a critical class or label of others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.config import Frozen, Task
from trainer.metrics.thresholds import ThresholdRule, chosen_threshold
from trainer.tasks.base import Column, task_arrays


class Threshold(Frozen):
    """From which score on an example counts as positive, and what that came to on validation.

    column            whose score: "positive" of a binary task, else the class or label
    rule              how it was chosen: "tpr_98" is the highest score that finds 98 % of the positives
    value             of the column's score: at least this is positive
    positives         validation examples of the column, and `negatives` that are none
    true_positives    how many of the positives it finds, and `false_positives` of the negatives it takes
    """

    column: str
    rule: str
    value: float
    positives: int
    negatives: int
    true_positives: int
    false_positives: int


class NotResolved(Frozen):
    """A threshold that validation does not tell: it is not given away.

    reason   why, in words
    """

    column: str
    rule: str
    positives: int
    reason: str


class Thresholds(NamedTuple):
    """Those that validation resolves, and the others."""

    chosen: tuple[Threshold, ...] = ()
    unresolved: tuple[NotResolved, ...] = ()


def usual_rules(task: Task, rates: Sequence[float]) -> tuple[ThresholdRule, ...]:
    """What thresholds are chosen for where nobody says: a sweep's rates; of labels the highest F1 too."""
    at_rates = tuple(ThresholdRule("tpr", rate) for rate in rates)
    return (ThresholdRule(), *at_rates) if task.has_label_sets else at_rates


def choose_thresholds(
    task: Task, targets: ArrayLike, outputs: ArrayLike, rules: Sequence[ThresholdRule]
) -> Thresholds:
    """The threshold of each column that each rule chooses (see `trainer.metrics.thresholds`).

    targets   [N] or [N, L] of the validation split; outputs [N] or [N, K], one row

    A threshold lies halfway between the last score that it takes and the next lower one, so that a score
    which another runtime rounds otherwise stays on its side.
    """
    chosen, unresolved = [], []
    for column in columns_of(task, targets, outputs):
        positives = int(np.count_nonzero(column.positive))
        positive, scores = compared(column)
        for rule in rules:
            reason = rule.why_unresolved(positives)
            value = threshold_between(positive, scores, rule)
            if reason is None and math.isnan(value):
                reason = f"no threshold keeps {rule.name}"
            if reason is not None:
                unresolved.append(
                    NotResolved(column=column.name, rule=rule.name, positives=positives, reason=reason)
                )
                continue
            chosen.append(judged(column, value, rule.name))
    return Thresholds(tuple(chosen), tuple(unresolved))


def compared(column: Column) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which of a column's examples are positive, and their first row of scores; without those left out."""
    takes_part = column.positive | column.negative
    return column.positive[takes_part], column.scores[0][takes_part]


def threshold_between(positive: NDArray[np.bool_], scores: NDArray[np.float64], rule: ThresholdRule) -> float:
    """The rule's threshold, halfway between the last score [N] that it takes and the next lower one.

    NaN where no threshold keeps the rule, whether or not there are positives enough to tell it.
    """
    last = chosen_threshold(positive, scores, rule)
    lower = scores[scores < last]
    return last if lower.size == 0 else float((last + lower.max()) / 2)


def columns_of(task: Task, targets: ArrayLike, outputs: ArrayLike) -> tuple[Column, ...]:
    """What has a threshold: the task's columns, and of a task with label sets every label."""
    if not task.has_label_sets:
        return task_arrays(task).columns(targets, outputs)
    sets, logits = np.asarray(targets) == 1, np.asarray(outputs, dtype=np.float64)
    found = []
    for place, label in enumerate(task.labels):
        found.append(Column(str(label), logits[None, :, place], sets[:, place], ~sets[:, place]))
    return tuple(found)


def judged(column: Column, value: float, rule: str) -> Threshold:
    """A threshold with what it comes to on the first row of a column's scores."""
    taken = column.scores[0] >= value
    return Threshold(
        column=column.name,
        rule=rule,
        value=value,
        positives=int(np.count_nonzero(column.positive)),
        negatives=int(np.count_nonzero(column.negative)),
        true_positives=int(np.count_nonzero(taken & column.positive)),
        false_positives=int(np.count_nonzero(taken & column.negative)),
    )


def judge(
    task: Task, targets: ArrayLike, outputs: ArrayLike, thresholds: Sequence[Threshold]
) -> tuple[Threshold, ...]:
    """Thresholds that were chosen elsewhere, with what they come to on these examples."""
    columns = {column.name: column for column in columns_of(task, targets, outputs)}
    return tuple(judged(columns[one.column], one.value, one.rule) for one in thresholds)


def column_scores(task: Task, outputs: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """The score [N] of each column by its name, of outputs [N] or [N, K] of examples that nobody judged."""
    shape = (len(outputs), len(task.labels)) if task.has_label_sets else (len(outputs),)
    unknown = task_arrays(task).targets(np.zeros(shape, dtype=np.int64))
    return {column.name: column.scores[0] for column in columns_of(task, unknown, outputs)}
