"""Which metrics the table of a block shows, in which order and under which names: its task says."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.config import Metric, Targets, Task
from search_spaces.config.metrics import auroc


@dataclass(frozen=True)
class TableColumns:
    """The metrics in a block's table.

    steering   the metric that steers; of it the mean over replicates is shown too
    shown      those of the ensemble, in their order
    """

    steering: Metric
    shown: tuple[Metric, ...]

    @property
    def pictured(self) -> Metric:
        """What the table's picture shows: a false positive rate that stands behind what steers, or that."""
        behind = self.shown[1:2]
        if behind and behind[0].better == "lower":
            return behind[0]
        return self.steering


def table_columns(task: Task, shown: Targets) -> TableColumns:
    """The metrics to show at these rates: all headline metrics, and what is read at a false positive rate."""
    headline = task.headline(shown)
    at_no_fpr = task.metrics(Targets(tpr=shown.tpr, fpr=()))
    columns = []
    for metric in task.metrics(shown):
        if metric in headline or metric not in at_no_fpr:
            columns.append(metric)
    return TableColumns(task.steering_metric, tuple(columns))


def column_name(metric: Metric) -> str:
    """A metric's column in a frame and its CSV file."""
    return "auc" if metric == auroc() else metric.name


def interval_columns(metric: Metric) -> tuple[str, str]:
    """The columns of the two ends of a metric's interval."""
    column = column_name(metric)
    return f"{column}_low", f"{column}_high"


def spread_columns(metric: Metric) -> tuple[str, str]:
    """The columns of a metric's mean and deviation over replicates."""
    column = column_name(metric)
    return f"{column}_mean", f"{column}_std"
