"""Data sets that everybody knows by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from search_spaces.config.class_names import (
    CIFAR10,
    CIFAR100,
    CIFAR100_SUPERCLASSES,
    MEDMNIST,
    MEDMNIST_SIZES,
)
from search_spaces.config.classes import Classes, ClassLabel
from search_spaces.config.groups import GroupKey
from search_spaces.config.sources.base import Source


class Cifar10(Source):
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, classes 0 to 9, or their names."""

    implementation: ClassVar[str] = "trainer.data.sources.cifar:CifarReader"
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("column", "pattern")
    class_names: ClassVar[Mapping[ClassLabel, str]] = CIFAR10
    name: Literal["cifar10"] = "cifar10"

    @property
    def image_shape(self) -> tuple[int, int]:
        """Colour, 32 x 32."""
        return 3, 32


class Cifar100(Source):
    """CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, fine classes 0 to 99.

    Or their names; that of a superclass stands for its five.
    """

    implementation: ClassVar[str] = "trainer.data.sources.cifar:CifarReader"
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("column", "pattern")
    class_names: ClassVar[Mapping[ClassLabel, str]] = CIFAR100
    class_groups: ClassVar[Mapping[str, tuple[ClassLabel, ...]]] = CIFAR100_SUPERCLASSES
    name: Literal["cifar100"] = "cifar100"

    @property
    def image_shape(self) -> tuple[int, int]:
        """Colour, 32 x 32."""
        return 3, 32


class Digits(Source):
    """scikit-learn's digits: 1,797 grey images, 8 x 8, classes 0 to 9. Embedded, needs no file."""

    implementation: ClassVar[str] = "trainer.data.sources.digits:DigitsReader"
    needs_files: ClassVar[bool] = False
    known_classes: ClassVar[tuple[ClassLabel, ...]] = tuple(range(10))
    name: Literal["digits"] = "digits"

    @property
    def image_shape(self) -> tuple[int, int]:
        """Grey, 8 x 8."""
        return 1, 8


class MedMnist(Source):
    """A MedMNIST v2 `.npz` file (Yang et al. 2023), for example `breastmnist`.

    Of a file with label sets, as `chestmnist`, the labels are the numbers of its columns, or their names.

    subset   the file's name without `.npz`
    """

    implementation: ClassVar[str] = "trainer.data.sources.medmnist:MedMnistReader"
    title_field: ClassVar[str | None] = "subset"
    label_sets: ClassVar[bool] = True
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("column",)
    name: Literal["medmnist"] = "medmnist"
    subset: str = Field(pattern=r"^[a-z0-9_]+$")

    @property
    def classes_told(self) -> Classes:
        """The published names, whatever the size; of a file of another name nothing is known."""
        names = MEDMNIST.get(self._published, {})
        return Classes(tuple(names), names)

    @property
    def data_set(self) -> str:
        """The published set, whatever the size."""
        return f"{self.name}/{self._published}"

    @property
    def _published(self) -> str:
        subset = self.subset
        for ending in MEDMNIST_SIZES:
            subset = subset.removesuffix(ending)
        return subset
