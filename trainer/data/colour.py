"""Colour jitter: brightness, contrast, saturation and hue, factors of its own for each image."""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.config import ColorJitter
from trainer.data.steps import Step

# Luma of ITU-R BT.601, which grey images are made by.
_GREY = (0.299, 0.587, 0.114)


class ColorJitterStep(Step[ColorJitter]):
    """Brightness, contrast, saturation and hue in this order, as torchvision's `adjust_` functions have them.

    Brightness multiplies; contrast moves away from the image's mean grey, saturation from each pixel's grey;
    hue turns the colour circle. Grey images have neither saturation nor hue. Drawn are float32 [n, 4], three
    factors and a share of a turn, and bool [n], which images are changed.
    """

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        config = self.config
        spread = torch.tensor([config.brightness, config.contrast, config.saturation, config.hue])
        around = torch.tensor([1.0, 1.0, 1.0, 0.0])
        amounts = around + spread * (2 * torch.rand(count, 4, generator=generator) - 1)
        return amounts, torch.rand(count, generator=generator) < config.probability

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        amounts, chosen = draws
        brightness, contrast, saturation, turn = (amounts[:, i, None, None, None] for i in range(4))
        values = (images.float() / 255 * brightness).clamp_(0, 1)
        grey = _grey(values)
        middle = grey.mean(dim=(1, 2, 3), keepdim=True)
        values = _between(middle, values, contrast)
        if images.shape[1] == 3:
            values = _between(_grey(values), values, saturation)
            if self.config.hue:
                values = _turned(values, turn)
        whole = (values * 255).round_().to(torch.uint8)
        return torch.where(chosen[:, None, None, None], whole, images)


def _grey(values: Tensor) -> Tensor:
    """[B, 1, H, W] of values [B, C, H, W]."""
    if values.shape[1] != 3:
        return values.mean(dim=1, keepdim=True)
    red, green, blue = values.unbind(dim=1)
    return (_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue)[:, None]


def _between(from_here: Tensor, to_there: Tensor, share: Tensor) -> Tensor:
    return (from_here + share * (to_there - from_here)).clamp_(0, 1)


def _turned(values: Tensor, turn: Tensor) -> Tensor:
    """Colours [B, 3, H, W] with the hue of HSV turned by `turn` [B, 1, 1, 1] of the circle.

    With v the largest value and c the distance to the smallest, a channel of HSV's hexagon is
    v - c * clamp(min(k, 4 - k), 0, 1), k = (n + 6 hue) mod 6, n = 5, 3, 1 for red, green and blue.
    """
    value, smallest = values.amax(dim=1, keepdim=True), values.amin(dim=1, keepdim=True)
    chroma = value - smallest
    divisor = torch.where(chroma == 0, 1, chroma)
    red, green, blue = (values[:, i : i + 1] for i in range(3))
    of_green = (blue - red) / divisor + 2
    of_blue = (red - green) / divisor + 4
    not_red = torch.where(value == green, of_green, of_blue)
    hue = torch.where(value == red, (green - blue) / divisor, not_red) + 6 * turn  # in sixths
    offsets = 5 - 2 * torch.arange(3, device=values.device).view(3, 1, 1)
    k = (offsets + hue) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp_(0, 1)
