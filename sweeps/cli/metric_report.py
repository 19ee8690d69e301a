"""Metrics of one classifier with their intervals, and the mark of those that are not resolved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.render.captions import needed_words
from analysis.render.document import DOUBLE_DAGGER, MISSING
from analysis.statistics.resampled import bootstrap_intervals, examples_key
from search_spaces.config import percent
from sweeps.cli.metric_words import header_words, interval_words
from trainer.tasks.base import task_arrays

if TYPE_CHECKING:
    from search_spaces.config import Metric, Targets, TrialConfig


class MetricRow(NamedTuple):
    """A headline metric: what it is called, marked where it is not resolved, and its interval in words."""

    metric: Metric
    header: str
    interval: str


class MetricReport(NamedTuple):
    """The headline metrics of some examples, and how their intervals come about.

    has_intervals   whether any of them has one
    drawn           what the intervals draw: "examples", or whole groups and how many there are
    notes           what the marks mean, a line each
    """

    rows: tuple[MetricRow, ...]
    has_intervals: bool
    drawn: str
    notes: tuple[str, ...]


def metric_report(
    config: TrialConfig,
    targets: NDArray[Any],
    outputs: NDArray[np.float64],
    groups: NDArray[np.str_] | None,
    rates: Targets,
) -> MetricReport:
    """Of one classifier's outputs [N] or [N, K] of examples, whole groups of which are drawn where there are.

    ROC curves are read at `rates`.

    A rate at a true positive rate for which there are too few positives has a mark and no interval
    (`trainer.metrics.resolution`).
    """
    arrays = task_arrays(config.data, rates)
    key = examples_key(config.data, targets, groups)
    intervals = bootstrap_intervals(arrays, targets, outputs, groups, key=key)
    unresolved = arrays.unresolved(targets, outputs)
    rows, notes = [], []
    for metric in config.data.headline(rates):
        ends, header = MISSING, header_words(metric)
        if metric.name in unresolved:
            header += DOUBLE_DAGGER
        elif metric.name in intervals and not math.isnan(intervals[metric.name].low):
            ends = interval_words(metric, *intervals[metric.name])
        rows.append(MetricRow(metric, header, ends))
    if any(row.header.endswith(DOUBLE_DAGGER) for row in rows):
        notes.append(unresolved_words(rates))
    drawn = "other examples of the same kind"
    if groups is not None:
        number = len(set(groups.tolist()))
        drawn = f"whole groups of examples, such as patients, of which there are {number:,}"
    return MetricReport(tuple(rows), any(row.interval != MISSING for row in rows), drawn, tuple(notes))


def unresolved_words(rates: Targets) -> str:
    """What the mark of a rate means, for which there are too few positives."""
    needed = needed_words(percent(rate) for rate in rates.tpr)
    return (
        f"{DOUBLE_DAGGER}: not resolved: too few positives to tell that true positive rate "
        f"from 100 % ({needed})"
    )
