"""Several classes, some critical: a target is a class, outputs are logits, a column is a critical class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.config import DEFAULT_TARGETS, Imbalance, MultiClass, Targets
from search_spaces.config.metrics import GROUP_SIZES, frequency_group
from search_spaces.errors import DataError, InputError
from trainer.metrics import binary as ranking
from trainer.metrics import multiclass as metrics
from trainer.metrics.calibration import expected_calibration_error
from trainer.metrics.ranking import Floats
from trainer.metrics.resampled import Counts, decision_metrics
from trainer.tasks.base import Column, TaskArrays
from trainer.tasks.counts import check_each, shares, tail
from trainer.tasks.label_sets import Labels


class MultiClassArrays(TaskArrays):
    """See `TaskArrays`. Targets are positions among the task's classes, int16; outputs are logits."""

    def __init__(self, task: MultiClass, rates: Targets = DEFAULT_TARGETS) -> None:
        super().__init__(task, rates)
        self.task = task
        self.critical = [task.classes.index(label) for label in task.critical]

    def targets(self, classes: Labels) -> NDArray[np.generic]:
        """The classes themselves, int16 [N]."""
        return classes.astype(np.int16)

    def check_split(self, split: str, classes: Labels, data_set: str) -> None:
        """Raise DataError for a split that lacks a class."""
        for position, label in enumerate(self.task.classes):
            if not np.any(classes == position):
                raise DataError(f"{data_set}: the {split} split has no example of class {label!r}")

    def class_counts(
        self,
        sizes: Sequence[int],
        available: Sequence[int],
        data_set: str,
        sets: NDArray[np.uint8] | None = None,
    ) -> tuple[int, ...]:
        """`train_share` of each class; of a long tail as many of the first, and its profile from there."""
        task = self.task
        given = shares(task.train_share, sizes, available)
        check_each(task, given, task.classes, sizes, data_set)
        if task.imbalance is None:
            return tuple(given)
        counts = tail(given[0], task.imbalance.factor, self._places(task.imbalance))
        for count, label, left in zip(counts, task.classes, given, strict=True):
            if not 0 < count <= left:
                raise DataError(
                    f"{data_set}: {task.ratio_words()} of {given[0]} asks for {count} training examples of "
                    f"class {label!r}, expected 1 to {left}"
                )
        return tuple(counts)

    def _places(self, imbalance: Imbalance) -> list[float]:
        """Where each class stands in the tail, from 0, the most frequent, to 1."""
        task, count = self.task, len(self.task.classes)
        match imbalance.profile:
            case "exponential":
                return [position / (count - 1) for position in range(count)]
            case "step":
                return [float(position >= count - count // 2) for position in range(count)]
            case "cui":
                every = task.source.classes_told.every
                return [every.index(label) / (len(every) - 1) for label in task.classes]

    def positives(self, counts: Sequence[int]) -> dict[str, int]:
        """The examples of each critical class."""
        return {str(self.task.classes[place]): counts[place] for place in self.critical}

    def count_facts(self, targets: NDArray[np.generic]) -> dict[str, int]:
        """The training set's examples of each class: "train/8"."""
        names = [f"train/{label}" for label in self.task.classes]
        return dict(zip(names, self._counts(targets), strict=True))

    def drawn_counts(self, facts: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Training examples of each class, in the task's order."""
        found = []
        for label in self.task.classes:
            if f"train/{label}" not in facts:
                return None
            found.append(int(facts[f"train/{label}"]))
        return tuple(found)

    def count_words(self, targets: NDArray[np.generic]) -> str:
        """How many are of each critical class."""
        counts = self._counts(targets)
        words = [f"{counts[position]} of class {self.task.classes[position]}" for position in self.critical]
        return ", ".join(words)

    def _counts(self, targets: NDArray[np.generic]) -> list[int]:
        counts = np.bincount(targets.astype(np.int64), minlength=len(self.task.classes))
        return [int(count) for count in counts]

    def summarize_rows(
        self,
        targets: ArrayLike,
        outputs: ArrayLike,
        *,
        decides_at_zero: bool = True,
        counts: Sequence[int] | None = None,
    ) -> dict[str, Floats]:
        """What follows from decisions, of all classes and of each; each critical class's ranking metrics.

        A class is decided for by its logit, whatever `decides_at_zero`. Without `counts` the recall of groups
        of classes is undefined.
        """
        classes, logits = self._checked(targets, outputs)
        found = {metric.name: np.full(len(logits), np.nan) for metric in self.metrics}
        defined = ~np.isnan(logits).any(axis=(1, 2))
        if not classes.size or not defined.any():
            return found
        for name, values in self._ranking_metrics(classes, logits[defined]).items():
            found[name][defined] = values
        for row in np.flatnonzero(defined):
            for name, value in self._decision_metrics(classes, logits[row]).items():
                found[name][row] = value
        if counts is not None:
            for group in GROUP_SIZES:
                found[f"recall_{group}"] = self._group_recall(group, counts, found)
        return found

    def _group_recall(self, group: str, counts: Sequence[int], found: Mapping[str, Floats]) -> Floats:
        """The mean recall [rows] of the classes of a group; NaN where it has none."""
        members = []
        for count, label in zip(counts, self.task.classes, strict=True):
            if frequency_group(count) == group:
                members.append(found[f"recall/{label}"])
        if not members:
            return np.full_like(found["accuracy"], np.nan)
        mean: Floats = np.mean(members, axis=0)
        return mean

    def _ranking_metrics(self, classes: NDArray[np.int64], logits: Floats) -> dict[str, Floats]:
        known = {metric.name for metric in self.metrics}
        found: dict[str, Floats] = {}
        of_columns = []
        for column in self.columns(classes, logits):
            values = ranking.summarize_rows(column.positive, column.scores, rates=self.rates)
            of_columns.append(values)
            for name, value in values.items():
                if f"{name}/{column.name}" in known:
                    found[f"{name}/{column.name}"] = value
        return found | self.column_means(of_columns)

    def _decision_metrics(self, classes: NDArray[np.int64], logits: Floats) -> dict[str, float]:
        decided, count = metrics.decisions(logits), len(self.task.classes)
        recalls = metrics.recalls(classes, decided, count)
        found = {f"recall/{label}": float(recalls[i]) for i, label in enumerate(self.task.classes)}
        correct = decided == classes
        found["accuracy"] = float(np.mean(correct))
        found["calibration_error"] = expected_calibration_error(metrics.confidences(logits), correct)
        found["balanced_accuracy"] = metrics.balanced_accuracy(classes, decided, count)
        found["macro_f1"] = metrics.macro_f1(classes, decided, count)
        return found

    def _resampled(
        self,
        targets: NDArray[Any],
        outputs: NDArray[Any],
        counts: Counts,
        rates: Targets,
        thresholds: Mapping[str, float] | None,
    ) -> dict[str, Floats]:
        """Those of the columns, and what follows from decisions."""
        found = super()._resampled(targets, outputs, counts, rates, thresholds)
        classes, logits = self._checked(targets, outputs)
        decided = metrics.decisions(logits[0])
        values, recalls = decision_metrics(classes, decided, counts, len(self.task.classes))
        for label, recall in zip(self.task.classes, recalls, strict=True):
            values[f"recall/{label}"] = recall
        return {**found, **values}

    def undefined_reason(self, targets: ArrayLike, outputs: ArrayLike) -> str | None:
        """Why metrics are NaN: a class without an example, a logit that is NaN."""
        classes, logits = self._checked(targets, outputs)
        if not classes.size:
            return "no examples"
        for position, label in enumerate(self.task.classes):
            if not np.any(classes == position):
                return f"no examples of class {label}"
        return "a logit is NaN" if np.isnan(logits).any() else None

    def columns(self, targets: ArrayLike, outputs: ArrayLike) -> tuple[Column, ...]:
        """A column per critical class, against all others: its score is its log-odds."""
        classes, logits = self._checked(targets, outputs)
        found = []
        for position in self.critical:
            positive = classes == position
            name = str(self.task.classes[position])
            found.append(Column(name, metrics.log_odds(logits, position), positive, ~positive))
        return tuple(found)

    def confusion(self, targets: ArrayLike, outputs: ArrayLike) -> NDArray[np.int64] | None:
        """Of the highest logits."""
        classes, logits = self._checked(targets, outputs)
        if np.isnan(logits).any():
            return None
        return metrics.confusion(classes, metrics.decisions(logits[0]), len(self.task.classes))

    def strata(self, targets: ArrayLike) -> tuple[NDArray[np.int64], ...]:
        """The examples of each class."""
        classes = np.asarray(targets)
        return tuple(np.flatnonzero(classes == position) for position in range(len(self.task.classes)))

    def _checked(self, targets: ArrayLike, outputs: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
        """Classes [N] and logits [rows, N, K]; raises InputError for other shapes or values."""
        classes, logits = np.asarray(targets), np.asarray(outputs, dtype=np.float64)
        count = len(self.task.classes)
        if logits.ndim == 2:
            logits = logits[None]
        if classes.ndim != 1 or logits.ndim != 3 or logits.shape[1:] != (len(classes), count):
            raise InputError(
                f"expected targets [N] and logits [N, {count}] or [rows, N, {count}], given shapes "
                f"{np.shape(targets)} and {np.shape(outputs)}"
            )
        if classes.size and not (classes.min() >= 0 and classes.max() < count):
            raise InputError(f"expected targets 0 to {count - 1}, given {classes.min()} to {classes.max()}")
        return classes.astype(np.int64), logits
