"""In which shares an epoch draws its examples. They are drawn in `trainer.data.sampler`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from search_spaces.config.base import Frozen, number

# What draws as a power does has one spelling, its name.
_NAMES = {0.5: "square_root", 1.0: "class_balanced"}


class PowerSampler(Frozen):
    """Draws with replacement, each example with a weight n^-a, n the examples of its class.

    A class of n examples is drawn in a share that goes with n^(1 - a).

    exponent   a; the nearer to 1, the more balanced
    """

    exponent: float = Field(gt=0, lt=1)


# Ways in which the training set is changed before an epoch draws from it; see `LabelSetSampler`.
Resampling: TypeAlias = Literal["lp_ros", "ml_ros", "ml_rus", "single_label"]


class LabelSetSampler(Frozen):
    """Adds copies of training images, or leaves some out, so that rare labels are less rare; then shuffles.

    A label is rare where its imbalance ratio, the images of the most frequent label per image of this one, is
    above the mean of all labels' (Charte et al., Neurocomputing 2015). Each replicate draws its own.

    resample   "lp_ros": copies of images of label sets that are rarer than the mean set; "ml_ros": copies of
               images with a rare label, each label in turn until it is rare no more; "ml_rus": images without
               a rare label are left out, each frequent label in turn until it is so no more; "single_label":
               copies of images whose only label is a rare one, each label in turn
    share      how many images are added, or left out at most, as a share of the training images
    """

    resample: Resampling
    share: float = Field(default=0.25, gt=0, le=4)

    @property
    def name(self) -> str:
        """What rows call it: how training images are resampled, whatever the share."""
        return self.resample

    @model_validator(mode="after")
    def _some_are_left(self) -> Self:
        if self.resample == "ml_rus" and self.share >= 1:
            raise ValueError(f"expected a share below 1 with resample ml_rus, given {number(self.share)}")
        return self


SamplerName = Literal["shuffle", "class_balanced", "square_root", "progressive"]


def _named(given: Any) -> Any:
    """The name of a power that has one."""
    if not isinstance(given, dict) or set(given) != {"exponent"}:
        return given
    exponent = given["exponent"]
    is_number = isinstance(exponent, int | float) and not isinstance(exponent, bool)
    return _NAMES.get(float(exponent), given) if is_number else given


# What each name means is told at `TrialConfig.sampler`.
Sampler: TypeAlias = Annotated[SamplerName | PowerSampler | LabelSetSampler, BeforeValidator(_named)]
