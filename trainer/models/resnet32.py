"""ResNet-32, the network of most long-tail papers on CIFAR, scaled by a width.

He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2 with n = 5, shortcuts of
option A. At width 16 it has 464,154 parameters for ten classes of colour images.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from search_spaces.config import ResNet32
from trainer.models.resnet10 import BasicBlock

BLOCKS_PER_STAGE = 5


class PaddedShortcut(nn.Module):
    """Every other pixel, and new channels that are 0: half of them before the others and half behind."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        added = channels_out - channels_in
        self.padding = (added // 2, added - added // 2)

    def forward(self, images: Tensor) -> Tensor:
        """[B, channels_in, H, W] -> [B, channels_out, ceil(H / 2), ceil(W / 2)]."""
        return functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, *self.padding))


def resnet32(
    config: ResNet32, *, channels: int, image_size: int, head: Callable[[int], nn.Module]
) -> nn.Sequential:
    """Stem, three stages of five blocks with width * (1, 2, 4) channels, global average pool, head.

    The stem is a 3 x 3 convolution of stride 1; the first blocks of the second and third stage have stride 2.
    """
    width = config.width
    stem = nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            stem=stem,
            stage1=_stage(width, width, stride=1),
            stage2=_stage(width, 2 * width, stride=2),
            stage3=_stage(2 * width, 4 * width, stride=2),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=head(4 * width),
        )
    )


def _stage(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    shortcut = PaddedShortcut(channels_in, channels_out)
    first = BasicBlock(channels_in, channels_out, stride, shortcut)
    others = [BasicBlock(channels_out, channels_out, 1) for _ in range(BLOCKS_PER_STAGE - 1)]
    return nn.Sequential(first, *others)
