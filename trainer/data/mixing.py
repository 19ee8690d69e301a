"""Mixup and CutMix: images of two examples in one, and the share that each keeps.

An image is mixed with the one before it in its batch, the first with the last; an epoch's order is random, so
that is a random partner. The loss is the same mixture of the losses for both labels.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from search_spaces.config import Augmentation, CutMix, Mixup
from trainer.data.steps import Step, window

A = TypeVar("A", bound=Augmentation)


class MixingStep(Step[A], Generic[A]):
    """A step whose images depend on their partners, too."""

    @abstractmethod
    def shares(self, draws: tuple[Tensor, ...], height: int, width: int) -> Tensor:
        """What is its own of each image of this size, float32 [B] in 0..1; the rest is its partner's."""


class MixupStep(MixingStep[Mixup]):
    """Mixup: share * image + (1 - share) * partner, the share from Beta(alpha, alpha).

    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018. Drawn are the shares, float32 [n]; 1
    where an image is left as it is.
    """

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        shares = _beta(count, self.config.alpha, generator)
        return (_some(shares, self.config.probability, generator),)

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        share = draws[0][:, None, None, None]
        mixed = share * images.float() + (1 - share) * images.roll(1, dims=0).float()
        return mixed.round_().to(torch.uint8)

    def shares(self, draws: tuple[Tensor, ...], height: int, width: int) -> Tensor:
        """Those that were drawn."""
        return draws[0]


class CutMixStep(MixingStep[CutMix]):
    """CutMix: a rectangle of the partner in the image, of the area 1 - share, cut at the image's edges.

    Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features", ICCV
    2019. Drawn are float32 [n, 3], the side as a share of the image's and the rectangle's middle. The share
    that counts is that of the pixels that stayed.
    """

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        shares = _some(_beta(count, self.config.alpha, generator), self.config.probability, generator)
        middles = torch.rand(count, 2, generator=generator)
        return (torch.cat(((1 - shares).sqrt()[:, None], middles), dim=1),)

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        cut = _cut(draws[0], images.shape[2], images.shape[3])
        return torch.where(cut[:, None], images.roll(1, dims=0), images)

    def shares(self, draws: tuple[Tensor, ...], height: int, width: int) -> Tensor:
        """The pixels that stayed, as a share."""
        return 1 - _cut(draws[0], height, width).float().mean(dim=(1, 2))


def _cut(boxes: Tensor, height: int, width: int) -> Tensor:
    """Which pixels are the partner's, bool [B, height, width]."""
    down = _around(boxes[:, 0], boxes[:, 1], height)
    across = _around(boxes[:, 0], boxes[:, 2], width)
    return down[:, :, None] & across[:, None, :]


def _around(share: Tensor, middle: Tensor, side: int) -> Tensor:
    """Which of `side` pixels lie around each middle, bool [B, side]."""
    length = (share * side).floor()
    start = (middle * side).floor() - (length / 2).floor()
    return window(start, length, side)


def _beta(count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """So many numbers from Beta(alpha, alpha), float32 [n]; torch's own takes no generator."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, count)).float()


def _some(shares: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """The shares of those images that are drawn to be mixed; 1 of the others."""
    chosen = torch.rand(len(shares), generator=generator) < probability
    return torch.where(chosen, shares, 1.0)
