"""The base losses as configuration, one type per loss, told apart by `name`.

Each says all that others must know of it. The formulas are in `trainer.losses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from pydantic import Field

from search_spaces.config.kinds import Absent, Kind
from search_spaces.config.models import Head
from search_spaces.config.registry import Registry


@dataclass(frozen=True)
class TrainingFacts:
    """What a loss may know of the examples that a replicate trains on.

    counts            examples of each class in the task's order; of a binary task (negatives, positives)
    imbalance_ratio   majority per minority, as the configuration asks or else as the counts have it
    """

    counts: tuple[int, ...]
    imbalance_ratio: float


class Loss(Kind):
    """What every loss says of itself.

    The implementation is a pure function `(scores, targets, **parameters(facts)) -> Tensor`, of scores [B]
    where `outputs` is 1, else of the network's outputs [B, outputs].

    family             its name in the tables' rows
    tasks              the kinds of task that it fits
    outputs            how many outputs the network needs; "classes": one per class of the task
    head               the network's output layer
    needs_pairs        whether a batch without both classes must give no step
    decides_at_zero    whether a score of at least 0 is its own decision for the positive class
    takes_constraint   whether the named spaces combine it with the constraint
    """

    kind: ClassVar[str] = "loss"
    group: ClassVar[str] = "almsweep.losses"
    told: ClassVar[tuple[str, ...]] = ("family", "outputs", "head", "decides_at_zero")
    family: ClassVar[str]
    tasks: ClassVar[frozenset[str]] = frozenset({"binary"})
    outputs: ClassVar[int | Literal["classes"]] = 1
    head: ClassVar[Head] = "linear"
    needs_pairs: ClassVar[bool] = False
    decides_at_zero: ClassVar[bool] = True
    takes_constraint: ClassVar[bool] = True

    def fits(self, task: str) -> bool:
        """Whether it can train a task of that kind."""
        return task in self.tasks

    def output_count(self, classes: int) -> int:
        """How many outputs the network of a task of so many classes needs."""
        return classes if self.outputs == "classes" else self.outputs

    def parameters(self, facts: TrainingFacts) -> Mapping[str, float]:
        """The implementation's keyword arguments: the fields, unless a loss makes others of them."""
        return self.model_dump(exclude={"name", "plugin"})


class Bce(Loss):
    """Binary cross-entropy."""

    implementation: ClassVar[str] = "trainer.losses.binary:bce"
    family: ClassVar[str] = "BCE"
    name: Literal["bce"] = "bce"


class SymmetricMargin(Loss):
    """S-LM: large margin m on both classes.

    margin   m, in logits
    """

    implementation: ClassVar[str] = "trainer.losses.binary:symmetric_margin"
    family: ClassVar[str] = "S-LM"
    name: Literal["s_lm"] = "s_lm"
    margin: float = Field(gt=0)


class AsymmetricMargin(Loss):
    """A-LM: large margin m on the positive class only.

    margin   m, in logits
    """

    implementation: ClassVar[str] = "trainer.losses.binary:asymmetric_margin"
    family: ClassVar[str] = "A-LM"
    name: Literal["a_lm"] = "a_lm"
    margin: float = Field(gt=0)


class SymmetricFocal(Loss):
    """S-FL: focal loss with exponent g on both classes.

    gamma   g; the higher, the less an example counts that is told well
    """

    implementation: ClassVar[str] = "trainer.losses.binary:symmetric_focal"
    family: ClassVar[str] = "S-FL"
    name: Literal["s_fl"] = "s_fl"
    gamma: float = Field(gt=0)


class AsymmetricFocal(Loss):
    """A-FL: focal factor with exponent g on the negative (majority) class only.

    gamma   g; the higher, the less a negative counts that is told well
    """

    implementation: ClassVar[str] = "trainer.losses.binary:asymmetric_focal"
    family: ClassVar[str] = "A-FL"
    name: Literal["a_fl"] = "a_fl"
    gamma: float = Field(gt=0)


class ClassBalancedBce(Loss):
    """CB-BCE: each class weighted by its effective number of samples (Cui et al. 2019).

    beta   b; 0 weights classes alike, towards 1 by the inverse of their examples
    """

    implementation: ClassVar[str] = "trainer.losses.binary:class_balanced_bce"
    family: ClassVar[str] = "CB-BCE"
    name: Literal["cb_bce"] = "cb_bce"
    beta: float = Field(gt=0, lt=1)

    def parameters(self, facts: TrainingFacts) -> Mapping[str, float]:
        """`beta`, and the examples of each class."""
        negatives, positives = facts.counts
        return {"beta": self.beta, "negatives": negatives, "positives": positives}


class WeightedBce(Loss):
    """W-BCE: positives weighted by w = c * ratio, ratio = majority per minority.

    weight_factor   c
    """

    implementation: ClassVar[str] = "trainer.losses.binary:weighted_bce"
    family: ClassVar[str] = "W-BCE"
    name: Literal["w_bce"] = "w_bce"
    weight_factor: float = Field(gt=0)

    def parameters(self, facts: TrainingFacts) -> Mapping[str, float]:
        """The weight w of the positives."""
        return {"weight": self.weight_factor * facts.imbalance_ratio}


class Ldam(Loss):
    """LDAM (Cao et al. 2019): label-distribution-aware margins on scaled cosine logits; two outputs.

    max_margin   margin of the rarer class, in cosines
    scale        by what cosines are multiplied in the loss
    """

    implementation: ClassVar[str] = "trainer.losses.binary:ldam"
    family: ClassVar[str] = "LDAM"
    outputs: ClassVar[int | Literal["classes"]] = 2
    head: ClassVar[Head] = "cosine"
    decides_at_zero: ClassVar[bool] = False  # it compares two outputs, and the score is the positive's alone
    name: Literal["ldam"] = "ldam"
    max_margin: float = Field(default=0.5, gt=0)
    scale: float = Field(default=30.0, gt=0)

    def parameters(self, facts: TrainingFacts) -> Mapping[str, float]:
        """The fields, and the examples of each class."""
        negatives, positives = facts.counts
        return {**super().parameters(facts), "negatives": negatives, "positives": positives}


class Mbauc(Loss):
    """MBAUC: squared surrogate of the mini-batch AUC; a batch without a pair gives no step."""

    implementation: ClassVar[str] = "trainer.losses.binary:mbauc"
    family: ClassVar[str] = "MBAUC"
    needs_pairs: ClassVar[bool] = True
    takes_constraint: ClassVar[bool] = False
    name: Literal["mbauc"] = "mbauc"


class CrossEntropy(Loss):
    """Cross-entropy of several classes."""

    implementation: ClassVar[str] = "trainer.losses.multiclass:cross_entropy"
    family: ClassVar[str] = "CE"
    tasks: ClassVar[frozenset[str]] = frozenset({"multiclass"})
    outputs: ClassVar[int | Literal["classes"]] = "classes"
    decides_at_zero: ClassVar[bool] = False  # it decides for the highest of several outputs
    name: Literal["cross_entropy"] = "cross_entropy"


class AbsentLoss(Absent, Loss):
    """A loss whose plug-in is not installed here."""

    def fits(self, task: str) -> bool:
        """It did when it was trained."""
        return True


# In the row order of the paper's tables.
LOSS_TYPES: Registry[Loss] = Registry(
    Loss,
    AbsentLoss,
    Bce,
    SymmetricMargin,
    SymmetricFocal,
    AsymmetricMargin,
    AsymmetricFocal,
    ClassBalancedBce,
    WeightedBce,
    Ldam,
    Mbauc,
    CrossEntropy,
)
FAMILIES = tuple(loss.family for loss in LOSS_TYPES)

if TYPE_CHECKING:
    LossConfig: TypeAlias = Loss
else:
    LossConfig = LOSS_TYPES.annotation()
