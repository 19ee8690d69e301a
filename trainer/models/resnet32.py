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

BLOCKS_PER_STAGE = 5


class PaddedBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation; a shortcut without weights.

    Where the shape changes the shortcut takes every other pixel, and new channels are 0, half of them before
    the others and half behind.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.added = channels_out - channels_in
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)

    def forward(self, images: Tensor) -> Tensor:
        """[B, channels_in, H, W] -> [B, channels_out, ceil(H / stride), ceil(W / stride)]."""
        features = functional.relu(self.norm1(self.conv1(images)))
        features = self.norm2(self.conv2(features))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        if self.added:
            before = self.added // 2
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, before, self.added - before))
        return functional.relu(features + shortcut)


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
    first = PaddedBlock(channels_in, channels_out, stride)
    others = [PaddedBlock(channels_out, channels_out, 1) for _ in range(BLOCKS_PER_STAGE - 1)]
    return nn.Sequential(first, *others)
