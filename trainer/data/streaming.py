"""Examples whose images are read from the mapped file batch by batch, ahead of the step that takes them."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.config import AugmentationConfig
from trainer.data.augmentation import Augmenter, Draws
from trainer.data.batches import Batch, Batches, EpochCursor, Examples, parts_of
from trainer.data.pixels import Pixels, image_bytes
from trainer.data.task import TaskData

# Batches that are read ahead, the one in use included.
DEPTH = 3


class StreamedExamples(Examples):
    """No image stays on the device. Numbers are those of `ResidentExamples`, bit for bit."""

    streams = True

    def __init__(
        self,
        data: TaskData,
        augmentation: AugmentationConfig,
        device: torch.device,
        *,
        target_dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> None:
        shape = data.pool.pixels.shape[1:]
        super().__init__(
            data,
            torch.zeros((1, *shape), dtype=torch.uint8, device=device),
            None,
            augmentation,
            device,
            target_dtype=target_dtype,
            memory_format=memory_format,
        )
        self._pool, self._validation = data.pool.pixels, data.validation.pixels

    def batches(self, *, capacity: int, batch_size: int) -> Batches:
        """See `Examples`."""
        return StreamedBatches(self._augmenter, self.pool_targets, self._pool, capacity, batch_size)

    def validation(self) -> Iterator[Tensor]:
        """See `Examples`; they are read and normalised every time."""
        for part in parts_of(self._validation):
            yield self._augmenter.eval_batch(part.to(self.device))


class StreamedBatches(Batches):
    """Batches of images that a thread reads ahead, in pinned memory where there is a GPU.

    `load` copies the next ones to where a captured step finds them.
    """

    def __init__(
        self, augmenter: Augmenter, targets: Tensor, pixels: Pixels, capacity: int, batch_size: int
    ) -> None:
        self._augmenter, self._batch_size = augmenter, batch_size
        self._cursor = EpochCursor(augmenter, targets, capacity, batch_size)
        shape = (batch_size, *pixels.shape[1:])
        self._images = torch.zeros(shape, dtype=torch.uint8, device=targets.device)
        self._reader = ReadAhead(pixels, batch_size, targets.device)

    def begin(self, order: Tensor, draws: Draws) -> None:
        """See `Batches`; there are at most `capacity` of them."""
        self._cursor.begin(order, draws)
        self._reader.begin(order.numpy())

    def load(self, size: int) -> None:
        """See `Batches`; all batches of an epoch but the last are of the full size."""
        self._reader.next(self._images[:size])

    def next(self, size: int) -> Batch:
        """See `Batches`; `size` is that of the last `load`."""
        positions, draws = self._cursor.next(size)
        images = self._augmenter.augmented(self._images[:size], draws)
        return Batch(positions, self._cursor.targets[positions], images, self._augmenter.shares(draws))

    def close(self) -> None:
        """See `Batches`."""
        self._reader.close()


@dataclass
class _Buffer:
    """Memory for a batch on the host; `copied` is when the device has taken it, on CUDA."""

    images: Tensor
    copied: torch.cuda.Event | None = None

    def wait(self) -> None:
        """Return when the device no longer reads it."""
        if self.copied is not None:
            self.copied.synchronize()


class ReadAhead:
    """Reads the batches of an epoch in a thread, up to DEPTH of them before they are asked for."""

    def __init__(self, pixels: Pixels, batch_size: int, device: torch.device) -> None:
        self._pixels, self._batch_size, self._device = pixels, batch_size, device
        self._on_gpu = device.type == "cuda"
        shape = (batch_size, *pixels.shape[1:])
        self._buffers = []
        for _ in range(DEPTH):
            images = torch.empty(shape, dtype=torch.uint8, pin_memory=self._on_gpu)
            self._buffers.append(_Buffer(images))
        self._free: queue.SimpleQueue[_Buffer | None] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[_Buffer, int] | BaseException] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, order: NDArray[np.int64]) -> None:
        """Read the images at these positions, batch after batch; what is left of an earlier epoch is not."""
        self.close()
        self._free, self._full = queue.SimpleQueue(), queue.SimpleQueue()
        for buffer in self._buffers:
            self._free.put(buffer)
        arguments = (self._pixels, self._batch_size, order, self._free, self._full)
        self._thread = threading.Thread(target=_read, args=arguments, daemon=True)
        self._thread.start()

    def next(self, into: Tensor) -> None:
        """Copy the next batch to the device, behind what is queued there. Raises what reading raised."""
        found = self._full.get()
        if isinstance(found, BaseException):
            raise found
        buffer, count = found
        if count != len(into):
            raise AssertionError(f"a batch of {count} images, asked for {len(into)}")
        into.copy_(buffer.images[:count], non_blocking=True)
        if self._on_gpu:
            buffer.copied = torch.cuda.Event()
            buffer.copied.record(torch.cuda.current_stream(self._device))
        self._free.put(buffer)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._free.put(None)
            self._thread.join()
            self._thread = None

    def __del__(self) -> None:
        """Whoever forgets to close it leaves no thread behind."""
        self._free.put(None)


def _read(
    pixels: Pixels,
    batch_size: int,
    order: NDArray[np.int64],
    free: queue.SimpleQueue[_Buffer | None],
    full: queue.SimpleQueue[tuple[_Buffer, int] | BaseException],
) -> None:
    """Fill free buffers with one batch after another; None among them ends it."""
    try:
        with RowSource(pixels) as source:
            for first in range(0, len(order), batch_size):
                buffer = free.get()
                if buffer is None:
                    return
                buffer.wait()
                positions = order[first : first + batch_size]
                source.read(positions, buffer.images.numpy())
                full.put((buffer, len(positions)))
    except BaseException as error:
        full.put(error)


class RowSource:
    """Reads images from the file that pixels map, else from their array.

    Reading instead of looking at the map: its pages then count as nobody's memory, and a disk that fails is
    an error, where a look at the map would end the process.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._pixels, self._rows = pixels, pixels.all_rows()
        self._size = image_bytes(pixels.base)
        self._descriptor = -1

    def __enter__(self) -> RowSource:
        if self._pixels.file is not None:
            self._descriptor = os.open(self._pixels.file, os.O_RDONLY)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def read(self, positions: NDArray[np.int64], into: NDArray[Any]) -> None:
        """Copy the images at positions [n] to the first n of `into`. Raises OSError where that fails."""
        rows = self._rows[positions]
        if self._descriptor < 0:
            # "clip", as NumPy would copy twice under "raise"; rows are within the array.
            np.take(self._pixels.base, rows, axis=0, out=into[: len(rows)], mode="clip")
            return
        for place, row in enumerate(rows.tolist()):
            self._read_one(row, into[place])

    def _read_one(self, row: int, into: NDArray[Any]) -> None:
        left = memoryview(into.reshape(-1).view(np.uint8).data)
        offset = row * self._size
        while len(left):
            count = os.preadv(self._descriptor, [left], offset)
            if not count:
                raise OSError(5, f"{self._pixels.file}: expected a map of decoded images, found a part")
            left, offset = left[count:], offset + count
