"""What every reader returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel
from search_spaces.errors import DataError
from trainer.data.pixels import Pixels, pixels_of
from trainer.tasks.label_sets import Labels

Origin = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Images:
    """Images of one of a data set's own splits, in the order of its listing: those of the asked classes only.

    Where images have label sets, all of them, those with none of the asked labels too.

    pixels   uint8 [N, C, H, W]; float32 while the scaling by percentiles is not known (see `RawData`). An
             array, or rows of a map of decoded images
    classes  int64 [N], position of the image's class among the asked classes; or, where images have label
             sets, uint8 [N, asked], 1 where an image has the label (see `trainer.tasks.label_sets`)
    ids      int64 [N], position in the split's original listing; for folders str [N], the path in the folder
    groups   str [N], which patient, say, an image is of; None of a source without groups
    """

    pixels: Pixels | NDArray[Any]
    classes: Labels
    ids: NDArray[np.int64] | NDArray[np.str_]
    groups: NDArray[np.str_] | None = None

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Images:
        """The images at these positions, in their order."""
        chosen = np.asarray(positions, dtype=np.int64)
        groups = None if self.groups is None else self.groups[chosen]
        return Images(pixels_of(self.pixels).take(chosen), self.classes[chosen], self.ids[chosen], groups)


@dataclass(frozen=True)
class LeftOut:
    """What a reader passed over for one reason: how many ("files in sub-folders of a class"), one of them."""

    reason: str
    count: int
    example: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.count:,}, for example {self.example}"


def with_left_out(error: DataError, left_out: Sequence[LeftOut]) -> DataError:
    """An error about too few examples, with what was passed over behind it, as that may be why."""
    if not left_out:
        return error
    return DataError(f"{error} (passed over: {'; '.join(map(str, left_out))})")


@dataclass(frozen=True)
class Listing:
    """What labels tell of a data set: per own split the class of each image, and what was passed over.

    train, validation, test   int64 [N], positions among the asked classes, or uint8 [N, asked], label sets,
                              in the order of `Images`; None for a split that the data set has not
    groups                    str [N] per own split, in the same order; empty of a source without groups
    """

    train: Labels
    validation: Labels | None
    test: Labels | None
    left_out: tuple[LeftOut, ...] = ()
    groups: Mapping[Origin, NDArray[np.str_]] = field(default_factory=dict)


@dataclass(frozen=True)
class RawData:
    """A data set as it is published. Without an own validation or test split, that is None.

    percentiles   those of the training pool's values that become 0 and 255; None where pixels are bytes
    depth         of values that are to be scaled so: "16-bit"
    unread        images that cannot be read and are passed over, which decoding alone tells
    """

    train: Images
    validation: Images | None
    test: Images | None
    left_out: tuple[LeftOut, ...] = ()
    percentiles: tuple[float, float] | None = None
    depth: str = "8-bit"
    unread: tuple[LeftOut, ...] = ()

    def listing(self) -> Listing:
        """What its labels tell."""
        validation = None if self.validation is None else self.validation.classes
        test = None if self.test is None else self.test.classes
        groups: dict[Origin, NDArray[np.str_]] = {}
        for origin, images in self.splits():
            if images.groups is not None:
                groups[origin] = images.groups
        return Listing(self.train.classes, validation, test, self.left_out, groups)

    def splits(self) -> Iterator[tuple[Origin, Images]]:
        """Its own splits, each with its name."""
        yield "train", self.train
        if self.validation is not None:
            yield "validation", self.validation
        if self.test is not None:
            yield "test", self.test


class Passed:
    """Counts what a reader passes over, by reason; of each reason the first one is the example."""

    def __init__(self) -> None:
        self._found: dict[str, LeftOut] = {}

    def add(self, reason: str, example: object) -> None:
        """One more for this reason."""
        known = self._found.get(reason)
        if known is None:
            self._found[reason] = LeftOut(reason, 1, str(example))
        else:
            self._found[reason] = LeftOut(reason, known.count + 1, known.example)

    def left_out(self) -> tuple[LeftOut, ...]:
        """All of it, in the order of the first of each."""
        return tuple(self._found.values())


def check_known(asked: Sequence[ClassLabel], known: Sequence[ClassLabel], where: str) -> None:
    """Raise DataError, listing the known labels, unless every asked label is among them."""
    unknown = [label for label in asked if label not in known]
    if unknown:
        raise DataError(
            f"{where}: unknown class label {', '.join(map(repr, unknown))}; "
            f"known: {', '.join(map(repr, known))}"
        )


def asked_classes(labels: NDArray[np.int64], asked: Sequence[ClassLabel]) -> NDArray[np.int64]:
    """Positions of the labels [N] among the asked ones, without those that were not asked for."""
    positions = class_positions(labels, asked)
    return positions[positions >= 0]


def class_positions(labels: NDArray[np.int64], asked: Sequence[ClassLabel]) -> NDArray[np.int64]:
    """Position of each label [N] among the asked labels; -1 for a label that was not asked for."""
    positions = np.full(len(labels), -1, dtype=np.int64)
    for position, label in enumerate(asked):
        positions[labels == label] = position
    return positions


def select_images(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    asked: Sequence[ClassLabel],
    groups: NDArray[np.str_] | None = None,
) -> Images:
    """The images of the asked classes out of a whole split: pixels [N, C, H, W], labels [N], groups [N]."""
    positions = class_positions(labels, asked)
    ids = np.flatnonzero(positions >= 0)
    own = None if groups is None else groups[ids]
    return Images(np.ascontiguousarray(pixels[ids]), positions[ids], ids, own)
