"""What every base loss says of itself, and what it may know of the examples.

The formulas are in `trainer.losses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_spaces.config.kinds import Absent, Kind
from search_spaces.config.models.base import Head


@dataclass(frozen=True)
class TrainingFacts:
    """What a loss may know of the examples that a replicate trains on.

    counts            examples of each class in the task's order; of a binary task (negatives, positives);
                      of label sets those with each label
    imbalance_ratio   majority per minority, as the configuration asks or else as the counts have it
    examples          how many there are in all; of label sets no sum of the counts
    """

    counts: tuple[int, ...]
    imbalance_ratio: float
    examples: int = 0


class Loss(Kind):
    """What every loss says of itself.

    The implementation is a pure function `(scores, targets, **parameters(facts)) -> Tensor`, of scores [B]
    where `outputs` is 1, else of the network's outputs [B, outputs]; or, where it holds tensors, a
    `trainer.losses.module.LossModule` of the same, made with `parameters(facts)`.

    family             its name in the tables' rows
    tasks              the kinds of task that it fits
    outputs            how many outputs the network needs; "classes": one per class of the task
    head               the network's output layer
    needs_pairs        whether a batch without both classes must give no step
    decides_at_zero    whether a score of at least 0 is its own decision for the positive class
    takes_constraint   whether the named spaces combine it with the constraint
    takes_mixed        whether it is a mean over examples, so that one example may have two labels
    corrects_counts    whether it makes up for how often classes occur, by weights, margins or shifted logits
    """

    kind: ClassVar[str] = "loss"
    group: ClassVar[str] = "almsweep.losses"
    told: ClassVar[tuple[str, ...]] = ("family", "outputs", "head", "decides_at_zero", "corrects_counts")
    family: ClassVar[str]
    tasks: ClassVar[frozenset[str]] = frozenset({"binary"})
    outputs: ClassVar[int | Literal["classes"]] = 1
    head: ClassVar[Head] = "linear"
    needs_pairs: ClassVar[bool] = False
    decides_at_zero: ClassVar[bool] = True
    takes_constraint: ClassVar[bool] = True
    takes_mixed: ClassVar[bool] = False
    corrects_counts: ClassVar[bool] = False

    def fits(self, task: str) -> bool:
        """Whether it can train a task of that kind."""
        return task in self.tasks

    def output_count(self, classes: int) -> int:
        """How many outputs the network of a task of so many classes needs."""
        return classes if self.outputs == "classes" else self.outputs

    def parameters(self, facts: TrainingFacts) -> Mapping[str, object]:
        """The implementation's keyword arguments: the fields, unless a loss makes others of them."""
        return self.model_dump(exclude={"name", "plugin"})


class AbsentLoss(Absent, Loss):
    """A loss whose plug-in is not installed here."""

    def fits(self, task: str) -> bool:
        """It did when it was trained."""
        return True
