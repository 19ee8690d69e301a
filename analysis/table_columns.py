"""Which metrics the table of a block shows, in which order and under which names: its task says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.adjusted import adjusted_metrics
from analysis.tuned import with_tuned
from search_spaces.config import Metric, Targets, Task
from search_spaces.config.metrics import auroc

# Of more classes than these that have a metric each, none is printed; the CSV file and a figure have them.
MOST_PRINTED = 10
TAU, UNRESOLVED, TIED, BATCHES = "adjusted_tau", "unresolved", "tied", "critical_batches"
SCORED_LAST = "val_scored_last"
CHOICE_COLUMNS = ("val_rule", "val_corrected", SCORED_LAST)
PUBLISHED_COLUMNS = ("published_macro_f1", "published_accuracy", "published_source")


@dataclass(frozen=True)
class TableColumns:
    """The metrics in a block's table.

    steering   the metric that steers; of it the mean over replicates is shown too
    shown      those of the ensemble that are printed, in their order
    listed     further ones, which stand in the CSV file only
    ruled      which of them are of other decisions than the plain ones (`analysis.adjusted`, `.tuned`)
    """

    steering: Metric
    shown: tuple[Metric, ...]
    listed: tuple[Metric, ...] = ()
    ruled: tuple[Metric, ...] = ()

    @property
    def known(self) -> tuple[Metric, ...]:
        """Every metric that the CSV file has, the printed ones first."""
        return (*self.shown, *self.listed)

    @property
    def headline(self) -> tuple[Metric, ...]:
        """The headline metrics: those that rows are compared in."""
        return tuple(m for m in self.known if m.role == "headline" and m not in self.ruled)


def table_columns(task: Task, shown: Targets) -> TableColumns:
    """The metrics to show at these rates.

    These are all headline metrics, others that tables have, what is read at a false positive rate, and those
    of adjusted decisions; in the CSV file partial areas too.
    """
    headline = task.headline(shown)
    at_no_fpr = task.metrics(Targets(tpr=shown.tpr, fpr=()))
    columns = []
    for metric in task.metrics(shown):
        if metric in headline or metric.tabled or metric not in at_no_fpr:
            columns.append(metric)
    unprinted = [metric for metric in task.metrics(shown) if metric.listed]
    ruled: tuple[Metric, ...] = ()
    of_all = tuple(metric for metric in columns if not metric.is_of_one_class)
    of_each = tuple(metric for metric in columns if metric.is_of_one_class)
    if task.decides_by_highest:
        ruled = adjusted_metrics(tuple(columns))
        of_all = (*of_all, *ruled)
    if task.has_label_sets:
        of_all, of_means = with_tuned(of_all)
        of_each, of_labels = with_tuned(of_each)
        ruled = (*of_means, *of_labels)
    printed, listed = _apart(of_each)
    return TableColumns(
        steering=task.steering_metric,
        shown=(*of_all, *printed),
        listed=(*listed, *unprinted),
        ruled=ruled,
    )


def column_name(metric: Metric) -> str:
    """A metric's column in a frame and its CSV file."""
    return "auc" if metric == auroc() else metric.name


def interval_columns(metric: Metric) -> tuple[str, str]:
    """The columns of the two ends of a metric's interval."""
    column = column_name(metric)
    return f"{column}_low", f"{column}_high"


def mean_interval_columns(metric: Metric) -> tuple[str, str]:
    """The columns of the two ends of the interval of a metric's mean over replicates."""
    column = column_name(metric)
    return f"{column}_mean_low", f"{column}_mean_high"


def spread_columns(metric: Metric) -> tuple[str, str]:
    """The columns of a metric's mean and deviation over replicates."""
    column = column_name(metric)
    return f"{column}_mean", f"{column}_std"


def each_column(metric: Metric) -> str:
    """The column of a metric's value of each of few replicates."""
    return f"{column_name(metric)}_each"


def _apart(metrics: Sequence[Metric]) -> tuple[list[Metric], list[Metric]]:
    """Metrics of single classes: those that are printed, and those of which there are too many."""
    sizes = Counter(metric.family for metric in metrics)
    printed: list[Metric] = []
    listed: list[Metric] = []
    for metric in metrics:
        is_readable = sizes[metric.family] <= MOST_PRINTED
        (printed if is_readable else listed).append(metric)
    return printed, listed
