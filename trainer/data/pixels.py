"""The pixels of a data set: rows of an array, which may be a file that is mapped and larger than memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# So much of a data set is in memory at a time where all of it is read.
CHUNK_BYTES = 16 * 2**20
DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images [N, C, H, W], uint8 or float32. Splits of one data set are rows of one array: nothing is copied.

    base       the array [M, C, H, W]
    rows       int64 [N], the rows of the images in their order; None for all, as they stand
    file       the file that `base` maps, of the node's maps of decoded images; None of any other array
    digests    uint8 [M, 16], a hash of each image of `base`; None where they were not taken
    """

    base: NDArray[Any]
    rows: NDArray[np.int64] | None = None
    file: Path | None = None
    digests: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.base) if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, C, H, W]."""
        return len(self), *self.base.shape[1:]

    @property
    def ndim(self) -> int:
        """4."""
        return self.base.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self.base.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that all of them would take in memory."""
        return len(self) * image_bytes(self.base)

    def all_rows(self) -> NDArray[np.int64]:
        """The rows of the images in `base`."""
        return np.arange(len(self.base)) if self.rows is None else self.rows

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Pixels:
        """The images at these positions, in their order."""
        chosen = np.asarray(positions, dtype=np.int64)
        rows = chosen if self.rows is None else self.rows[chosen]
        return Pixels(self.base, rows, self.file, self.digests)

    def parts(self, size: int) -> Iterator[NDArray[Any]]:
        """All images, so many at a time; read, not written. Of no images one part that is empty."""
        for first in range(0, max(len(self), 1), size):
            last = min(first + size, len(self))
            yield self.base[first:last] if self.rows is None else self.base[self.rows[first:last]]

    def chunks(self) -> Iterator[NDArray[Any]]:
        """All images, about CHUNK_BYTES at a time."""
        return self.parts(images_per_chunk(self.base))

    def numpy(self) -> NDArray[Any]:
        """All of them in memory."""
        return np.array(self.base if self.rows is None else self.base[self.rows])

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """One image after another, [C, H, W]."""
        for chunk in self.chunks():
            yield from chunk

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """As `numpy`, for functions that take arrays."""
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def hashes(self) -> list[bytes]:
        """A hash of each image's values. All images of a data set have one shape."""
        if self.digests is not None:
            known = self.digests if self.rows is None else self.digests[self.rows]
            return [digest.tobytes() for digest in known]
        found = []
        for chunk in self.chunks():
            found += [image_digest(image) for image in chunk]
        return found


def pixels_of(given: Pixels | NDArray[Any]) -> Pixels:
    """An array as pixels."""
    return given if isinstance(given, Pixels) else Pixels(given)


def image_digest(image: NDArray[Any]) -> bytes:
    """The hash of one image's values: blake2b of 16 bytes."""
    return hashlib.blake2b(image.tobytes(), digest_size=DIGEST_BYTES).digest()


def image_bytes(base: NDArray[Any]) -> int:
    """Bytes of one image of an array."""
    return int(np.prod(base.shape[1:], dtype=np.int64)) * base.itemsize


def images_per_chunk(base: NDArray[Any]) -> int:
    """How many images of an array are read at a time, at least one."""
    return max(1, CHUNK_BYTES // max(image_bytes(base), 1))
