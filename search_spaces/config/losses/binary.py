"""Base losses of binary tasks as configuration, one type per loss, told apart by `name`.

The formulas are in `trainer.losses.binary` and `trainer.losses.auc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from search_spaces.config.losses.base import Loss, TrainingFacts
from search_spaces.config.models.base import Head


class _OfExamples(Loss):
    """A mean over examples."""

    takes_mixed: ClassVar[bool] = True


class Bce(_OfExamples):
    """Binary cross-entropy."""

    implementation: ClassVar[str] = "trainer.losses.binary:bce"
    family: ClassVar[str] = "BCE"
    name: Literal["bce"] = "bce"


class SymmetricMargin(_OfExamples):
    """S-LM: large margin m on both classes.

    margin   m, in logits
    """

    implementation: ClassVar[str] = "trainer.losses.binary:symmetric_margin"
    family: ClassVar[str] = "S-LM"
    name: Literal["s_lm"] = "s_lm"
    margin: float = Field(gt=0)


class AsymmetricMargin(_OfExamples):
    """A-LM: large margin m on the positive class only.

    margin   m, in logits
    """

    implementation: ClassVar[str] = "trainer.losses.binary:asymmetric_margin"
    family: ClassVar[str] = "A-LM"
    name: Literal["a_lm"] = "a_lm"
    margin: float = Field(gt=0)


class SymmetricFocal(_OfExamples):
    """S-FL: focal loss with exponent g on both classes.

    gamma   g; the higher, the less an example counts that is told well
    """

    implementation: ClassVar[str] = "trainer.losses.binary:symmetric_focal"
    family: ClassVar[str] = "S-FL"
    name: Literal["s_fl"] = "s_fl"
    gamma: float = Field(gt=0)


class AsymmetricFocal(_OfExamples):
    """A-FL: focal factor with exponent g on the negative (majority) class only.

    gamma   g; the higher, the less a negative counts that is told well
    """

    implementation: ClassVar[str] = "trainer.losses.binary:asymmetric_focal"
    family: ClassVar[str] = "A-FL"
    name: Literal["a_fl"] = "a_fl"
    gamma: float = Field(gt=0)


class ClassBalancedBce(_OfExamples):
    """CB-BCE: each class weighted by its effective number of samples (Cui et al. 2019).

    beta   b; 0 weights classes alike, towards 1 by the inverse of their examples
    """

    implementation: ClassVar[str] = "trainer.losses.binary:class_balanced_bce"
    family: ClassVar[str] = "CB-BCE"
    corrects_counts: ClassVar[bool] = True
    name: Literal["cb_bce"] = "cb_bce"
    beta: float = Field(gt=0, lt=1)

    def parameters(self, facts: TrainingFacts) -> Mapping[str, object]:
        """`beta`, and the examples of each class."""
        negatives, positives = facts.counts
        return {"beta": self.beta, "negatives": negatives, "positives": positives}


class WeightedBce(_OfExamples):
    """W-BCE: positives weighted by w = c * ratio, ratio = majority per minority.

    weight_factor   c
    """

    implementation: ClassVar[str] = "trainer.losses.binary:weighted_bce"
    family: ClassVar[str] = "W-BCE"
    corrects_counts: ClassVar[bool] = True
    name: Literal["w_bce"] = "w_bce"
    weight_factor: float = Field(gt=0)

    def parameters(self, facts: TrainingFacts) -> Mapping[str, object]:
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
    corrects_counts: ClassVar[bool] = True
    name: Literal["ldam"] = "ldam"
    max_margin: float = Field(default=0.5, gt=0)
    scale: float = Field(default=30.0, gt=0)

    def parameters(self, facts: TrainingFacts) -> Mapping[str, object]:
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


class AucMargin(Loss):
    """AUCM: min-max margin loss of the AUC (Yuan et al. 2021).

    margin   by which the mean probability of positives is to be above that of negatives
    """

    implementation: ClassVar[str] = "trainer.losses.auc:AucMargin"
    family: ClassVar[str] = "AUCM"
    decides_at_zero: ClassVar[bool] = False
    name: Literal["aucm"] = "aucm"
    margin: float = Field(default=1.0, gt=0)


class PartialAuc(Loss):
    """pAUC: partial AUC at low false positive rates (Zhu et al. 2022, SOPA-s).

    A batch without a pair gives no step.

    temperature   lambda; the lower, the more the highest negatives count
    """

    implementation: ClassVar[str] = "trainer.losses.auc:partial_auc"
    family: ClassVar[str] = "pAUC"
    needs_pairs: ClassVar[bool] = True
    decides_at_zero: ClassVar[bool] = False
    name: Literal["partial_auc"] = "partial_auc"
    temperature: float = Field(default=1.0, ge=0.01)
