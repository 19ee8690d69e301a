"""How training images are augmented, step by step. The steps are done in `trainer.data.steps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from search_spaces.config.base import Frozen, NonNegative
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.kinds import Absent, Kind
from search_spaces.config.registry import Registry


class Augmentation(Kind):
    """What every augmentation says of itself; the implementation is a `trainer.data.steps.Step`."""

    kind: ClassVar[str] = "augmentation"
    group: ClassVar[str] = "almsweep.augmentations"


class RandomCrop(Augmentation):
    """A crop at a random place, after zero-padding.

    padding   by so many pixels on every side
    """

    implementation: ClassVar[str] = "trainer.data.steps:CropStep"
    name: Literal["random_crop"] = "random_crop"
    padding: int = Field(default=4, ge=0, le=64)


class HorizontalFlip(Augmentation):
    """Left and right change places.

    probability   of an image, every time it is seen
    """

    implementation: ClassVar[str] = "trainer.data.steps:FlipStep"
    name: Literal["horizontal_flip"] = "horizontal_flip"
    probability: NonNegative = Field(default=0.5, le=1)


class AbsentAugmentation(Absent, Augmentation):
    """An augmentation whose plug-in is not installed here."""


AUGMENTATION_TYPES: Registry[Augmentation] = Registry(
    Augmentation, AbsentAugmentation, RandomCrop, HorizontalFlip
)

if TYPE_CHECKING:
    AugmentationStep: TypeAlias = Augmentation
else:
    AugmentationStep = AUGMENTATION_TYPES.annotation()


class AugmentationConfig(Frozen):
    """How training images are augmented: a random crop after zero-padding, then a flip, then further steps.

    crop_padding      by so many pixels on every side an image is padded before it is cropped
    horizontal_flip   probability that left and right change places
    then              further steps, in their order
    """

    crop_padding: int = Field(default=4, ge=0, le=64)
    horizontal_flip: NonNegative = Field(default=0.5, le=1)
    then: Annotated[tuple[AugmentationStep, ...], ADDED_LATER] = ()

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        """All steps in their order, crop and flip first."""
        crop = RandomCrop(padding=self.crop_padding)
        return crop, HorizontalFlip(probability=self.horizontal_flip), *self.then
