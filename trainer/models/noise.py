"""Dropout and stochastic depth by a counter: the same numbers on every device, and after every interruption.

A mask is a function of a key, which is drawn with the weights, and of how often the layer was asked. Both are
buffers: they stand in a checkpoint, and a captured step counts on by itself. So nothing is drawn from torch's
global random state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_BITS_32 = 0xFFFFFFFF
_BITS_24 = 2**24


class Noise(nn.Module):
    """What keeps numbers with the chance 1 - `probability` in training, and divides them by it."""

    key: Tensor
    calls: Tensor

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.register_buffer("key", torch.empty(2, dtype=torch.int64))
        self.register_buffer("calls", torch.empty((), dtype=torch.int64))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the key, two numbers of 32 bits, and count from 0."""
        self.key.random_(0, 2**32, generator=generator)
        self.calls.zero_()

    def _kept(self, values: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`values` times a new mask of `shape`, which is 0 or 1 / (1 - probability)."""
        self.calls.add_(1)
        first = mixed(self.key[0] ^ (self.calls & _BITS_32))
        second = mixed(self.key[1] ^ first)
        places = torch.arange(math.prod(shape), device=values.device)
        numbers = mixed((mixed(places ^ first) + second) & _BITS_32) >> 8
        kept = numbers < round((1 - self.probability) * _BITS_24)
        return values * (kept.to(values.dtype) / (1 - self.probability)).view(shape)


class Dropout(Noise):
    """Leaves out single numbers of [B, ...] in training. Srivastava et al., JMLR 2014."""

    def forward(self, values: Tensor) -> Tensor:
        """Of the shape of `values`."""
        if not self.training or self.probability == 0:
            return values
        return self._kept(values, tuple(values.shape))


class StochasticDepth(Noise):
    """Leaves out a branch for single examples of [B, ...] in training. Huang et al., ECCV 2016."""

    def forward(self, values: Tensor) -> Tensor:
        """Of the shape of `values`."""
        if not self.training or self.probability == 0:
            return values
        return self._kept(values, (len(values), *(1 for _ in values.shape[1:])))


def mixed(numbers: Tensor) -> Tensor:
    """A hash of 32 bits of numbers of 32 bits, int64: C. Wellons's "lowbias32" (hash-prospector, 2018).

    The second factor stands for 0x846ca68b: below 0, so that no product leaves 64 bits.
    """
    numbers = numbers ^ (numbers >> 16)
    numbers = (numbers * 0x7FEB352D) & _BITS_32
    numbers = numbers ^ (numbers >> 15)
    numbers = (numbers * (0x846CA68B - 2**32)) & _BITS_32
    return numbers ^ (numbers >> 16)
