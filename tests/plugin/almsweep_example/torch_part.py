"""What the plug-in's configuration types name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from almsweep_example.config import Darken, Patches, Stripes
from search_spaces.config import ClassLabel
from trainer.data.sources.images import RawData, check_known, select_images
from trainer.data.sources.reader import Reader
from trainer.data.steps import Step


def squared(scores: Tensor, targets: Tensor, *, temperature: float, weight: float) -> Tensor:
    """Mean over the batch of w_y (tanh(s / temperature) - y')^2, y' = 1 or -1; w = `weight` for positives."""
    positive = targets.bool()
    squashed = torch.tanh(scores / temperature)
    return torch.where(positive, weight * (squashed - 1) ** 2, (squashed + 1) ** 2).mean()


class Token(nn.Module):
    """A learned vector that is added to every patch."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(depth))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw it."""
        self.token.normal_(std=0.02, generator=generator)

    def forward(self, patches: Tensor) -> Tensor:
        """[B, depth, H, W] -> [B, depth], the mean over patches."""
        return (patches + self.token[:, None, None]).mean(dim=(2, 3))


def patches(
    config: Patches, *, channels: int, image_size: int, head: Callable[[int], nn.Module]
) -> nn.Module:
    """The network without weights."""
    return nn.Sequential(
        nn.Conv2d(channels, config.depth, 4, stride=4),
        nn.GELU(),
        Token(config.depth),
        nn.LayerNorm(config.depth),
        head(config.depth),
    )


class StripesReader(Reader[Stripes]):
    """Draws the images; they have no own validation and test splits."""

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes."""
        check_known(asked, (0, 1), self.source.name)
        size, examples = self.source.size, self.source.examples
        generator = np.random.default_rng(0)
        labels = np.arange(examples, dtype=np.int64) % 2
        stripes = 60 * (np.arange(size) // 2 % 2)
        pixels = generator.integers(0, 196, (examples, 1, size, size))
        pixels[labels == 0] += stripes[:, None]
        pixels[labels == 1] += stripes[None, :]
        return RawData(select_images(pixels.astype(np.uint8), labels, asked), None, None)


class DarkenStep(Step[Darken]):
    """Drawn is the share of light that is left: float [n]."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        return (1 - self.config.most * torch.rand(count, generator=generator),)

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        (light,) = draws
        return (images * light[:, None, None, None]).to(torch.uint8)
