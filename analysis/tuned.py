"""The decisions of a trial's ensemble at thresholds of each label, beside those at 0.5.

The thresholds are chosen on validation for the highest F1 of each label, and the test split is decided with
them (`trainer.metrics.thresholds`). No trial is trained, and nothing is selected by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Metric, TrialConfig
from trainer.metrics.thresholds import LabelThreshold, ThresholdRule
from trainer.tasks.base import task_arrays

# Of the metrics of decisions, those that tables show at both thresholds.
_TUNED = ("macro_f1", "micro_f1", "critical_f1", "macro_precision", "macro_recall", "f1")
_PREFIX = "tuned_"


@dataclass(frozen=True)
class Tuned:
    """What the ensemble's decisions at chosen thresholds are like on test.

    rule         by which the thresholds were chosen on validation
    thresholds   of each label, by its name
    decisions    metrics of the decisions, by their names in the task
    """

    rule: ThresholdRule
    thresholds: Mapping[str, LabelThreshold]
    decisions: Mapping[str, float]

    @property
    def values(self) -> dict[str, float]:
        """The thresholds themselves, by the labels' names."""
        return {name: one.value for name, one in self.thresholds.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by the names of `tuned_metric`."""
        return {tuned_name(name): value for name, value in self.decisions.items()}


def tuned_name(name: str) -> str:
    """The name of a metric of decisions at chosen thresholds."""
    return _PREFIX + name


def tuned_metric(metric: Metric) -> Metric | None:
    """A metric of a task as that of decisions at chosen thresholds; None of one that has no part in it."""
    if metric.family not in _TUNED:
        return None
    header = f"Tuned {metric.header[0].lower()}{metric.header[1:]}"
    if metric.family == "f1":
        header = f"Tuned {metric.header}"
    words = f"{metric.words} at chosen thresholds"
    return replace(metric, name=tuned_name(metric.name), header=header, words=words, role="summary")


def with_tuned(metrics: Sequence[Metric]) -> tuple[tuple[Metric, ...], tuple[Metric, ...]]:
    """The metrics, each followed by that at chosen thresholds; and the latter alone."""
    both, tuned = [], []
    for metric in metrics:
        both.append(metric)
        found = tuned_metric(metric)
        if found is not None:
            both.append(found)
            tuned.append(found)
    return tuple(both), tuple(tuned)


def tuned_decisions(
    config: TrialConfig,
    validation: tuple[NDArray[Any], NDArray[np.float32]],
    test: tuple[NDArray[Any], NDArray[np.float64]],
) -> Tuned | None:
    """Choose thresholds on validation, and decide the test split with them.

    validation   targets, and outputs of each replicate [replicates, examples, labels]
    test         targets, and the ensemble's outputs [examples, labels]

    None of a task without label sets, and where the loss's scores do not decide at 0: they are no logits.
    """
    if not config.data.has_label_sets or not config.loss.decides_at_zero:
        return None
    arrays, rule = task_arrays(config.data), ThresholdRule()
    thresholds = arrays.label_thresholds(*validation, rule)
    values = {name: one.value for name, one in thresholds.items()}
    return Tuned(rule, thresholds, arrays.at_thresholds(*test, values))
