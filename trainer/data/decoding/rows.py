"""The two files of decoded images: their pixels, and the hash of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.decoding.encoded import Form
from trainer.data.pixels import DIGEST_BYTES

PIXELS, DIGESTS = "pixels.bin", "digests.bin"


class RowFiles:
    """Both files of a folder, to be written in any order of rows; made, and their room taken, where absent.

    Raises OSError where the disk has no room for them.
    """

    def __init__(self, folder: str | Path, form: Form, images: int) -> None:
        self._form, self._images = form, images
        self._pixels = _opened(Path(folder, PIXELS), images * form.bytes_per_image)
        self._digests = _opened(Path(folder, DIGESTS), images * DIGEST_BYTES)

    def __enter__(self) -> RowFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._pixels)
        os.close(self._digests)

    def write(self, first: int, pixels: NDArray[Any], digests: NDArray[np.uint8]) -> None:
        """Write rows from `first` on: pixels [n, C, H, W], digests [n, 16]. A kill after it loses none."""
        _write(self._pixels, pixels, first * self._form.bytes_per_image)
        _write(self._digests, digests, first * DIGEST_BYTES)

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        os.fsync(self._pixels)
        os.fsync(self._digests)

    def read(self, size: int) -> Iterator[tuple[NDArray[Any], NDArray[np.uint8]]]:
        """Pixels and digests from the first to the last, so many images at a time."""
        for first in range(0, self._images, size):
            count = min(size, self._images - first)
            length = count * self._form.bytes_per_image
            pixels = np.frombuffer(
                _read(self._pixels, length, first * self._form.bytes_per_image), self._form.dtype
            )
            digests = _read(self._digests, count * DIGEST_BYTES, first * DIGEST_BYTES)
            yield (
                pixels.reshape(count, *self._form.shape),
                np.frombuffer(digests, np.uint8).reshape(count, -1),
            )


def _opened(path: Path, size: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if size and os.fstat(descriptor).st_size != size:
            if hasattr(os, "posix_fallocate"):  # so that the disk is not found full in the middle
                os.posix_fallocate(descriptor, 0, size)
            os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _write(descriptor: int, values: NDArray[Any], offset: int) -> None:
    left = memoryview(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    while len(left):
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def _read(descriptor: int, length: int, offset: int) -> bytes:
    parts = []
    while length:
        part = os.pread(descriptor, length, offset)
        if not part:
            raise OSError(5, "the file of decoded images is shorter than it has to be")
        parts.append(part)
        length, offset = length - len(part), offset + len(part)
    return b"".join(parts)
