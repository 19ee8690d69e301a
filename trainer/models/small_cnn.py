"""A small CNN, which learns small images in seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from search_spaces.config import SmallCnn


def small_cnn(
    config: SmallCnn, *, channels: int, image_size: int, head: Callable[[int], nn.Module]
) -> nn.Sequential:
    """Blocks of 3 x 3 convolution, batch normalisation, ReLU and 2 x 2 max-pool, and the head."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs, side = channels, image_size
    for number, wide in enumerate(config.channels, start=1):
        layers[f"block{number}"] = _block(inputs, wide)
        inputs, side = wide, side // 2
    layers["flatten"] = nn.Flatten()
    layers["head"] = head(inputs * side * side)
    return nn.Sequential(layers)


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
