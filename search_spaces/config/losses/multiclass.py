"""Base losses of several classes as configuration, one type per loss, told apart by `name`.

The formulas are in `trainer.losses.multiclass` and `trainer.losses.longtail`. Counts are those of the
training set, before any sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from search_spaces.config.base import NonNegative
from search_spaces.config.losses.base import Loss, TrainingFacts
from search_spaces.config.models.base import Head


class _OfClasses(Loss):
    """A loss of a logit per class; it decides for the highest of them."""

    tasks: ClassVar[frozenset[str]] = frozenset({"multiclass"})
    outputs: ClassVar[int | Literal["classes"]] = "classes"
    takes_mixed: ClassVar[bool] = True
    decides_at_zero: ClassVar[bool] = False


class CrossEntropy(_OfClasses):
    """Cross-entropy of several classes."""

    implementation: ClassVar[str] = "trainer.losses.multiclass:cross_entropy"
    family: ClassVar[str] = "CE"
    name: Literal["cross_entropy"] = "cross_entropy"


class Focal(_OfClasses):
    """FL: focal loss on the true class's probability (Lin et al. 2017).

    gamma   exponent g; the higher, the less an example counts that is told well
    """

    implementation: ClassVar[str] = "trainer.losses.longtail:focal"
    family: ClassVar[str] = "FL"
    name: Literal["focal"] = "focal"
    gamma: float = Field(gt=0)


class _Counting(_OfClasses):
    """One that knows how many examples each class has, and makes up for it."""

    corrects_counts: ClassVar[bool] = True

    def parameters(self, facts: TrainingFacts) -> Mapping[str, object]:
        """The fields, and the examples of each class."""
        return {**super().parameters(facts), "counts": facts.counts}


class WeightedCrossEntropy(_Counting):
    """W-CE: cross-entropy with weights n_c^-a, scaled to sum to the number of classes.

    exponent   a; 1 weights classes by the inverse of their examples
    """

    implementation: ClassVar[str] = "trainer.losses.longtail:PowerWeighted"
    family: ClassVar[str] = "W-CE"
    name: Literal["weighted_ce"] = "weighted_ce"
    exponent: float = Field(default=1.0, gt=0, le=2)


class ClassBalancedCrossEntropy(_Counting):
    """CB-CE: cross-entropy weighted by the effective number of samples (Cui et al. 2019).

    The weights (1 - b) / (1 - b^n_c) are scaled to sum to the number of classes.

    beta   b; towards 1 by the inverse of the classes' examples
    """

    implementation: ClassVar[str] = "trainer.losses.longtail:ClassBalanced"
    family: ClassVar[str] = "CB-CE"
    name: Literal["cb_ce"] = "cb_ce"
    beta: float = Field(default=0.9999, gt=0, lt=1)


class LogitAdjusted(_Counting):
    """LA: cross-entropy of z + tau log pi_c (Menon et al. 2021).

    With tau = 1 it is balanced softmax (Ren et al. 2020).

    tau   by how much logits are lowered in training for rare classes
    """

    implementation: ClassVar[str] = "trainer.losses.longtail:AdjustedCrossEntropy"
    family: ClassVar[str] = "LA"
    name: Literal["logit_adjusted"] = "logit_adjusted"
    tau: float = Field(default=1.0, gt=0)


class VectorScaling(_Counting):
    """VS: cross-entropy of (n_c / n_max)^g z_c + tau log pi_c (Kini et al. 2021).

    gamma   g; the higher, the smaller the scale of rare classes' logits in training
    tau     by how much logits are lowered in training for rare classes
    """

    implementation: ClassVar[str] = "trainer.losses.longtail:AdjustedCrossEntropy"
    family: ClassVar[str] = "VS"
    name: Literal["vector_scaling"] = "vector_scaling"
    gamma: float = Field(gt=0)
    tau: NonNegative


class DeferredLdam(_Counting):
    """LDAM-DRW (Cao et al. 2019): LDAM's margins, and class-balanced weights at the end.

    Scores, stored outputs and probabilities are 30 x cosine, the logits that its softmax sees.

    max_margin   margin of the rarest class, in cosines
    beta         b of the weights (1 - b) / (1 - b^n_c), scaled to sum to the number of classes
    defer        from this share of the epochs on examples are weighted; with 1 never, which is LDAM alone
    """

    implementation: ClassVar[str] = "trainer.losses.longtail:Ldam"
    family: ClassVar[str] = "LDAM-DRW"
    head: ClassVar[Head] = "scaled_cosine"
    takes_mixed: ClassVar[bool] = False
    name: Literal["ldam_drw"] = "ldam_drw"
    max_margin: float = Field(default=0.5, gt=0)
    beta: float = Field(default=0.9999, gt=0, lt=1)
    defer: float = Field(default=0.8, gt=0, le=1)
