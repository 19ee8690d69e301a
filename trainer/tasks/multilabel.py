"""Several labels at once, some critical: a target is a label set, an output a logit per label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.config import DEFAULT_TARGETS, MultiLabel, Targets
from search_spaces.errors import DataError, InputError
from trainer.metrics import binary as ranking
from trainer.metrics import multilabel as metrics
from trainer.metrics.calibration import logit_calibration_error
from trainer.metrics.ranking import Floats, auroc_influences
from trainer.metrics.resampled import Counts, ranking_metrics
from trainer.metrics.thresholds import LabelThreshold, ThresholdRule, label_thresholds
from trainer.tasks.base import Column, TaskArrays
from trainer.tasks.label_sets import Labels, label_counts
from trainer.tasks.prevalence import keeping, whole_counts

_EXAMPLES = "train_examples"
# What is the mean over labels of which of their metrics.
_MACRO = {
    "mean_average_precision": "average_precision",
    "macro_auroc": "auroc",
    "macro_f1": "f1",
    "macro_precision": "precision",
    "macro_recall": "recall",
}


class MultiLabelArrays(TaskArrays):
    """See `TaskArrays`. Targets are label sets, uint8 [N, L]; outputs are logits."""

    def __init__(self, task: MultiLabel, rates: Targets = DEFAULT_TARGETS) -> None:
        super().__init__(task, rates)
        self.task = task
        self.names_of_labels = [str(label) for label in task.classes]
        self.critical = [task.classes.index(label) for label in task.critical]

    def targets(self, classes: Labels) -> NDArray[np.generic]:
        """The label sets themselves, uint8 [N, L]."""
        return classes.astype(np.uint8)

    def check_split(self, split: str, classes: Labels, data_set: str) -> None:
        """Raise DataError for a split in which no example, or every one, has a label."""
        counts = label_counts(classes, len(self.task.classes))
        for label, count in zip(self.task.classes, counts, strict=True):
            if count in (0, len(classes)):
                which = "no example with" if count == 0 else "no example without"
                raise DataError(f"{data_set}: the {split} split has {which} label {label!r}")

    def class_counts(
        self,
        sizes: Sequence[int],
        available: Sequence[int],
        data_set: str,
        sets: NDArray[np.uint8] | None = None,
    ) -> tuple[int, ...]:
        """`train_share` of each label set, thinned where labels are to have shares in training."""
        if sets is None:
            raise InputError("expected the label sets of the training images, given none")
        shares = self.task.kept_shares("training")
        weights = keeping(sets, available, shares) if len(sets) else None
        if weights is None:
            asked = self._listed(shares) if shares else "any"
            raise DataError(
                f"{data_set}: expected training images of which the shares can be {asked}, found none"
            )
        wanted = self.task.train_share * weights * np.asarray(available, dtype=np.float64)
        counts = whole_counts(sets, wanted.tolist(), available)
        given = np.asarray(counts) @ sets.astype(np.int64)
        for place, label in enumerate(self.task.classes):
            if not 0 < given[place] < sum(counts):
                which = "with" if given[place] == 0 else "without"
                raise DataError(
                    f"{data_set}: expected training images {which} label {label!r}, found none among "
                    f"{sum(counts):,} of {sum(available):,}"
                )
        return counts

    def _listed(self, shares: Mapping[int, float]) -> str:
        return ", ".join(
            f"{share:g} of label {self.task.classes[place]!r}" for place, share in shares.items()
        )

    def positives(self, counts: Sequence[int]) -> dict[str, int]:
        """The examples with each critical label."""
        names = self.task.columns("one_vs_rest")
        return {name: counts[place] for name, place in zip(names, self.critical, strict=True)}

    def count_facts(self, targets: NDArray[np.generic]) -> dict[str, int]:
        """The training set's examples with each label, "train/8", and in all."""
        names = [f"train/{label}" for label in self.task.classes]
        counts = label_counts(targets.astype(np.int64), len(names))
        return {**dict(zip(names, counts, strict=True)), _EXAMPLES: len(targets)}

    def label_pairs(self, targets: NDArray[np.generic]) -> list[list[int]]:
        """See `TaskArrays`; the diagonal counts the examples with each label."""
        sets = np.asarray(targets).astype(np.int64)
        pairs: list[list[int]] = (sets.T @ sets).tolist()
        return pairs

    def drawn_counts(self, facts: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Training examples with each label, in the task's order."""
        found = [facts.get(f"train/{label}") for label in self.task.classes]
        return None if None in found else tuple(map(int, found))  # type: ignore[arg-type]

    def count_words(self, targets: NDArray[np.generic]) -> str:
        """How many have each critical label."""
        counts = label_counts(targets.astype(np.int64), len(self.task.classes))
        words = [f"{counts[place]} with label {self.task.classes[place]}" for place in self.critical]
        return ", ".join(words)

    def summarize_rows(
        self,
        targets: ArrayLike,
        outputs: ArrayLike,
        *,
        decides_at_zero: bool = True,
        counts: Sequence[int] | None = None,
    ) -> dict[str, Floats]:
        """Each label's counts, rates, areas and calibration, their means over labels, and micro averages.

        Scores that do not decide at 0 are no logits: what depends on decisions is NaN. So is every metric of
        a row with a NaN.
        """
        sets, logits = self._checked(targets, outputs)
        found = {metric.name: np.full(len(logits), np.nan) for metric in self.metrics}
        defined = ~np.isnan(logits).any(axis=(1, 2))
        if not len(sets) or not defined.any():
            return found
        values = self._ranking_metrics(sets, logits[defined])
        if decides_at_zero:
            values.update(self._decision_metrics(sets, logits[defined]))
            values.update(self._calibration(sets, logits[defined]))
        for name, value in values.items():
            found[name][defined] = value
        return found

    def _ranking_metrics(self, sets: NDArray[np.bool_], logits: Floats) -> dict[str, Floats]:
        """Areas and rates of each label, and their means over all labels."""
        known = {metric.name for metric in self.metrics}
        found: dict[str, Floats] = {}
        areas, precisions, of_critical = [], [], []
        for place, name in enumerate(self.names_of_labels):
            values = ranking.summarize_rows(sets[:, place], logits[:, :, place], rates=self.rates)
            areas.append(values["auroc"])
            precisions.append(values["average_precision"])
            if place in self.critical:
                of_critical.append(values)
            for metric, value in values.items():
                if f"{metric}/{name}" in known:
                    found[f"{metric}/{name}"] = value
        found["macro_auroc"] = np.mean(areas, axis=0)
        found["mean_average_precision"] = np.mean(precisions, axis=0)
        return found | self.column_means(of_critical)

    def _calibration(self, sets: NDArray[np.bool_], logits: Floats) -> dict[str, Floats]:
        """Of the decisions at score 0, of each label, and the mean over labels."""
        errors = _calibration_errors(sets, logits)
        found = {"calibration_error": errors.mean(axis=1)}
        for place, name in enumerate(self.names_of_labels):
            found[f"calibration_error/{name}"] = errors[:, place]
        return found

    def _decision_metrics(
        self, sets: NDArray[np.bool_], logits: Floats, thresholds: ArrayLike = 0.0
    ) -> dict[str, Floats]:
        """What deciding comes to, of rows [rows, N, L]: of each label, and over all of them."""
        found: dict[str, Floats] = {}
        counts = metrics.decided(sets, logits, thresholds)
        of_labels = {
            **{field: values.astype(np.float64) for field, values in counts._asdict().items()},
            "precision": metrics.precision(counts),
            "recall": metrics.recall(counts),
            "f1": metrics.f1(counts),
        }
        for place, name in enumerate(self.names_of_labels):
            for metric, values in of_labels.items():
                found[f"{metric}/{name}"] = values[:, place]
        for metric in ("precision", "recall", "f1"):
            found[f"macro_{metric}"] = of_labels[metric].mean(axis=1)
        found["critical_f1"] = of_labels["f1"][:, self.critical].mean(axis=1)
        summed = counts.summed()
        found["micro_precision"] = metrics.precision(summed)
        found["micro_recall"] = metrics.recall(summed)
        found["micro_f1"] = metrics.f1(summed)
        return found

    def label_thresholds(
        self, targets: ArrayLike, outputs: ArrayLike, rule: ThresholdRule, *, shrink: float = 0.0
    ) -> dict[str, LabelThreshold]:
        """See `TaskArrays`."""
        sets, logits = self._checked(targets, outputs)
        chosen = label_thresholds(sets, logits, rule, shrink=shrink)
        return dict(zip(self.names_of_labels, chosen, strict=True))

    def at_thresholds(
        self, targets: ArrayLike, outputs: ArrayLike, thresholds: Mapping[str, float]
    ) -> dict[str, float]:
        """See `TaskArrays`: counts, precision, recall and F1.

        A label whose threshold is NaN is never decided for. Of outputs with a NaN they are NaN.
        """
        sets, logits = self._checked(targets, outputs)
        values = [thresholds[name] for name in self.names_of_labels]
        found = self._decision_metrics(sets, logits[:1], values)
        if np.isnan(logits[0]).any():
            return dict.fromkeys(found, math.nan)
        return {name: float(row[0]) for name, row in found.items()}

    def _resampled(
        self,
        targets: NDArray[Any],
        outputs: NDArray[Any],
        counts: Counts,
        rates: Targets,
        thresholds: Mapping[str, float] | None,
    ) -> dict[str, Floats]:
        """Areas, rates and what follows from decisions, of each label and over all of them."""
        at = dict.fromkeys(self.names_of_labels, 0.0) if thresholds is None else thresholds
        sets, logits = self._checked(targets, outputs)
        found: dict[str, Floats] = {}
        of_labels, decided = [], []
        for place, name in enumerate(self.names_of_labels):
            has, scores = sets[:, place], logits[0, :, place]
            values = ranking_metrics(scores, has, ~has, counts, rates, precision=True)
            of_labels.append(values)
            decided.append(metrics.resampled_decisions(has, scores >= at[name], counts))
            values |= metrics.shares(decided[-1])
            found |= {f"{metric}/{name}": value for metric, value in values.items()}
        for macro, name in _MACRO.items():
            found[macro] = np.mean([values[name] for values in of_labels], axis=0)
        found["critical_f1"] = np.mean([of_labels[place]["f1"] for place in self.critical], axis=0)
        summed = [np.sum(parts, axis=0) for parts in zip(*decided, strict=True)]
        for name, value in metrics.shares(metrics.Decided(*summed)).items():
            found[f"micro_{name}"] = value
        return found

    def influences(self, targets: NDArray[Any], outputs: NDArray[Any]) -> dict[str, Floats]:
        """See `TaskArrays`; of each label, and of their mean."""
        sets, logits = self._checked(targets, outputs)
        found = {}
        for place, name in enumerate(self.names_of_labels):
            has = sets[:, place]
            found[f"auroc/{name}"] = auroc_influences(logits[0, :, place], has, ~has)
        return found | {"macro_auroc": np.mean(list(found.values()), axis=0)}

    def undefined_reason(self, targets: ArrayLike, outputs: ArrayLike) -> str | None:
        """Why metrics are NaN: a label that no example has, or every one; a logit that is NaN."""
        sets, logits = self._checked(targets, outputs)
        if not len(sets):
            return "no examples"
        for place, label in enumerate(self.task.classes):
            if sets[:, place].all() or not sets[:, place].any():
                which = "without" if sets[:, place].any() else "with"
                return f"no examples {which} label {label}"
        return "a logit is NaN" if np.isnan(logits).any() else None

    def columns(self, targets: ArrayLike, outputs: ArrayLike) -> tuple[Column, ...]:
        """The logits of each critical label, of examples with it and without it."""
        sets, logits = self._checked(targets, outputs)
        found = []
        for place, name in zip(self.critical, self.task.columns("one_vs_rest"), strict=True):
            positive = sets[:, place]
            found.append(Column(name, np.ascontiguousarray(logits[:, :, place]), positive, ~positive))
        return tuple(found)

    def strata(self, targets: ArrayLike) -> tuple[NDArray[np.int64], ...]:
        """All examples as one: most label sets of a few examples would be drawn as they are."""
        return (np.arange(len(np.asarray(targets))),)

    def _checked(self, targets: ArrayLike, outputs: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
        """Label sets bool [N, L] and logits [rows, N, L]; raises InputError for other shapes or values."""
        sets, logits = np.asarray(targets), np.asarray(outputs, dtype=np.float64)
        count = len(self.task.classes)
        if logits.ndim == 2:
            logits = logits[None]
        if sets.ndim != 2 or sets.shape[1] != count or logits.ndim != 3 or logits.shape[1:] != sets.shape:
            raise InputError(
                f"expected targets [N, {count}] and logits [N, {count}] or [rows, N, {count}], given shapes "
                f"{np.shape(targets)} and {np.shape(outputs)}"
            )
        has = sets == 1
        if not np.all(has | (sets == 0)):
            raise InputError(f"expected targets 0 and 1, given the values {np.unique(sets)[:10].tolist()}")
        return has, logits


def _calibration_errors(sets: NDArray[np.bool_], logits: Floats) -> Floats:
    """Of the decisions for each label at score 0, [rows, L]."""
    rows, _, labels = logits.shape
    found = np.full((rows, labels), np.nan)
    for row in range(rows):
        for place in range(labels):
            found[row, place] = logit_calibration_error(sets[:, place], logits[row, :, place])
    return found
