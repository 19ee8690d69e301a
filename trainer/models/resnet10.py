"""ResNet-10, scaled by a width.

A forward pass at width 64 on one 3 x 32 x 32 image costs 0.25 GMAC = 0.5 GFLOP, and training on it three
times that, 1.5 GFLOP (measured with `torch.utils.flop_counter`, which counts convolutions and matrix
products); it has 4,898,625 parameters. Cost and parameters grow with the square of the width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from search_spaces.config import ResNet10


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation and a shortcut. He et al., CVPR 2016.

    The shortcut is the identity; where the shape changes it is the given one, or else a strided 1 x 1
    convolution with batch normalisation.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, shortcut: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = shortcut or nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, images: Tensor) -> Tensor:
        """[B, channels_in, H, W] -> [B, channels_out, ceil(H / stride), ceil(W / stride)]."""
        features = functional.relu(self.norm1(self.conv1(images)))
        features = self.norm2(self.conv2(features))
        return functional.relu(features + self.shortcut(images))


def resnet10(
    config: ResNet10, *, channels: int, image_size: int, head: Callable[[int], nn.Module]
) -> nn.Sequential:
    """Stem, four basic blocks, global average pool, head.

    The stem is a 3 x 3 convolution of stride 1 without max-pool; the blocks have strides 1, 2, 2, 2 and
    width * (1, 2, 4, 8) channels.
    """
    width = config.width
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            stem=nn.Sequential(
                nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            ),
            stage1=BasicBlock(width, width, stride=1),
            stage2=BasicBlock(width, 2 * width, stride=2),
            stage3=BasicBlock(2 * width, 4 * width, stride=2),
            stage4=BasicBlock(4 * width, 8 * width, stride=2),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=head(8 * width),
        )
    )
