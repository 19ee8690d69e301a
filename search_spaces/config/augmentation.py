"""How training images are augmented, step by step. The steps are done in `trainer.data.steps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias, TypeVar

from pydantic import Field, field_validator, model_validator

from search_spaces.config.base import Frozen, NonNegative
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.kinds import Absent, Kind
from search_spaces.config.registry import Registry

Factor = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Augmentation(Kind):
    """What every augmentation says of itself; the implementation is a `trainer.data.steps.Step`.

    mixes   whether an image becomes one of two examples; then it is a `trainer.data.mixing.MixingStep`
    """

    kind: ClassVar[str] = "augmentation"
    group: ClassVar[str] = "almsweep.augmentations"
    mixes: ClassVar[bool] = False


A = TypeVar("A", bound=Augmentation)


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


class Rotation(Augmentation):
    """A turn about the middle by an angle that is uniform; corners become black.

    degrees       the most, either way
    probability   of an image, every time it is seen
    """

    implementation: ClassVar[str] = "trainer.data.warps:RotationStep"
    name: Literal["rotation"] = "rotation"
    degrees: float = Field(default=15.0, gt=0, le=180)
    probability: NonNegative = Field(default=0.5, le=1)


class Affine(Augmentation):
    """A turn, shear, scale and shift about the middle, each uniform in its range.

    degrees       the most of the turn, either way
    translate     the most of the shift, as a share of the side, across and down each
    scale         lowest and highest factor
    shear         the most along x, in degrees, either way
    probability   of an image, every time it is seen
    """

    implementation: ClassVar[str] = "trainer.data.warps:AffineStep"
    name: Literal["affine"] = "affine"
    degrees: NonNegative = Field(default=0.0, le=180)
    translate: NonNegative = Field(default=0.1, le=1)
    scale: tuple[Factor, Factor] = (0.9, 1.1)
    shear: NonNegative = Field(default=0.0, lt=90)
    probability: NonNegative = Field(default=0.5, le=1)

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> Self:
        return _ranged(self, "scale", self.scale)


class ColorJitter(Augmentation):
    """Brightness, contrast, saturation and hue, each uniform in its range.

    brightness    the most by which its factor differs from 1
    contrast      likewise
    saturation    likewise
    hue           the most of its turn, in turns, either way
    probability   of an image, every time it is seen
    """

    implementation: ClassVar[str] = "trainer.data.colour:ColorJitterStep"
    name: Literal["color_jitter"] = "color_jitter"
    brightness: NonNegative = Field(default=0.2, le=1)
    contrast: NonNegative = Field(default=0.2, le=1)
    saturation: NonNegative = Field(default=0.2, le=1)
    hue: NonNegative = Field(default=0.05, le=0.5)
    probability: NonNegative = Field(default=0.5, le=1)


class RandomErasing(Augmentation):
    """A black rectangle (Zhong et al. 2020).

    area          least and most, as shares of the image's
    aspect        the most that height per width, or width per height, may be
    probability   of an image, every time it is seen
    """

    implementation: ClassVar[str] = "trainer.data.erasing:ErasingStep"
    name: Literal["random_erasing"] = "random_erasing"
    area: tuple[Share, Share] = (0.02, 0.33)
    aspect: float = Field(default=3.3, ge=1)
    probability: NonNegative = Field(default=0.5, le=1)

    @model_validator(mode="after")
    def _area_is_a_range(self) -> Self:
        return _ranged(self, "area", self.area)


class Mixup(Augmentation):
    """Two images in one, share by share (Zhang et al. 2018).

    alpha         the share is drawn from Beta(alpha, alpha)
    probability   of an image, every time it is seen
    """

    implementation: ClassVar[str] = "trainer.data.mixing:MixupStep"
    mixes: ClassVar[bool] = True
    name: Literal["mixup"] = "mixup"
    alpha: float = Field(default=1.0, gt=0)
    probability: NonNegative = Field(default=1.0, le=1)


class CutMix(Augmentation):
    """A rectangle of another image in an image (Yun et al. 2019).

    alpha         the share of the image that stays is drawn from Beta(alpha, alpha)
    probability   of an image, every time it is seen
    """

    implementation: ClassVar[str] = "trainer.data.mixing:CutMixStep"
    mixes: ClassVar[bool] = True
    name: Literal["cutmix"] = "cutmix"
    alpha: float = Field(default=1.0, gt=0)
    probability: NonNegative = Field(default=1.0, le=1)


def _ranged(step: A, field: str, given: tuple[float, float]) -> A:
    """The step. Raises ValueError for a range whose ends have changed places."""
    if given[0] > given[1]:
        raise ValueError(f"expected {field} from the lowest to the highest, given {list(given)}")
    return step


class AbsentAugmentation(Absent, Augmentation):
    """An augmentation whose plug-in is not installed here."""


AUGMENTATION_TYPES: Registry[Augmentation] = Registry(
    Augmentation,
    AbsentAugmentation,
    RandomCrop,
    HorizontalFlip,
    Rotation,
    Affine,
    ColorJitter,
    RandomErasing,
    Mixup,
    CutMix,
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

    @field_validator("then")
    @classmethod
    def _mixes_last(cls, steps: tuple[Augmentation, ...]) -> tuple[Augmentation, ...]:
        early = [step.name for step in steps[:-1] if step.mixes]
        if early:
            raise ValueError(f"expected a step that mixes images as the last, given {early[0]} before others")
        return steps

    @property
    def mixing(self) -> Augmentation | None:
        """The step that mixes images, if there is one."""
        last = self.then[-1] if self.then else None
        return last if last is not None and last.mixes else None

    @property
    def steps(self) -> tuple[Augmentation, ...]:
        """All steps in their order, crop and flip first."""
        crop = RandomCrop(padding=self.crop_padding)
        return crop, HorizontalFlip(probability=self.horizontal_flip), *self.then
