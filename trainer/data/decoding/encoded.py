"""What is to be decoded: files of images, or cells of Parquet files, and into what."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainer.data.pixels import image_digest
from trainer.data.sources.decode import decode_image, decode_values
from trainer.data.sources.faults import Unreadable

WITHOUT_BYTES = "without the bytes of an image"


class Encoded(NamedTuple):
    """An encoded image: a file, or a cell of a Parquet file.

    path     of the file
    where    what it is called in messages
    column   of the Parquet file, bytes or struct<bytes, ...>; "" of a file that is the image
    group    row group of the Parquet file
    row      in that group
    """

    path: str
    where: str
    column: str = ""
    group: int = 0
    row: int = 0


@dataclass(frozen=True)
class Form:
    """What images are decoded to: [channels, size, size].

    raw   whether values are kept as files store them, float32, for a scaling that is not known yet
    """

    channels: int
    size: int
    raw: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """[C, H, W]."""
        return self.channels, self.size, self.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return np.dtype(np.float32 if self.raw else np.uint8)

    @property
    def bytes_per_image(self) -> int:
        """Of the values of one image."""
        return self.channels * self.size * self.size * self.dtype.itemsize


@dataclass
class Told:
    """What decoding tells besides pixels.

    faults      of images that cannot be read, which are black: their row, where, reason and detail
    depths      how many images are of which depth ("16-bit"), of values as files store them
    brightest   the greatest value
    """

    faults: list[tuple[int, str, str, str]] = field(default_factory=list)
    depths: Counter[str] = field(default_factory=Counter)
    brightest: float = 0.0

    def add(self, other: Told) -> None:
        """Add what another part of the images tells."""
        self.faults += other.faults
        self.depths.update(other.depths)
        self.brightest = max(self.brightest, other.brightest)

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"faults": self.faults, "depths": dict(self.depths), "brightest": self.brightest}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Told:
        """What `to_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
        faults = [(int(row), str(a), str(b), str(c)) for row, a, b, c in content["faults"]]
        return cls(faults, Counter(content["depths"]), float(content["brightest"]))


class Contents:
    """What images are decoded from. It holds the last row group of a Parquet file, whose images follow."""

    def __init__(self) -> None:
        self._held: tuple[object, list[Any]] = (None, [])

    def of(self, image: Encoded) -> Path | bytes:
        """The file, or the bytes of a cell. Raises Unreadable for a cell that cannot be read, or is empty."""
        if not image.column:
            return Path(image.path)
        key = (image.path, image.group, image.column)
        if self._held[0] != key:
            try:
                with pq.ParquetFile(image.path, memory_map=True) as file:
                    table = file.read_row_group(image.group, columns=[image.column])
                    self._held = (key, table.column(0).to_pylist())
            except Exception as error:  # a damaged file may raise nearly anything
                raise Unreadable(
                    image.where, "of a Parquet file that could not be read", str(error)
                ) from error
        cell = self._held[1][image.row]
        data = cell["bytes"] if isinstance(cell, dict) else cell
        if data is None:
            raise Unreadable(image.where, WITHOUT_BYTES)
        return bytes(data)


class Decoder:
    """Decodes images of one form."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self._contents = Contents()

    def decode(self, images: Sequence[Encoded], first: int) -> tuple[NDArray[Any], NDArray[np.uint8], Told]:
        """Pixels [n, C, H, W], digests [n, 16], and what they tell; the first image is row `first`."""
        pixels = np.zeros((len(images), *self.form.shape), dtype=self.form.dtype)
        told = Told()
        for position, image in enumerate(images):
            try:
                pixels[position] = self._one(image, told)
            except Unreadable as fault:
                told.faults.append((first + position, fault.where, fault.reason, fault.detail))
        told.brightest = float(pixels.max(initial=0))
        digests = b"".join(image_digest(one) for one in pixels)
        return pixels, np.frombuffer(digests, np.uint8).reshape(len(images), -1), told

    def _one(self, image: Encoded, told: Told) -> NDArray[Any]:
        data = self._contents.of(image)
        if not self.form.raw:
            return decode_image(data, image.where, self.form.channels, self.form.size)
        values, depth = decode_values(data, image.where, self.form.channels, self.form.size)
        told.depths[depth] += 1
        return values


def identity(form: Form, images: Sequence[Encoded]) -> str:
    """A name of images in one form: changes with path, size and times of change of any of their files.

    A file that is not there counts as such.
    """
    digest = hashlib.sha256(json.dumps([form.channels, form.size, form.raw]).encode())
    known: dict[str, object] = {}
    for image in images:
        if image.path not in known:
            try:
                found = os.stat(image.path)
                known[image.path] = [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
            except OSError:
                known[image.path] = None
        digest.update(json.dumps([*image, known[image.path]]).encode())
    return digest.hexdigest()[:20]
