"""Torchvision's networks with another first and last layer, and noise that counts.

This module alone of the trainer imports torchvision when it is imported, which takes a second: only when such
a network is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from search_spaces.config import (
    ConvNeXtTiny,
    DenseNet121,
    EfficientNetB0,
    ResNet18,
    ResNet50,
    TorchvisionModel,
)
from trainer.compat import import_torchvision
from trainer.models.noise import Dropout, StochasticDepth
from trainer.models.staged import StagedNetwork

MakeHead = Callable[[int], nn.Module]

torchvision_models: Any = import_torchvision("models")
_CNBlock: Any = import_torchvision("models.convnext").CNBlock
_StochasticDepth: Any = import_torchvision("ops").StochasticDepth
_LAYER_SCALE = 1e-6


def resnet18(config: ResNet18, *, channels: int, image_size: int, head: MakeHead) -> StagedNetwork:
    """He et al., "Deep residual learning for image recognition", CVPR 2016."""
    return _resnet(config, torchvision_models.resnet18(weights=None), channels, head)


def resnet50(config: ResNet50, *, channels: int, image_size: int, head: MakeHead) -> StagedNetwork:
    """The same paper's; torchvision's has the stride in a block's 3 x 3 convolution."""
    return _resnet(config, torchvision_models.resnet50(weights=None), channels, head)


def _resnet(config: TorchvisionModel, network: nn.Module, channels: int, head: MakeHead) -> StagedNetwork:
    stages = [["conv1", "bn1"], ["layer1"], ["layer2"], ["layer3"], ["layer4"]]
    return _staged(config, network, "fc", stages, channels, head)


def densenet121(config: DenseNet121, *, channels: int, image_size: int, head: MakeHead) -> StagedNetwork:
    """Huang et al., "Densely connected convolutional networks", CVPR 2017."""
    stages = [["features.conv0", "features.norm0"]]
    for number in (1, 2, 3):
        stages.append([f"features.denseblock{number}", f"features.transition{number}"])
    stages.append(["features.denseblock4", "features.norm5"])
    network = torchvision_models.densenet121(weights=None)
    return _staged(config, network, "classifier", stages, channels, head)


def efficientnet_b0(
    config: EfficientNetB0, *, channels: int, image_size: int, head: MakeHead
) -> StagedNetwork:
    """Tan and Le, "EfficientNet", ICML 2019."""
    network = torchvision_models.efficientnet_b0(
        weights=None, dropout=config.dropout, stochastic_depth_prob=config.stochastic_depth
    )
    stages = [[f"features.{number}"] for number in range(config.stages)]
    return _staged(config, network, "classifier.1", stages, channels, head)


def convnext_tiny(config: ConvNeXtTiny, *, channels: int, image_size: int, head: MakeHead) -> StagedNetwork:
    """Liu et al., "A ConvNet for the 2020s", CVPR 2022."""
    network = torchvision_models.convnext_tiny(
        weights=None, block=ScaledBlock, stochastic_depth_prob=config.stochastic_depth
    )
    stages = [["features.0"], ["features.1"]]
    for downsampling in (2, 4, 6):
        stages.append([f"features.{downsampling}", f"features.{downsampling + 1}"])
    return _staged(config, network, "classifier.2", stages, channels, head)


class ScaledBlock(_CNBlock):  # type: ignore[misc]
    """Torchvision's block of ConvNeXt, which fills its own parameter."""

    def initialise(self, generator: torch.Generator) -> None:
        """The scale of the block's branch at first, as in the paper; nothing is drawn."""
        self.layer_scale.fill_(_LAYER_SCALE)


def _staged(
    config: TorchvisionModel,
    network: nn.Module,
    output: str,
    stages: Sequence[Sequence[str]],
    channels: int,
    head: MakeHead,
) -> StagedNetwork:
    """The network for images of `channels`, with another output layer, our noise, and its frozen stages."""
    _replace_noise(network)
    _take_channels(network, channels)
    network.set_submodule(output, head(config.features))
    frozen = []
    for stage in stages[: config.frozen_stages]:
        frozen += [network.get_submodule(name) for name in stage]
    return StagedNetwork(network, output, frozen)


def _replace_noise(network: nn.Module) -> None:
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Dropout):
            network.set_submodule(name, Dropout(module.p))
        elif isinstance(module, _StochasticDepth):
            network.set_submodule(name, StochasticDepth(module.p))


def _take_channels(network: nn.Module, channels: int) -> None:
    """Give the first convolution, which takes three colours, another number of channels."""
    convolutions = ((name, one) for name, one in network.named_modules() if isinstance(one, nn.Conv2d))
    name, found = next(convolutions)
    module: Any = found
    if channels == module.in_channels:
        return
    first = nn.Conv2d(
        channels,
        module.out_channels,
        module.kernel_size,
        module.stride,
        module.padding,
        bias=module.bias is not None,
    )
    network.set_submodule(name, first)
