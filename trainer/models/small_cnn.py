"""A small CNN, which learns small images in seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from search_spaces.config import SmallCnn


def small_cnn(
    config: SmallCnn, *, channels: int, image_size: int, head: Callable[[int], nn.Module]
) -> nn.Sequential:
    """Two blocks of 3 x 3 convolution, batch normalisation, ReLU and 2 x 2 max-pool, and the head."""
    width = config.width
    side = image_size // 2 // 2
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            block1=_block(channels, width),
            block2=_block(width, 2 * width),
            flatten=nn.Flatten(),
            head=head(2 * width * side * side),
        )
    )


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
