"""What every reader returns, and how encoded images become pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from search_spaces.config import ClassLabel
from search_spaces.errors import DataError

Origin = Literal["train", "validation", "test"]
# Of images that cannot be read an error names so many.
SHOWN_FAULTS = 50
# Modes of more than eight bits per channel: PIL would clip them without a word.
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Images:
    """Images of one of a data set's own splits, of the asked classes only, in the order of its listing.

    pixels   uint8 [N, C, H, W]
    classes  int64 [N], position of the image's class among the asked classes
    ids      int64 [N], position in the split's original listing; for folders str [N], the path in the folder
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    ids: NDArray[np.int64] | NDArray[np.str_]

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Images:
        """The images at these positions, in their order."""
        chosen = np.asarray(positions, dtype=np.int64)
        return Images(self.pixels[chosen], self.classes[chosen], self.ids[chosen])


@dataclass(frozen=True)
class LeftOut:
    """What a reader passed over for one reason: how many ("files in sub-folders of a class"), one of them."""

    reason: str
    count: int
    example: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.count:,}, for example {self.example}"


@dataclass(frozen=True)
class Listing:
    """What labels tell of a data set: per own split the class of each image, and what was passed over.

    train, validation, test   int64 [N], positions among the asked classes, in the order of `Images`; None
                              for a split that the data set has not
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64] | None
    test: NDArray[np.int64] | None
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class RawData:
    """A data set as it is published. Without an own validation or test split, that is None."""

    train: Images
    validation: Images | None
    test: Images | None
    left_out: tuple[LeftOut, ...] = ()

    def listing(self) -> Listing:
        """What its labels tell."""
        validation = None if self.validation is None else self.validation.classes
        test = None if self.test is None else self.test.classes
        return Listing(self.train.classes, validation, test, self.left_out)


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


class Faults:
    """Gathers what is wrong with single images, so that all of it is said at once.

    Decode each image inside `of_one_image`, and call `check` after the last.
    """

    def __init__(self, data_set: str) -> None:
        self._data_set = data_set
        self._messages: list[str] = []

    @contextmanager
    def of_one_image(self) -> Iterator[None]:
        """Take note of the DataError of a block, which ends there."""
        try:
            yield
        except DataError as error:
            self._messages.append(str(error))

    def check(self) -> None:
        """Raise DataError with everything that was noted, up to SHOWN_FAULTS of it; nothing without any."""
        messages = self._messages
        if not messages:
            return
        if len(messages) == 1:
            raise DataError(messages[0])
        shown = "; ".join(messages[:SHOWN_FAULTS])
        if len(messages) > SHOWN_FAULTS:
            shown += f"; and {len(messages) - SHOWN_FAULTS:,} more"
        raise DataError(f"{self._data_set}: {len(messages):,} images cannot be read: {shown}")


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
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], asked: Sequence[ClassLabel]
) -> Images:
    """The images of the asked classes out of a whole split: pixels [N, C, H, W], labels [N]."""
    positions = class_positions(labels, asked)
    ids = np.flatnonzero(positions >= 0)
    return Images(np.ascontiguousarray(pixels[ids]), positions[ids], ids)


def decode_image(data: bytes | Path, where: str, channels: int, size: int | None = None) -> NDArray[np.uint8]:
    """Decode an encoded image (bytes or a file) to uint8 [C, H, W]: grey for one channel, RGB for three.

    With `size` it is resized to size x size, with an antialiased bilinear filter. Raises DataError, naming
    `where`, if the image is damaged or has more than eight bits per channel.
    """
    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as encoded:
            if encoded.mode in _DEEP_MODES:
                raise DataError(
                    f"{where}: expected an image of 8 bits per channel, found mode {encoded.mode}"
                )
            image = encoded.convert("L" if channels == 1 else "RGB")
            if size is not None and image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{where}: expected an image, could not decode it: {error}") from error
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
