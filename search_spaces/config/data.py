"""Where examples come from, which roles their classes have, how they are split and augmented."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from search_spaces.config.base import Frozen, NonNegative

ClassLabel = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]


class Cifar10(Frozen):
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, classes 0 to 9."""

    name: Literal["cifar10"] = "cifar10"


class Cifar100(Frozen):
    """CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, fine classes 0 to 99."""

    name: Literal["cifar100"] = "cifar100"


class Digits(Frozen):
    """scikit-learn's digits: 1,797 grey images, 8 x 8, classes 0 to 9. Embedded, needs no file."""

    name: Literal["digits"] = "digits"


class MedMnist(Frozen):
    """A MedMNIST v2 `.npz` file (Yang et al. 2023), for example `breastmnist`; the file is `<subset>.npz`."""

    name: Literal["medmnist"] = "medmnist"
    subset: str = Field(pattern=r"^[a-z0-9_]+$")


class ImageFolder(Frozen):
    """A folder per class below `<data dir>/<folder>` (or below its `train/`, `val/`, `test/`).

    Images are resized to `size` x `size`; `channels` is 1 (grey) or 3 (colour).
    """

    name: Literal["folder"] = "folder"
    folder: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    size: int = Field(default=32, ge=4, le=1024)
    channels: Literal[1, 3] = 3


Source = Annotated[Cifar10 | Cifar100 | Digits | MedMnist | ImageFolder, Field(discriminator="name")]


class DataConfig(Frozen):
    """A binary task: which classes are negative, which positive (critical), and how the examples are split.

    `validation_per_class` examples of every class are held out of the training pool, the same ones for every
    seed; None takes the data set's own validation split. `test_per_class` likewise for the test split.
    Of the rest a seed draws `train_share` of each negative class, and `negatives // imbalance_ratio`
    positives; without a ratio it draws `train_share` of each positive class too.
    """

    source: Source
    negative: tuple[ClassLabel, ...] = Field(min_length=1)
    positive: tuple[ClassLabel, ...] = Field(min_length=1)
    imbalance_ratio: float | None = Field(default=None, ge=1)
    validation_per_class: int | None = Field(default=None, ge=1)
    test_per_class: int | None = Field(default=None, ge=1)
    train_share: float = Field(default=0.9, gt=0, le=1)

    @model_validator(mode="after")
    def _roles_are_disjoint(self) -> DataConfig:
        roles = self.negative + self.positive
        if len(set(roles)) != len(roles):
            given = f"negative={list(self.negative)} positive={list(self.positive)}"
            raise ValueError(f"expected every class in one role and once, given {given}")
        return self


class AugmentationConfig(Frozen):
    """Random crop after zero-padding by `crop_padding` pixels, then a flip with this probability."""

    crop_padding: int = Field(default=4, ge=0, le=64)
    horizontal_flip: NonNegative = Field(default=0.5, le=1)
