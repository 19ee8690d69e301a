"""Binary tasks: targets 1 = positive (critical) and 0, an output is a score, one column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.config import DEFAULT_TARGETS, Binary, ClassLabel, Targets
from search_spaces.errors import DataError
from trainer.metrics import binary as metrics
from trainer.metrics.calibration import logit_calibration_errors
from trainer.metrics.ranking import Floats, checked
from trainer.tasks.base import Column, TaskArrays
from trainer.tasks.counts import check_each, shares
from trainer.tasks.label_sets import Labels


class BinaryArrays(TaskArrays):
    """See `TaskArrays`. The metrics are those of `trainer.metrics.binary`."""

    def __init__(self, task: Binary, rates: Targets = DEFAULT_TARGETS) -> None:
        super().__init__(task, rates)
        self.task = task

    def targets(self, classes: Labels) -> NDArray[np.generic]:
        """Targets uint8 [N]: 1 for the positive classes."""
        return (classes >= len(self.task.negative)).astype(np.uint8)

    def check_split(self, split: str, classes: Labels, data_set: str) -> None:
        """Raise DataError for a split without a negative or without a positive."""
        positive = self.targets(classes).astype(bool)
        if positive.any() and not positive.all():
            return
        side, labels = "positive", self.task.positive
        if positive.any():
            side, labels = "negative", self.task.negative
        raise DataError(f"{data_set}: the {split} split has no {side} example (class {_listed(labels)})")

    def class_counts(
        self,
        sizes: Sequence[int],
        available: Sequence[int],
        data_set: str,
        sets: NDArray[np.uint8] | None = None,
    ) -> tuple[int, ...]:
        """Negatives first, then positives, as the paper draws them (section 4).

        A negative class gives `train_share` of its size; the positives are `negatives // imbalance_ratio`,
        spread over the positive classes as evenly as these allow, or, without a ratio, `train_share` of
        each class. Everything is rounded down.

        >>> from search_spaces.config import Cifar10
        >>> task = Binary(source=Cifar10(), negative=(1,), positive=(9,), imbalance_ratio=100.0)
        >>> BinaryArrays(task).class_counts((4900, 4900), (4900, 4900), "cifar10")
        (4410, 44)
        """
        task, split = self.task, len(self.task.negative)
        given = shares(task.train_share, sizes, available)
        negatives, positives = given[:split], given[split:]
        if task.imbalance_ratio is None:
            check_each(task, positives, task.positive, sizes[split:], data_set)
        else:
            positives = self._spread(task.imbalance_ratio, sum(negatives), available[split:], data_set)
        check_each(task, negatives, task.negative, sizes[:split], data_set)
        return (*negatives, *positives)

    def _spread(self, ratio: float, negatives: int, available: Sequence[int], data_set: str) -> list[int]:
        """How many of each positive class: `negatives // ratio` in all."""
        asked = int(negatives // Fraction(str(ratio)))
        classes = _listed(self.task.positive)
        what = f"{data_set}: ratio 1:{ratio:g} of {negatives} training negatives"
        if asked == 0:
            raise DataError(
                f"{what} asks for 0 positives of class {classes}, expected 1 or more; "
                f"there are {sum(available)}"
            )
        if asked > sum(available):
            raise DataError(
                f"{what} asks for {asked} positives of class {classes}, there are {sum(available)} "
                "besides validation and test"
            )
        counts = [0] * len(available)
        # The smallest class first: what it cannot give is spread over the larger ones.
        order = sorted(range(len(available)), key=lambda i: (available[i], i))
        for done, index in enumerate(order):
            counts[index] = min(available[index], (asked - sum(counts)) // (len(order) - done))
        return counts

    def positives(self, counts: Sequence[int]) -> dict[str, int]:
        """Those of all positive classes."""
        return {"positive": sum(counts[len(self.task.negative) :])}

    def count_facts(self, targets: NDArray[np.generic]) -> dict[str, int]:
        """The training set's negatives and positives."""
        positives = int(np.count_nonzero(targets))
        return {"train_negatives": len(targets) - positives, "train_positives": positives}

    def drawn_counts(self, facts: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Negatives and positives."""
        found = facts.get("train_negatives"), facts.get("train_positives")
        if None in found:
            return None
        return int(found[0]), int(found[1])  # type: ignore[arg-type]

    def count_words(self, targets: NDArray[np.generic]) -> str:
        """How many are positive."""
        return f"{int(np.count_nonzero(targets))} of them positive"

    def summarize_rows(
        self,
        targets: ArrayLike,
        outputs: ArrayLike,
        *,
        decides_at_zero: bool = True,
        counts: Sequence[int] | None = None,
    ) -> dict[str, Floats]:
        """The metrics of `trainer.metrics.binary.summarize_rows`, and calibration.

        A score that does not decide at 0 is no logit: it has no probability, and no calibration.
        """
        found = metrics.summarize_rows(targets, outputs, rates=self.rates, decides_at_zero=decides_at_zero)
        positive, rows = checked(targets, outputs)
        errors = np.full(len(rows), np.nan)
        if decides_at_zero:
            errors = logit_calibration_errors(positive, rows)
        found["calibration_error"] = errors
        return found

    def undefined_reason(self, targets: ArrayLike, outputs: ArrayLike) -> str | None:
        """Why metrics are NaN: no positives, no negatives, a score that is NaN."""
        return metrics.undefined_reason(targets, outputs)

    def columns(self, targets: ArrayLike, outputs: ArrayLike) -> tuple[Column, ...]:
        """One column: the scores."""
        positive, scores = checked(targets, outputs)
        return (Column("positive", scores, positive, ~positive),)

    def strata(self, targets: ArrayLike) -> tuple[NDArray[np.int64], ...]:
        """Positives, then negatives."""
        positive = np.asarray(targets) == 1
        return np.flatnonzero(positive), np.flatnonzero(~positive)


def _listed(labels: Sequence[ClassLabel]) -> str:
    return ", ".join(map(repr, labels))
