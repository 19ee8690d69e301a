"""From a model's configuration to a network with weights.

Weights are drawn from an explicit generator and from nothing else: modules are built on the meta device,
where default initialisation draws no number, and filled in `initialise`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.config import Drawn, Head, Model
from search_spaces.errors import InputError
from trainer.models.heads import make_head
from trainer.registry import implementation_of

# Deviation of truncated normal weights (Liu et al., CVPR 2022).
_TRUNCATED = 0.02


def build_model(
    config: Model,
    *,
    channels: int,
    outputs: int,
    image_size: int,
    generator: torch.Generator,
    head: Head = "linear",
) -> nn.Module:
    """A network from images [B, channels, image_size, image_size] to [B, outputs].

    Every weight is drawn from `generator`, as the configuration says; the global random state is neither
    read nor changed. The weights are float32, on the generator's device. Raises InputError for sizes that it
    cannot have.
    """
    model = model_on_meta(config, channels=channels, outputs=outputs, image_size=image_size, head=head)
    model.to_empty(device=generator.device)
    for module in model.modules():
        initialise(module, generator, config.convolutions)
    return model


def model_on_meta(
    config: Model, *, channels: int, outputs: int, image_size: int, head: Head = "linear"
) -> nn.Module:
    """The network without storage. Raises InputError for sizes that it cannot have."""
    smallest = config.smallest_image
    if image_size < smallest or channels < 1 or outputs < 1:
        raise InputError(
            f"model {config.name!r}: expected images of at least {smallest} x {smallest}, "
            f"one channel and one output, given size {image_size}, {channels} channels and {outputs} outputs"
        )
    build = implementation_of(config)
    output_layer = partial(make_head, head, outputs=outputs)
    with torch.device("meta"):
        model: nn.Module = build(config, channels=channels, image_size=image_size, head=output_layer)
    return model


@torch.no_grad()
def initialise(module: nn.Module, generator: torch.Generator, convolutions: Drawn) -> None:
    """Fill one module's own parameters and buffers, not those of the modules in it.

    Convolutions: as `convolutions` says. Linear: torch's default, uniform within 1 / sqrt(fan-in); with
    "truncated_normal" as convolutions. Normalisation: 1 and 0. A module with other parameters fills them in
    a method `initialise(generator)` of its own; without one it is a TypeError.

    With "torch" these are the numbers of torch's own `reset_parameters`, drawn in the same order from
    `generator` in place of the global random state.
    """
    own = getattr(module, "initialise", None)
    match module:
        case _ if callable(own):
            own(generator)
        case nn.Conv2d() | nn.Linear() if convolutions == "truncated_normal":
            nn.init.trunc_normal_(module.weight, std=_TRUNCATED, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        case nn.Conv2d() if convolutions != "torch":
            mode: Any = convolutions.removeprefix("he_")
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu", generator=generator)
            _uniform_bias(module.bias, module.weight[0].numel(), generator)
        case nn.Conv2d():
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            _uniform_bias(module.bias, module.weight[0].numel(), generator)
        case nn.Linear():
            bound = 1 / math.sqrt(module.in_features)
            module.weight.uniform_(-bound, bound, generator=generator)
            _uniform_bias(module.bias, module.in_features, generator)
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.GroupNorm() | nn.LayerNorm():
            module.reset_parameters()
        case _ if [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            raise TypeError(
                f"{type(module).__name__}: expected a method initialise(generator) that fills its parameters"
            )


def _uniform_bias(bias: Tensor | None, inputs: int, generator: torch.Generator) -> None:
    if bias is not None:
        bound = 1 / math.sqrt(inputs)
        bias.uniform_(-bound, bound, generator=generator)
