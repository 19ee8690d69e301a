"""Augmentation and normalisation as batched tensor operations on the device that holds the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from search_spaces.config import AugmentationConfig
from trainer.data.mixing import MixingStep
from trainer.data.steps import Step
from trainer.registry import implementation_of


@dataclass(frozen=True, eq=False)
class Draws:
    """Random numbers of an augmentation: of each step its tensors, one row per image.

    Slice it as the batches are sliced.
    """

    steps: tuple[tuple[Tensor, ...], ...]

    def __getitem__(self, rows: slice | Tensor) -> Draws:
        return self._each(lambda drawn: drawn[rows])

    def to(self, device: torch.device) -> Draws:
        """The same on `device`."""
        return self._each(lambda drawn: drawn.to(device))

    def copy_(self, other: Draws) -> None:
        """Take over the rows of `other`, at most as many as these, without waiting for the device."""
        for own_step, other_step in zip(self.steps, other.steps, strict=True):
            for own, drawn in zip(own_step, other_step, strict=True):
                own[: len(drawn)].copy_(drawn, non_blocking=True)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        return Draws(tuple(tuple(map(change, step)) for step in self.steps))


class Augmenter:
    """Turns uint8 images on a device into normalised training and evaluation batches."""

    def __init__(
        self,
        pixels: Tensor,
        config: AugmentationConfig,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        rows: Tensor | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Take the images to augment, uint8 [N, C, H, W], and mean and std per channel in 0..1 units.

        They are `rows` of `pixels`, int64 [N] on the same device; None for all, as they stand.
        Batches come in `memory_format` and `dtype`, on the device of `pixels`. Raises ValueError if
        `pixels` are not such images, or mean and std do not have C values, std positive; InputError for a
        step that cannot be imported.
        """
        if pixels.dtype != torch.uint8 or pixels.ndim != 4:
            raise ValueError(
                f"expected uint8 images [N, C, H, W], given {pixels.dtype} {tuple(pixels.shape)}"
            )
        channels = pixels.shape[1]
        if len(mean) != channels or len(std) != channels or min(std) <= 0:
            raise ValueError(f"expected {channels} means and positive deviations, given {mean} and {std}")
        self.device = pixels.device
        self._pixels, self._rows = pixels, rows
        self._steps: tuple[Step[Any], ...] = tuple(implementation_of(step)(step) for step in config.steps)
        self._memory_format = memory_format
        self._dtype = dtype
        deviation = torch.tensor(std, dtype=torch.float64)
        shift = torch.tensor(mean, dtype=torch.float64) / deviation
        # (x / 255 - mean) / std = x * scale - shift
        self._scale = (1 / (255 * deviation)).to(pixels.device, torch.float32).view(-1, 1, 1)
        self._shift = shift.to(pixels.device, torch.float32).view(-1, 1, 1)

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw for `count` images, one step after another, on the CPU."""
        return Draws(tuple(step.draw(count, generator) for step in self._steps))

    def room(self, capacity: int) -> Draws:
        """Tensors on the device for the draws of up to `capacity` images, which stay where they are."""
        one = self.draw(1, torch.Generator())
        many = one[torch.zeros(capacity, dtype=torch.int64)]
        return many.to(self.device)

    def train_batch(self, indices: Tensor, draws: Draws) -> Tensor:
        """Augmented, normalised images [B, C, H, W] of the positions `indices` [B], a row of `draws` each.

        `indices` and `draws` are on the augmenter's device; the sizes of all operations depend on B alone.
        """
        rows = indices if self._rows is None else self._rows[indices]
        return self.augmented(self._pixels.index_select(0, rows), draws)

    def augmented(self, images: Tensor, draws: Draws) -> Tensor:
        """Augmented, normalised images [B, C, H, W] of uint8 ones on the device, a row of `draws` each."""
        for step, drawn in zip(self._steps, draws.steps, strict=True):
            images = step.apply(images, drawn)
        return self._normalise(images)

    def shares(self, draws: Draws) -> Tensor | None:
        """What is an image's own, [B], of images that are mixed with the one before; None without mixing."""
        last = self._steps[-1]
        if not isinstance(last, MixingStep):
            return None
        height, width = self._pixels.shape[2:]
        return last.shares(draws.steps[-1], height, width)

    def eval_batch(self, pixels: Tensor) -> Tensor:
        """Normalised images [B, C, H, W] of uint8 images of that shape, without augmentation."""
        return self._normalise(pixels)

    def _normalise(self, images: Tensor) -> Tensor:
        values = images.to(torch.float32, copy=True).mul_(self._scale).sub_(self._shift)
        return values.to(self._dtype).contiguous(memory_format=self._memory_format)
