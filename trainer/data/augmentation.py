"""Crop, flip and normalisation as batched tensor operations on the device that holds the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from search_spaces.config import AugmentationConfig


@dataclass(frozen=True, eq=False)
class Draws:
    """Random numbers of an augmentation, one row per image; slice it as the batches are sliced.

    offsets     int64 [n, 2], top and left of the crop window in the padded image, 0..2 * padding
    flips       bool [n]
    """

    offsets: Tensor
    flips: Tensor

    def __len__(self) -> int:
        return len(self.flips)

    def __getitem__(self, rows: slice | Tensor) -> Draws:
        return Draws(self.offsets[rows], self.flips[rows])

    def to(self, device: torch.device) -> Draws:
        """The same on `device`."""
        return Draws(self.offsets.to(device), self.flips.to(device))


class Augmenter:
    """Turns uint8 images on a device into normalised training and evaluation batches.

    The images are padded once with zeros, that is black, before normalisation, as torchvision's
    `RandomCrop` does to an image. A batch then costs one gather from a view of all crop windows.
    """

    def __init__(
        self,
        pixels: Tensor,
        config: AugmentationConfig,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        memory_format: torch.memory_format = torch.contiguous_format,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Take the images to augment, uint8 [N, C, H, W], and mean and std per channel in 0..1 units.

        Batches come in `memory_format` and `dtype`, on the device of `pixels`. Raises ValueError if
        `pixels` are not such images, or mean and std do not have C values, std positive.
        """
        if pixels.dtype != torch.uint8 or pixels.ndim != 4:
            raise ValueError(
                f"expected uint8 images [N, C, H, W], given {pixels.dtype} {tuple(pixels.shape)}"
            )
        channels, height, width = pixels.shape[1:]
        if len(mean) != channels or len(std) != channels or min(std) <= 0:
            raise ValueError(f"expected {channels} means and positive deviations, given {mean} and {std}")
        self.config = config
        self.device = pixels.device
        self._memory_format = memory_format
        self._dtype = dtype
        deviation = torch.tensor(std, dtype=torch.float64)
        shift = torch.tensor(mean, dtype=torch.float64) / deviation
        # (x / 255 - mean) / std = x * scale - shift
        self._scale = (1 / (255 * deviation)).to(pixels.device, torch.float32).view(-1, 1, 1)
        self._shift = shift.to(pixels.device, torch.float32).view(-1, 1, 1)
        padded = pad(pixels, [config.crop_padding] * 4)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        self._windows = windows.permute(0, 2, 3, 1, 4, 5)  # [N, top, left, C, H, W], a view

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw for `count` images, on the CPU, so that a CPU and a GPU see the same images."""
        windows = 2 * self.config.crop_padding + 1
        offsets = torch.randint(windows, (count, 2), generator=generator)
        flips = torch.rand(count, generator=generator) < self.config.horizontal_flip
        return Draws(offsets, flips)

    def train_batch(self, indices: Tensor, draws: Draws) -> Tensor:
        """Augmented, normalised images [B, C, H, W] of the positions `indices` [B], a row of `draws` each.

        `indices` and `draws` are on the augmenter's device; the sizes of all operations depend on B alone.
        """
        images = self._windows[indices, draws.offsets[:, 0], draws.offsets[:, 1]]
        images = torch.where(draws.flips[:, None, None, None], images.flip(-1), images)
        return self._normalise(images)

    def eval_batch(self, pixels: Tensor) -> Tensor:
        """Normalised images [B, C, H, W] of uint8 images of that shape, without augmentation."""
        return self._normalise(pixels)

    def _normalise(self, images: Tensor) -> Tensor:
        values = images.to(torch.float32, copy=True).mul_(self._scale).sub_(self._shift)
        return values.to(self._dtype).contiguous(memory_format=self._memory_format)
