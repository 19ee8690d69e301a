"""Between the images and whoever trains or scores: batches, augmented and normalised on the device.

`ResidentExamples` are those of a task, on the device and shared by the replicates of a trial; each replicate
takes its epochs from `Batches` of its own. A step that asks for a batch does not know where it comes from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from search_spaces.config import AugmentationConfig
from trainer.data.augmentation import Augmenter, Draws
from trainer.data.prepared import Split
from trainer.data.task import TaskData

EVALUATION_BATCH = 512


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

    @abstractmethod
    def next(self, size: int) -> Batch:
        """The epoch's next examples. Asks the device for nothing, so that a step can be captured."""


class ResidentExamples:
    """A task's examples, as a trial trains on them and is scored by them, on the device.

    The images of pool and validation stay there.

    pool_targets         [N], in the type that the task's losses take
    validation_targets   the same of the validation split
    """

    def __init__(
        self,
        data: TaskData,
        augmentation: AugmentationConfig,
        device: torch.device,
        *,
        target_dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> None:
        self.device = device
        self.pool_targets = data.pool.targets.to(device, target_dtype)
        self.validation_targets = data.validation.targets.to(device, target_dtype)
        self._augmenter = Augmenter(
            data.pool.pixels.to(device),
            augmentation,
            data.splits.mean,
            data.splits.std,
            memory_format=memory_format,
        )
        self._validation = self._augmenter.eval_batch(data.validation.pixels.to(device))

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """The random draws of the augmentation of so many images, on the CPU."""
        return self._augmenter.draw(count, generator)

    def batches(self, *, capacity: int, batch_size: int) -> Batches:
        """Batches for a replicate whose epochs have at most `capacity` examples."""
        return ResidentBatches(self._augmenter, self.pool_targets, capacity, batch_size)

    def validation(self) -> Iterator[Tensor]:
        """The validation images, normalised once, in their order: [b, C, H, W] each."""
        return iter(self._validation.split(EVALUATION_BATCH))

    def evaluated(self, split: Split) -> Iterator[Tensor]:
        """The images of any split, normalised, in their order: [b, C, H, W] each."""
        for part in split.pixels.to(self.device).split(EVALUATION_BATCH):
            yield self._augmenter.eval_batch(part)


class ResidentBatches(Batches):
    """An epoch's order and draws are copied to the device once; a cursor there says where the next begins."""

    def __init__(self, augmenter: Augmenter, targets: Tensor, capacity: int, batch_size: int) -> None:
        device = targets.device
        self._augmenter, self._targets = augmenter, targets
        self._order = torch.zeros(capacity, dtype=torch.int64, device=device)
        self._draws = augmenter.room(capacity)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self._within = torch.arange(batch_size, device=device)

    def begin(self, order: Tensor, draws: Draws) -> None:
        """See `Batches`; there are at most `capacity` of them."""
        count = len(order)
        self._order[:count].copy_(order, non_blocking=True)
        self._draws.copy_(draws)
        self._cursor.zero_()

    def next(self, size: int) -> Batch:
        """See `Batches`; `size` is at most that of the constructor."""
        rows = self._cursor + self._within[:size]
        self._cursor.add_(size)
        positions = self._order[rows]
        draws = self._draws[rows]
        images = self._augmenter.train_batch(positions, draws)
        return Batch(positions, self._targets[positions], images, self._augmenter.shares(draws))
