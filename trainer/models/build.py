"""The networks: a ResNet-10 scaled by a width, and a small CNN.

Weights are drawn from an explicit generator and from nothing else: modules are built on the meta device,
where default initialisation draws no number, and filled in `_initialise`. Only `torch.nn` modules are used.

A forward pass of ResNet-10 at width 64 on one 3 x 32 x 32 image costs 0.25 GMAC = 0.5 GFLOP, and training on
it three times that, 1.5 GFLOP (measured with `torch.utils.flop_counter`, which counts convolutions and matrix
products); it has 4,898,625 parameters. Cost and parameters grow with the square of the width.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.config import Initialization, ModelConfig, ResNet10
from search_spaces.errors import InputError

SMALLEST_IMAGE = 8


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation and a shortcut. He et al., CVPR 2016.

    The shortcut is the identity, or a strided 1 x 1 convolution with batch normalisation where the shape
    changes.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, images: Tensor) -> Tensor:
        """[B, channels_in, H, W] -> [B, channels_out, ceil(H / stride), ceil(W / stride)]."""
        features = functional.relu(self.norm1(self.conv1(images)))
        features = self.norm2(self.conv2(features))
        return functional.relu(features + self.shortcut(images))


class LinearHead(nn.Linear):
    """The linear output, computed in its weights' precision even under autocast.

    In bf16 a logit keeps 8 significant bits: examples would tie by rounding, and every ranking metric suffer.
    """

    def forward(self, features: Tensor) -> Tensor:
        """[B, features] -> [B, outputs]."""
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.to(self.weight.dtype))


class CosineHead(nn.Module):
    """Cosine between features and one weight vector per class, in [-1, 1]; the last layer of LDAM's code.

    Like `LinearHead` it leaves autocast.
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, features))

    def forward(self, features: Tensor) -> Tensor:
        """[B, features] -> [B, outputs]. Features that are all zero give 0."""
        with torch.autocast(features.device.type, enabled=False):
            features = functional.normalize(features.to(self.weight.dtype))
            return functional.linear(features, functional.normalize(self.weight))


def _head(features: int, outputs: int, cosine: bool) -> nn.Module:
    return CosineHead(features, outputs) if cosine else LinearHead(features, outputs)


def _resnet10(width: int, channels: int, outputs: int, cosine_head: bool) -> nn.Sequential:
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
            head=_head(8 * width, outputs, cosine_head),
        )
    )


def _small_cnn(width: int, channels: int, outputs: int, image_size: int, cosine_head: bool) -> nn.Sequential:
    def block(channels_in: int, channels_out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    side = image_size // 2 // 2
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            block1=block(channels, width),
            block2=block(width, 2 * width),
            flatten=nn.Flatten(),
            head=_head(2 * width * side * side, outputs, cosine_head),
        )
    )


def _on_meta(
    config: ModelConfig, channels: int, outputs: int, image_size: int, cosine_head: bool
) -> nn.Sequential:
    """The network without storage; raises InputError for sizes it cannot have."""
    if image_size < SMALLEST_IMAGE or channels < 1 or outputs < 1:
        raise InputError(
            f"model {config.name!r}: expected images of at least {SMALLEST_IMAGE} x {SMALLEST_IMAGE}, "
            f"one channel and one output, given size {image_size}, {channels} channels and {outputs} outputs"
        )
    with torch.device("meta"):
        if isinstance(config, ResNet10):
            return _resnet10(config.width, channels, outputs, cosine_head)
        return _small_cnn(config.width, channels, outputs, image_size, cosine_head)


@torch.no_grad()
def _initialise(module: nn.Module, generator: torch.Generator, initialization: Initialization) -> None:
    """Fill one module's own parameters and buffers.

    Convolutions: as `initialization` says. Linear: torch's default, uniform within 1 / sqrt(fan-in). Batch
    normalisation: 1 and 0. Cosine head: uniform directions of length 1.

    With "torch" these are the numbers of torch's own `reset_parameters`, drawn in the same order from
    `generator` in place of the global random state.
    """
    match module:
        case nn.Conv2d() if initialization == "he_fan_out":
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        case nn.Conv2d():
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
        case nn.Linear():
            bound = 1 / math.sqrt(module.in_features)
            module.weight.uniform_(-bound, bound, generator=generator)
            module.bias.uniform_(-bound, bound, generator=generator)
        case nn.BatchNorm2d():
            module.reset_parameters()
        case CosineHead():
            module.weight.uniform_(-1, 1, generator=generator)
            module.weight.copy_(functional.normalize(module.weight))
        case _:
            if any(True for _ in module.parameters(recurse=False)):
                raise TypeError(f"no initialisation is written for {type(module).__name__}")


def build_model(
    config: ModelConfig,
    *,
    channels: int,
    outputs: int,
    image_size: int,
    generator: torch.Generator,
    cosine_head: bool = False,
) -> nn.Module:
    """A network from images [B, channels, image_size, image_size] to [B, outputs].

    ResNet-10: 3 x 3 stem of stride 1, no max-pool, four basic blocks of strides 1, 2, 2, 2 and width * (1, 2,
    4, 8) channels, global average pool, one linear layer. Small CNN: two blocks of 3 x 3 convolution, batch
    normalisation, ReLU and 2 x 2 max-pool with width * (1, 2) channels, one linear layer. `cosine_head`
    replaces the linear layer by LDAM's, which has no bias and gives cosines. Every weight is drawn from
    `generator`, as `config.initialization` says; the global random state is neither read nor changed. The
    weights are float32, on the generator's device. Raises InputError for images below 8 x 8.
    """
    model = _on_meta(config, channels, outputs, image_size, cosine_head)
    model.to_empty(device=generator.device)
    for module in model.modules():
        _initialise(module, generator, config.initialization)
    return model


def parameter_count(
    config: ModelConfig, channels: int, outputs: int, image_size: int, *, cosine_head: bool = False
) -> int:
    """Number of trainable parameters, without allocating any.

    >>> parameter_count(ResNet10(width=64), channels=3, outputs=1, image_size=32)
    4898625
    """
    model = _on_meta(config, channels, outputs, image_size, cosine_head)
    return sum(parameter.numel() for parameter in model.parameters())
