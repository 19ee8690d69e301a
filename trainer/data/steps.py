"""The steps of an augmentation, as batched tensor operations on the device that holds the images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from search_spaces.config import Augmentation, HorizontalFlip, RandomCrop

A = TypeVar("A", bound=Augmentation)


class Step(ABC, Generic[A]):
    """One step: random numbers are drawn on the CPU, so that a CPU and a GPU see the same images."""

    def __init__(self, config: A) -> None:
        self.config = config

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Random numbers for `count` images, from `generator` alone: tensors on the CPU, a row per image.

        Their types, and their shapes but for the rows, are always the same.
        """

    @abstractmethod
    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """The images, uint8 [B, C, H, W], changed; the same type and shape. `images` itself is left alone.

        `draws` are B rows of what `draw` gave, on the images' device. The device is asked for nothing, and
        the sizes of all operations depend on the images' shape alone, so that a GPU can capture them.
        """


def window(start: Tensor, length: Tensor, side: int) -> Tensor:
    """Which of `side` pixels lie in each of B windows, bool [B, side]; what is outside of them is cut off."""
    pixels = torch.arange(side, device=start.device)
    return (pixels >= start[:, None]) & (pixels < (start + length)[:, None])


class CropStep(Step[RandomCrop]):
    """Zero-padding, that is black, then a window of the image's size: torchvision's `RandomCrop`.

    Drawn are the window's top and left in the padded image: int64 [n, 2], 0..2 * padding.
    """

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        windows = 2 * self.config.padding + 1
        return (torch.randint(windows, (count, 2), generator=generator),)

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        (offsets,) = draws
        height, width = images.shape[2:]
        padded = pad(images, [self.config.padding] * 4)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        windows = windows.permute(0, 2, 3, 1, 4, 5)  # [B, top, left, C, H, W], a view
        rows = torch.arange(len(images), device=images.device)
        return windows[rows, offsets[:, 0], offsets[:, 1]]


class FlipStep(Step[HorizontalFlip]):
    """Left and right change places where it is drawn: bool [n]."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        return (torch.rand(count, generator=generator) < self.config.probability,)

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        (flips,) = draws
        count = len(images)
        both = torch.cat((images, images.flip(-1)))
        # Whole images are copied, which is some times faster than to choose pixel by pixel.
        return both.index_select(0, torch.arange(count, device=images.device) + count * flips)
