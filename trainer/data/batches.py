"""Between the images and whoever trains or scores: batches, augmented and normalised on the device.

`Examples` are those of a task, shared by the replicates of a trial; each replicate takes its epochs from
`Batches` of its own. A step that asks for a batch does not know where it comes from: here images stay on the
device, in `trainer.data.streaming` they are read batch by batch. Both give the same numbers bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from search_spaces.config import AugmentationConfig
from trainer.compat import tensor_of_mapped
from trainer.data.augmentation import Augmenter, Draws
from trainer.data.pixels import Pixels
from trainer.data.prepared import Split
from trainer.data.task import TaskData

EVALUATION_BATCH = 512
# A batch for evaluation has no more pixels than so many images of this side, whose feature maps fit.
_EVALUATED_SIDE = 64


class Batch(NamedTuple):
    """Examples to train on.

    positions   in the pool [B]
    targets     [B]
    images      [B, C, H, W], float
    shares      what is its own of each image, [B]; the rest is that of the example before it (of the first
                one, the last's). None where images are not mixed
    """

    positions: Tensor
    targets: Tensor
    images: Tensor
    shares: Tensor | None = None


class Batches(ABC):
    """The batches of one replicate, one epoch after another."""

    @abstractmethod
    def begin(self, order: Tensor, draws: Draws) -> None:
        """Take an epoch's examples: positions in the pool [n], and a row of random draws each."""

    def load(self, size: int) -> None:  # noqa: B027
        """Bring the epoch's next examples to where `next` finds them; called before every `next`.

        It may wait for a disk, which no captured step can. Nothing to do where they are there.
        """

    @abstractmethod
    def next(self, size: int) -> Batch:
        """The epoch's next examples. Asks the device for nothing, so that a step can be captured."""

    def close(self) -> None:  # noqa: B027
        """Let go of what is read ahead; an epoch may be begun again after it."""


class Examples(ABC):
    """A task's examples, as a trial trains on them and is scored by them.

    streams              whether images are read batch by batch
    pool_targets         [N], in the type that the task's losses take
    validation_targets   the same of the validation split
    """

    streams: bool

    def __init__(
        self,
        data: TaskData,
        pixels: Tensor,
        rows: Tensor | None,
        augmentation: AugmentationConfig,
        device: torch.device,
        *,
        target_dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> None:
        """Take the pool's images, which are `rows` of `pixels` on the device; some are enough to stream."""
        self.device = device
        self.pool_targets = data.pool.targets.to(device, target_dtype)
        self.validation_targets = data.validation.targets.to(device, target_dtype)
        self._augmenter = Augmenter(
            pixels,
            augmentation,
            data.splits.mean,
            data.splits.std,
            rows=rows,
            memory_format=memory_format,
        )

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """The random draws of the augmentation of so many images, on the CPU."""
        return self._augmenter.draw(count, generator)

    @abstractmethod
    def batches(self, *, capacity: int, batch_size: int) -> Batches:
        """Batches for a replicate whose epochs have at most `capacity` examples."""

    @abstractmethod
    def validation(self) -> Iterator[Tensor]:
        """The validation images, normalised, in their order: [b, C, H, W] each."""

    def evaluated(self, split: Split) -> Iterator[Tensor]:
        """The images of any split, normalised, in their order: [b, C, H, W] each."""
        for part in parts_of(split.pixels):
            yield self._augmenter.eval_batch(part.to(self.device))


class ResidentExamples(Examples):
    """The images of pool and validation are on the device; on a CPU they stay in the file that is mapped."""

    streams = False

    def __init__(
        self,
        data: TaskData,
        augmentation: AugmentationConfig,
        device: torch.device,
        *,
        target_dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> None:
        pixels, rows = _on_device(data.pool.pixels, device)
        super().__init__(
            data,
            pixels,
            rows,
            augmentation,
            device,
            target_dtype=target_dtype,
            memory_format=memory_format,
        )
        shape = data.validation.pixels.shape
        self._validation_batch = evaluation_batch(shape)
        self._validation = torch.empty(shape, dtype=torch.float32, device=device, memory_format=memory_format)
        first = 0
        for part in parts_of(data.validation.pixels):
            self._validation[first : first + len(part)] = self._augmenter.eval_batch(part.to(device))
            first += len(part)

    def batches(self, *, capacity: int, batch_size: int) -> Batches:
        """See `Examples`."""
        return ResidentBatches(self._augmenter, self.pool_targets, capacity, batch_size)

    def validation(self) -> Iterator[Tensor]:
        """See `Examples`; they are normalised once."""
        return iter(self._validation.split(self._validation_batch))


def _on_device(pixels: Pixels, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Images on a device, and which rows of these they are; on a CPU nothing is copied."""
    if device.type == "cpu":
        rows = None if pixels.rows is None else torch.from_numpy(pixels.rows)
        return tensor_of_mapped(pixels.base), rows
    found = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    first = 0
    for chunk in pixels.chunks():
        found[first : first + len(chunk)] = tensor_of_mapped(chunk).to(device)
        first += len(chunk)
    return found, None


def evaluation_batch(shape: tuple[int, ...]) -> int:
    """How many images [N, C, H, W] of a shape are scored at a time.

    >>> evaluation_batch((1000, 3, 32, 32)), evaluation_batch((1000, 3, 224, 224))
    (512, 41)
    """
    height, width = shape[2:]
    return min(EVALUATION_BATCH, max(1, EVALUATION_BATCH * _EVALUATED_SIDE**2 // (height * width)))


def parts_of(pixels: Pixels) -> Iterator[Tensor]:
    """Images as they are scored, uint8 [b, C, H, W] each, in memory."""
    for part in pixels.parts(evaluation_batch(pixels.shape)):
        yield tensor_of_mapped(part)


class EpochCursor:
    """An epoch's order and draws, copied to the device once; a cursor there says where the next begins."""

    def __init__(self, augmenter: Augmenter, targets: Tensor, capacity: int, batch_size: int) -> None:
        device = targets.device
        self.targets = targets
        self._order = torch.zeros(capacity, dtype=torch.int64, device=device)
        self._draws = augmenter.room(capacity)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self._within = torch.arange(batch_size, device=device)

    def begin(self, order: Tensor, draws: Draws) -> None:
        """Take an epoch's examples, of which there are at most `capacity`."""
        count = len(order)
        self._order[:count].copy_(order, non_blocking=True)
        self._draws.copy_(draws)
        self._cursor.zero_()

    def next(self, size: int) -> tuple[Tensor, Draws]:
        """Positions and draws of the next examples, at most `batch_size`."""
        rows = self._cursor + self._within[:size]
        self._cursor.add_(size)
        return self._order[rows], self._draws[rows]


class ResidentBatches(Batches):
    """Batches of images that are on the device."""

    def __init__(self, augmenter: Augmenter, targets: Tensor, capacity: int, batch_size: int) -> None:
        self._augmenter = augmenter
        self._cursor = EpochCursor(augmenter, targets, capacity, batch_size)

    def begin(self, order: Tensor, draws: Draws) -> None:
        """See `Batches`; there are at most `capacity` of them."""
        self._cursor.begin(order, draws)

    def next(self, size: int) -> Batch:
        """See `Batches`; `size` is at most that of the constructor."""
        positions, draws = self._cursor.next(size)
        images = self._augmenter.train_batch(positions, draws)
        return Batch(positions, self._cursor.targets[positions], images, self._augmenter.shares(draws))
