"""The decisions of a trial's ensemble after post-hoc logit adjustment, beside those that it makes itself.

Decide by the highest z - tau log pi, pi the classes' shares of the training examples; tau is the one of
`trainer.metrics.adjustment.GRID` with the highest macro F1 of the ensemble on validation, of equal ones the
least, and the test split is decided with it. No trial is trained, and nothing is selected by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Metric, TrialConfig
from trainer.metrics import adjustment
from trainer.tasks.base import task_arrays

# Of the metrics of decisions.
_ADJUSTED = ("macro_f1", "accuracy", "balanced_accuracy")

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Adjusted:
    """What the adjusted decisions of the ensemble are like on test.

    tau       chosen on validation
    metrics   by the names of `adjusted_metrics`
    """

    tau: float
    metrics: Mapping[str, float]


def adjusted_metrics(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """Those metrics of a task that decisions have, as those of adjusted decisions."""
    found = []
    for metric in metrics:
        if metric.name in _ADJUSTED:
            header = f"Adjusted {metric.header[0].lower()}{metric.header[1:]}"
            words = f"{metric.words} of adjusted decisions"
            name = f"adjusted_{metric.name}"
            found.append(replace(metric, name=name, header=header, words=words, role="summary"))
    return tuple(found)


def is_adjustable(config: TrialConfig) -> bool:
    """Whether logits of a trial know the training shares, so that they may be taken out afterwards.

    A loss that makes up for rare classes, or a sampler that draws them more often, has done so already:
    adjusting again would do it twice.
    """
    data = config.data
    is_told_by_highest = data.decides_by_highest and data.validates
    return is_told_by_highest and config.sampler == "shuffle" and not config.loss.corrects_counts


def adjusted_decisions(
    config: TrialConfig,
    counts: tuple[int, ...] | None,
    validation: tuple[NDArray[Any], Logits],
    test: tuple[NDArray[Any], Logits],
) -> Adjusted | None:
    """The ensemble's adjusted decisions on test; None where there is nothing to adjust, or to choose tau by.

    counts       training examples per class, None where they are not known
    validation   targets [N] and logits [N, K]; test likewise
    """
    (targets, logits), (test_targets, test_logits) = validation, test
    if counts is None or min(counts) < 1 or not is_adjustable(config):
        return None
    if np.isnan(logits).any() or np.isnan(test_logits).any():
        return None
    tau = adjustment.chosen_tau(targets.astype(np.int64), logits, counts)
    lowered = adjustment.adjusted(test_logits, counts, tau)
    values = task_arrays(config.data).summarize(test_targets, lowered)
    return Adjusted(tau, {f"adjusted_{name}": values[name] for name in _ADJUSTED})
