"""What a kind of task computes from labels and stored outputs; NumPy only, so that analysis may import it.

Outputs are what a trial stores of an example: a score [N] for a binary task, else a logit per class or label
[N, K]. Several rows of them (replicates, or their mean) are [rows, N] or [rows, N, K].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.config import DEFAULT_TARGETS, Metric, Targets, Task
from search_spaces.config.metrics import Role, fpr_at_tpr
from trainer.metrics.partial import resampled_partial_areas
from trainer.metrics.ranking import Floats, auroc_influences
from trainer.metrics.resampled import Counts, ranking_metrics
from trainer.metrics.resolution import positives_to_resolve
from trainer.metrics.thresholds import LabelThreshold, ThresholdRule
from trainer.registry import resolve
from trainer.tasks.label_sets import Labels

_ROLES: tuple[Role, ...] = ("headline", "curve", "summary")


@dataclass(frozen=True, eq=False)
class Column:
    """One comparison: whose score is to be higher than whose.

    scores     float64 [rows, N], higher = more critical
    positive   bool [N]
    negative   bool [N]; what is neither is left out of this comparison
    """

    name: str
    scores: Floats
    positive: NDArray[np.bool_]
    negative: NDArray[np.bool_]


class TaskArrays(ABC):
    """A task's targets, counts, columns and metrics. `rates` are those at which ROC curves are read."""

    def __init__(self, task: Task, rates: Targets = DEFAULT_TARGETS) -> None:
        self.rates = rates
        self.metrics: tuple[Metric, ...] = task.metrics(rates)

    def names(self, *roles: str) -> list[str]:
        """Names of the metrics of these roles, in their order."""
        return [metric.name for metric in self.metrics if metric.role in roles]

    @abstractmethod
    def targets(self, classes: Labels) -> NDArray[np.generic]:
        """Targets [N], as they are stored, of examples whose class is a position among the task's labels.

        Of label sets, `classes` [N, L], they are [N, L].
        """

    @abstractmethod
    def check_split(self, split: str, classes: Labels, data_set: str) -> None:
        """Raise DataError where a validation or test split lacks examples that a metric needs."""

    @abstractmethod
    def class_counts(
        self,
        sizes: Sequence[int],
        available: Sequence[int],
        data_set: str,
        sets: NDArray[np.uint8] | None = None,
    ) -> tuple[int, ...]:
        """How many training examples a seed draws of each class, or of each label set.

        `sizes` are a class's training examples that are not held out; `available` is what is left of these
        when copies of held-out images are taken away: no class gives more. Raises DataError where a class
        would give none, or less than the task asks for. Of a task with label sets `available`, and what is
        returned, are examples of each of `sets` [S, L], and `sizes` of each label.
        """

    @abstractmethod
    def positives(self, counts: Sequence[int]) -> dict[str, int]:
        """How many positives each column has, by its name, of so many examples of each class or label."""

    @abstractmethod
    def count_facts(self, targets: NDArray[np.generic]) -> dict[str, int]:
        """The training targets [N] of a replicate, counted, by the names under which a result has them."""

    def label_pairs(self, targets: NDArray[np.generic]) -> list[list[int]] | None:
        """How many of the targets [N] have both of two labels, [L][L]; None of a task without label sets."""
        return None

    @abstractmethod
    def drawn_counts(self, facts: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Training examples per class, as losses know them, of what a result says; None where it does not.

        `facts` are those of `count_facts`, among others.
        """

    @abstractmethod
    def count_words(self, targets: NDArray[np.generic]) -> str:
        """The targets [N] of a split, counted, as a sentence has it."""

    @abstractmethod
    def summarize_rows(
        self,
        targets: ArrayLike,
        outputs: ArrayLike,
        *,
        decides_at_zero: bool = True,
        counts: Sequence[int] | None = None,
    ) -> dict[str, Floats]:
        """Every metric of rows of outputs against the same targets [N]: a value [rows] for each name.

        What is undefined is NaN. `decides_at_zero` says whether the outputs' loss decides at score 0;
        `counts` are the training examples of `drawn_counts`, where they are known.
        """

    @abstractmethod
    def undefined_reason(self, targets: ArrayLike, outputs: ArrayLike) -> str | None:
        """Why the metrics of a row of outputs are NaN, or None where they are defined."""

    @abstractmethod
    def columns(self, targets: ArrayLike, outputs: ArrayLike) -> tuple[Column, ...]:
        """What ROC curves and operating points are read of: one column per critical class."""

    def label_thresholds(
        self, targets: ArrayLike, outputs: ArrayLike, rule: ThresholdRule, *, shrink: float = 0.0
    ) -> dict[str, LabelThreshold]:
        """The threshold of each label, by its name, that a rule chooses on validation outputs.

        `outputs` are those of each replicate, [replicates, N, L]; `shrink` is that of
        `trainer.metrics.thresholds.label_thresholds`. Empty of a task without label sets.
        """
        return {}

    def at_thresholds(
        self, targets: ArrayLike, outputs: ArrayLike, thresholds: Mapping[str, float]
    ) -> dict[str, float]:
        """What deciding for labels at these thresholds, by the labels' names, comes to.

        `outputs` are one row. The names are those of `summarize`. Empty of a task without label sets.
        """
        return {}

    def confusion(self, targets: ArrayLike, outputs: ArrayLike) -> NDArray[np.int64] | None:
        """How many examples of each class are taken for each class, [K, K], a row per true one.

        `outputs` are one row. None of a task that does not decide by the highest output, and of a NaN.
        """
        return None

    @abstractmethod
    def strata(self, targets: ArrayLike) -> tuple[NDArray[np.int64], ...]:
        """Positions of the examples of each stratum, from which a stratified bootstrap draws."""

    def resampled(
        self,
        targets: NDArray[Any],
        outputs: NDArray[Any],
        counts: Counts,
        *,
        headline: bool = False,
        thresholds: Mapping[str, float] | None = None,
    ) -> dict[str, Floats]:
        """Metrics of one row of outputs on resampled test sets: a value [draws] for each name.

        With `headline` those alone that are shown everywhere.

        counts       [N, draws], how often each example stands in a draw (see `trainer.metrics.resampled`)
        thresholds   at which labels are decided for, by their names; None is 0 (p = 0.5) of each
        """
        rates, roles = self.rates, _ROLES
        if headline:
            rates, roles = Targets(tpr=self.rates.tpr, fpr=()), ("headline",)
        known = self.names(*roles)
        found = self._resampled(targets, outputs, counts, rates, thresholds)
        return {name: value for name, value in found.items() if name in known}

    def _resampled(
        self,
        targets: NDArray[Any],
        outputs: NDArray[Any],
        counts: Counts,
        rates: Targets,
        thresholds: Mapping[str, float] | None,
    ) -> dict[str, Floats]:
        """Those metrics of `resampled` that follow from the columns' ranking, read at `rates`."""

        def measured(column: Column) -> dict[str, Floats]:
            return ranking_metrics(column.scores[0], column.positive, column.negative, counts, rates)

        return self._of_columns(self.columns(targets, outputs), measured)

    def influences(self, targets: NDArray[Any], outputs: NDArray[Any]) -> dict[str, Floats]:
        """How far each example moves the areas under ROC curves of one row of outputs: [N] for each name.

        See `trainer.metrics.ranking.auroc_influences`.
        """

        def measured(column: Column) -> dict[str, Floats]:
            return {"auroc": auroc_influences(column.scores[0], column.positive, column.negative)}

        return self._of_columns(self.columns(targets, outputs), measured)

    def _of_columns(
        self, columns: Iterable[Column], measure: Callable[[Column], Mapping[str, Floats]]
    ) -> dict[str, Floats]:
        """What is measured of each column, by the metrics' names there, and the means over columns."""
        known = self.names(*_ROLES)
        of_columns, found = [], {}
        for column in columns:
            values = measure(column)
            of_columns.append(values)
            for name, value in values.items():
                found[column_metric(name, column.name, known)] = value
        return found | self.column_means(of_columns)

    def column_means(self, of_columns: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
        """Those metrics that are means of a metric of all columns, of the columns' values by name."""
        found = {}
        for metric in self.metrics:
            if metric.mean_of and metric.mean_of in of_columns[0]:
                found[metric.name] = np.mean([values[metric.mean_of] for values in of_columns], axis=0)
        return found

    def resampled_partial(
        self, targets: NDArray[Any], outputs: NDArray[Any], counts: Counts
    ) -> dict[str, Floats]:
        """The partial areas of one row of outputs on resampled sets: a value [draws] for each name.

        `counts` as `resampled` takes them, whose values do without these areas: they take longer than all.
        """

        def measured(column: Column) -> dict[str, Floats]:
            taken = column.positive | column.negative
            return resampled_partial_areas(column.scores[0][taken], column.positive[taken], counts[taken])

        return self._of_columns(self.columns(targets, outputs), measured)

    def unresolved(self, targets: ArrayLike, outputs: ArrayLike, *, share: float = 1.0) -> frozenset[str]:
        """Names of the metrics at a true positive rate for which there are too few positives.

        With a `share` below 1, for which so many of the positives are too few (`trainer.metrics.resolution`).
        """
        known, found = self.names(*_ROLES), set()
        for column in self.columns(targets, outputs):
            positives = share * np.count_nonzero(column.positive)
            for rate in self.rates.tpr:
                if positives < positives_to_resolve(rate):
                    found.add(column_metric(fpr_at_tpr(rate).name, column.name, known))
        return frozenset(found)

    def summarize(
        self,
        targets: ArrayLike,
        outputs: ArrayLike,
        *,
        decides_at_zero: bool = True,
        counts: Sequence[int] | None = None,
    ) -> dict[str, float]:
        """Every metric of one row of outputs: a number for each name."""
        row = np.asarray(outputs)[None]
        rows = self.summarize_rows(targets, row, decides_at_zero=decides_at_zero, counts=counts)
        return {name: float(values[0]) for name, values in rows.items()}


def column_metric(name: str, column: str, known: Container[str]) -> str:
    """The name of a column's metric: a task that has but one column names its metrics without it."""
    of_column = f"{name}/{column}"
    return of_column if of_column in known else name


def task_arrays(task: Task, rates: Targets = DEFAULT_TARGETS) -> TaskArrays:
    """What a task computes from stored outputs, with ROC curves read at these rates."""
    arrays: TaskArrays = resolve(task.arrays)(task, rates)
    return arrays
