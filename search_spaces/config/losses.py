"""The base losses as configuration, one type per loss, told apart by `name`.

The formulas are in `trainer.losses.binary`, under the same names. `family` is the loss's name in the tables.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.config.base import Frozen


class _Loss(Frozen):
    family: ClassVar[str]
    # Whether a score of at least 0 is the loss's own decision for the positive class.
    decides_at_zero: ClassVar[bool] = True


class Bce(_Loss):
    """Binary cross-entropy."""

    family: ClassVar[str] = "BCE"
    name: Literal["bce"] = "bce"


class SymmetricMargin(_Loss):
    """S-LM: large margin m on both classes."""

    family: ClassVar[str] = "S-LM"
    name: Literal["s_lm"] = "s_lm"
    margin: float = Field(gt=0)


class AsymmetricMargin(_Loss):
    """A-LM: large margin m on the positive class only."""

    family: ClassVar[str] = "A-LM"
    name: Literal["a_lm"] = "a_lm"
    margin: float = Field(gt=0)


class SymmetricFocal(_Loss):
    """S-FL: focal loss with exponent g on both classes."""

    family: ClassVar[str] = "S-FL"
    name: Literal["s_fl"] = "s_fl"
    gamma: float = Field(gt=0)


class AsymmetricFocal(_Loss):
    """A-FL: focal factor with exponent g on the negative (majority) class only."""

    family: ClassVar[str] = "A-FL"
    name: Literal["a_fl"] = "a_fl"
    gamma: float = Field(gt=0)


class ClassBalancedBce(_Loss):
    """CB-BCE: each class weighted by its effective number of samples (Cui et al. 2019), b = `beta`."""

    family: ClassVar[str] = "CB-BCE"
    name: Literal["cb_bce"] = "cb_bce"
    beta: float = Field(gt=0, lt=1)


class WeightedBce(_Loss):
    """W-BCE: positives weighted by w = c * ratio, c = `weight_factor`, ratio = majority per minority."""

    family: ClassVar[str] = "W-BCE"
    name: Literal["w_bce"] = "w_bce"
    weight_factor: float = Field(gt=0)


class Ldam(_Loss):
    """LDAM (Cao et al. 2019): label-distribution-aware margins on scaled cosine logits; two outputs."""

    family: ClassVar[str] = "LDAM"
    decides_at_zero: ClassVar[bool] = False  # it compares two outputs, and the score is the positive's alone
    name: Literal["ldam"] = "ldam"
    max_margin: float = Field(default=0.5, gt=0)
    scale: float = Field(default=30.0, gt=0)


class Mbauc(_Loss):
    """MBAUC: squared surrogate of the mini-batch AUC; a batch without a pair gives no step."""

    family: ClassVar[str] = "MBAUC"
    name: Literal["mbauc"] = "mbauc"


LossConfig = Annotated[
    Bce
    | SymmetricMargin
    | AsymmetricMargin
    | SymmetricFocal
    | AsymmetricFocal
    | ClassBalancedBce
    | WeightedBce
    | Ldam
    | Mbauc,
    Field(discriminator="name"),
]

# Row order of the paper's tables.
FAMILIES = ("BCE", "S-LM", "S-FL", "A-LM", "A-FL", "CB-BCE", "W-BCE", "LDAM", "MBAUC")
