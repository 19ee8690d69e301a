"""Images put together of those of a data set of classes, so that labels and their shares are known."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from search_spaces.config.classes import Classes, ClassLabel
from search_spaces.config.metrics import Rate
from search_spaces.config.sources.base import Source
from search_spaces.config.sources.named import Cifar10, Digits

TILES = 4


class Mosaic(Source):
    """Images of 2 x 2 tiles, each an image of a data set of classes, and which of some classes are there.

    Each label is there with its own probability, whatever the others, on one tile; the other tiles show
    classes that are no label. No image is a tile in two splits; within one it may be so several times.

    classes       the labels, by number or name
    prevalences   the probability of each
    train         images of the training split
    validation    of the validation split
    test          of the test split
    """

    implementation: ClassVar[str] = "trainer.data.sources.mosaic:MosaicReader"
    label_sets: ClassVar[bool] = True
    tiles_of: ClassVar[Source]

    classes: tuple[ClassLabel, ...] = Field(min_length=2, max_length=TILES)
    prevalences: tuple[Rate, ...]
    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)

    @field_validator("classes", mode="before")
    @classmethod
    def _are_told_by_name(cls, given: object) -> object:
        if not isinstance(given, list | tuple):
            return given
        told = cls.tiles_of.classes_told
        found: list[object] = []
        for one in given:
            found += told.labels(one) or (one,) if isinstance(one, str) else (one,)
        return tuple(found)

    @model_validator(mode="after")
    def _labels_are_some_of_the_classes(self) -> Self:
        every = self.tiles_of.classes_told.every
        unknown = [label for label in self.classes if label not in every]
        if unknown or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"expected distinct classes among {list(every)}, given {list(self.classes)}")
        if len(self.prevalences) != len(self.classes):
            raise ValueError(
                f"expected prevalences of {len(self.classes)} classes, given {len(self.prevalences)}"
            )
        return self

    @property
    def classes_told(self) -> Classes:
        """The labels, by the names of the tiles' classes."""
        names = self.tiles_of.classes_told.names
        return Classes(self.classes, {label: names[label] for label in self.classes if label in names})

    @property
    def data_set(self) -> str:
        """That of the tiles."""
        return self.tiles_of.data_set

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Twice as wide as a tile."""
        shape = self.tiles_of.image_shape
        return None if shape is None else (shape[0], 2 * shape[1])


class DigitMosaic(Mosaic):
    """Mosaics of scikit-learn's digits: grey, 16 x 16. Embedded, needs no file."""

    needs_files: ClassVar[bool] = False
    tiles_of: ClassVar[Source] = Digits()
    name: Literal["digit_mosaic"] = "digit_mosaic"


class Cifar10Mosaic(Mosaic):
    """Mosaics of CIFAR-10: colour, 64 x 64; those of the test split of its test images."""

    tiles_of: ClassVar[Source] = Cifar10()
    name: Literal["cifar10_mosaic"] = "cifar10_mosaic"
