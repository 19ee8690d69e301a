"""Rotation and affine maps of images, one per image, by bilinear sampling.

They are ours: kornia's take 2.2 times as long for the same four steps (docs/benchmarks.md), and draw from
torch's global generator.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from search_spaces.config import Affine, Augmentation, Rotation
from trainer.data.steps import Step

A = TypeVar("A", bound=Augmentation)


class _Warp(Step[A], Generic[A]):
    """Each image's own linear map and shift, where it is drawn; what comes from outside is black.

    Drawn are float32 [n, 2, 3], the map from a place in the new image to one in the old (x right, y down, -1
    to 1 from edge to edge; images are square), and bool [n], which images are changed.
    """

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        maps, chosen = draws
        height, width = images.shape[2:]
        x = _places(width, images.device)
        y = _places(height, images.device)[:, None]
        rows = maps[:, :, :, None, None]
        # Number by number, so that an image is the same in every batch.
        grid = rows[:, :, 0] * x + rows[:, :, 1] * y + rows[:, :, 2]  # [B, 2, H, W]
        grid = grid.permute(0, 2, 3, 1)
        warped = grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        whole = warped.round_().clamp_(0, 255).to(torch.uint8)
        return torch.where(chosen[:, None, None, None], whole, images)


def _places(count: int, device: torch.device) -> Tensor:
    """The middles of so many pixels between -1 and 1."""
    return (2 * torch.arange(count, device=device, dtype=torch.float32) + 1) / count - 1


class RotationStep(_Warp[Rotation]):
    """A turn about the middle by an angle that is uniform in +-degrees; positive turns anticlockwise."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        angles = _uniform(count, generator, self.config.degrees)
        maps = _inverse_maps(angles, torch.ones(count), torch.zeros(count, 2), torch.zeros(count))
        return maps, torch.rand(count, generator=generator) < self.config.probability


class AffineStep(_Warp[Affine]):
    """A turn, a shear along x, a scale and a shift, all about the middle."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        config = self.config
        angles = _uniform(count, generator, config.degrees)
        shears = _uniform(count, generator, config.shear)
        lowest, highest = config.scale
        scales = lowest + (highest - lowest) * torch.rand(count, generator=generator)
        shifts = 2 * config.translate * (2 * torch.rand(count, 2, generator=generator) - 1)
        maps = _inverse_maps(angles, scales, shifts, shears)
        return maps, torch.rand(count, generator=generator) < config.probability


def _uniform(count: int, generator: torch.Generator, most: float) -> Tensor:
    """Angles in radians, uniform in +-`most` degrees."""
    return math.radians(most) * (2 * torch.rand(count, generator=generator) - 1)


def _inverse_maps(angles: Tensor, scales: Tensor, shifts: Tensor, shears: Tensor) -> Tensor:
    """[n, 2, 3] from new places to old ones, of a shear, then a turn and a scale, then a shift."""
    cosine, sine, slope = angles.cos() / scales, angles.sin() / scales, shears.tan()
    # Undone in turn: the shift, scale and turn, the shear. y points down.
    turn = torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    shear = torch.stack((torch.stack((one, -slope), 1), torch.stack((none, one), 1)), 1)
    linear = shear @ turn
    return torch.cat((linear, -(linear @ shifts[:, :, None])), dim=2)
