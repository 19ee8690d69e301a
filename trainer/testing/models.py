"""The contract of models."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from search_spaces.config import Head, Model
from trainer.device.precision import autocast
from trainer.models.build import build_model
from trainer.testing.common import (
    check_configuration,
    demand,
    demanded,
    example_trial,
    no_global_randomness,
    refused,
)
from trainer.testing.steps import CPU, check_step

IMAGES = 3
SHAPES = ((1, 28), (3, 32))
HEADS: tuple[tuple[int, Head], ...] = ((1, "linear"), (2, "cosine"), (10, "linear"))


def check_model(config: Model) -> None:
    """Demand that a model keeps its contract.

    It gives a row of finite outputs [B, outputs] per image, float32 in bf16 too, for grey and colour images
    of its smallest size and of usual ones, with either head; a row depends on its own image alone when it is
    scored. Its weights are drawn from the given generator alone, and are as many as it says; each gets a
    gradient. A step with it asks the device for nothing. Raises ContractBroken.
    """
    trial = example_trial(model=config)
    check_configuration(config, trial)
    demand(config.map_size(32) > 0, config, "a feature map of some size")
    demand(config.narrowest >= 0, config, "a number of channels")
    smallest = config.smallest_image
    for channels, image_size in ((1, smallest), (3, smallest + 1), *SHAPES):
        for outputs, head in HEADS:
            if image_size >= smallest:
                sizes = {"channels": channels, "image_size": image_size, "outputs": outputs, "head": head}
                _check_network(config, sizes)
    _check_refusal(config)
    check_step(trial)


def _check_refusal(config: Model) -> None:
    def build() -> None:
        too_small = config.smallest_image - 1
        build_model(config, channels=3, image_size=too_small, outputs=1, generator=torch.Generator())

    demand(refused(build), config, "InputError for images below its smallest_image")


def _check_network(config: Model, sizes: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(1)
    with no_global_randomness(config), demanded(config, f"to be built for {sizes}"):
        model = build_model(config, **sizes, generator=generator)
    _check_weights(config, sizes, model)
    shape = (IMAGES, sizes["channels"], sizes["image_size"], sizes["image_size"])
    images = torch.rand(shape, generator=generator)
    for precision in ("float32", "bf16"):
        model.zero_grad()
        with demanded(config, f"to take images of {sizes}"), autocast(precision, CPU):
            outputs = model(images)
        demand(outputs.shape == (IMAGES, sizes["outputs"]), config, f"a row per image for {sizes}")
        demand(outputs.dtype == torch.float32, config, f"outputs in float32 in {precision}, by its head")
        outputs.square().sum().backward()
        for name, parameter in model.named_parameters():
            wanted = "a gradient" if parameter.requires_grad else "no gradient, as it is frozen,"
            demand((parameter.grad is not None) == parameter.requires_grad, config, f"{wanted} of {name}")
            if parameter.grad is not None:
                demand(bool(parameter.grad.isfinite().all()), config, f"a finite gradient of {name}")
    model.eval()
    with torch.no_grad():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    demand(torch.allclose(together, alone, atol=1e-4), config, "outputs that depend on their own image alone")


def _check_weights(config: Model, sizes: dict[str, Any], model: nn.Module) -> None:
    count = sum(parameter.numel() for parameter in model.parameters())
    said = config.weight_count(**sizes)
    demand(said == count, config, f"a weight_count of {count} for {sizes}, given {said}")
    same, other = (build_model(config, **sizes, generator=torch.Generator().manual_seed(n)) for n in (1, 2))
    differs = False
    for name, value in model.state_dict().items():
        demand(bool(value.isfinite().all()), config, f"{name} to be filled")
        demand(torch.equal(value, same.state_dict()[name]), config, f"{name} from the generator alone")
        differs = differs or not torch.equal(value, other.state_dict()[name])
    demand(differs, config, "weights that another generator draws otherwise")
