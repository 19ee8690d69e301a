"""Output layers, which leave autocast: a logit is never rounded to bf16."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.config import COSINE_SCALE, Head
from trainer.device.precision import no_autocast


class LinearHead(nn.Linear):
    """The linear output, computed in its weights' precision even under autocast.

    In bf16 a logit keeps 8 significant bits: examples would tie by rounding, and every ranking metric suffer.
    """

    def forward(self, features: Tensor) -> Tensor:
        """[B, features] -> [B, outputs]."""
        with no_autocast(features.device):
            return super().forward(features.to(self.weight.dtype))


class CosineHead(nn.Module):
    """Cosine between features and one weight vector per class, times `scale`; the last layer of LDAM's code.

    Like `LinearHead` it leaves autocast.
    """

    def __init__(self, features: int, outputs: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(outputs, features))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw uniform directions of length 1."""
        self.weight.uniform_(-1, 1, generator=generator)
        self.weight.copy_(functional.normalize(self.weight))

    def forward(self, features: Tensor) -> Tensor:
        """[B, features] -> [B, outputs]. Features that are all zero give 0."""
        with no_autocast(features.device):
            features = functional.normalize(features.to(self.weight.dtype))
            cosines = functional.linear(features, functional.normalize(self.weight))
            return cosines if self.scale == 1 else self.scale * cosines


def make_head(kind: Head, features: int, outputs: int) -> nn.Module:
    """The output layer of that kind, from [B, features] to [B, outputs]."""
    if kind == "linear":
        return LinearHead(features, outputs)
    return CosineHead(features, outputs, COSINE_SCALE if kind == "scaled_cosine" else 1.0)
