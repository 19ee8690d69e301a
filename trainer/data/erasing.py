"""Random erasing."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from search_spaces.config import RandomErasing
from trainer.data.steps import Step, window


class ErasingStep(Step[RandomErasing]):
    """A black rectangle in an image, where it is drawn.

    Its area is uniform between the two shares of the image's, its height per width log-uniform between
    1 / `aspect` and `aspect`; a side that would be longer than the image's is as long as that. Drawn are
    float32 [n, 4], height and width as shares of the image's and the place in what is left, and bool [n].
    Zhong et al., "Random erasing data augmentation", AAAI 2020.
    """

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """See `Step`."""
        config = self.config
        least, most = config.area
        area = least + (most - least) * torch.rand(count, generator=generator)
        aspect = (math.log(config.aspect) * (2 * torch.rand(count, generator=generator) - 1)).exp()
        sides = torch.stack(((area * aspect).sqrt(), (area / aspect).sqrt()), dim=1).clamp_(max=1)
        places = torch.rand(count, 2, generator=generator)
        return torch.cat((sides, places), 1), torch.rand(count, generator=generator) < config.probability

    def apply(self, images: Tensor, draws: tuple[Tensor, ...]) -> Tensor:
        """See `Step`."""
        boxes, chosen = draws
        down = _within(boxes[:, 0], boxes[:, 2], images.shape[2])
        across = _within(boxes[:, 1], boxes[:, 3], images.shape[3])
        erased = down[:, :, None] & across[:, None, :] & chosen[:, None, None]
        return images.masked_fill(erased[:, None], 0)


def _within(share: Tensor, place: Tensor, side: int) -> Tensor:
    """Which of `side` pixels lie in each window, bool [B, side]; a window has at least one pixel."""
    length = (share * side).round().clamp(1, side)
    start = (place * (side + 1 - length)).floor().clamp_(max=side - 1)
    return window(start, length, side)
