"""The contract of augmentations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from search_spaces.config import Augmentation, AugmentationConfig
from trainer.data.mixing import MixingStep
from trainer.data.steps import Step
from trainer.registry import implementation_of
from trainer.testing.common import (
    check_configuration,
    demand,
    demanded,
    example_trial,
    no_global_randomness,
)
from trainer.testing.steps import CPU, META, check_step

ROWS = 6
SHAPES = ((1, 8, 8), (3, 32, 32), (3, 9, 9))


def check_augmentation(config: Augmentation) -> None:
    """Demand that an augmentation keeps its contract.

    Its random numbers come from the given generator alone: tensors on the CPU, a row per image, always of the
    same types. Images stay uint8 of their shape, the given ones are left alone, and each depends on its own
    row alone. A step with it asks the device for nothing. Raises ContractBroken.
    """
    trial = example_trial(augmentation=AugmentationConfig(then=(config,)))
    check_configuration(config, trial)
    step: Step[Any] = implementation_of(config)(config)
    draws = _check_draws(config, step)
    generator = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        images = torch.randint(0, 256, (ROWS, *shape), dtype=torch.uint8, generator=generator)
        _check_images(config, step, images, draws)
    demand(isinstance(step, MixingStep) == config.mixes, config, "a MixingStep exactly where it mixes")
    if isinstance(step, MixingStep):
        _check_shares(config, step, draws)
    check_step(trial)


def _check_shares(config: Augmentation, step: MixingStep[Any], draws: tuple[Tensor, ...]) -> None:
    """A share is what is left of an image whose partner is of another colour."""
    images = torch.zeros((ROWS, 1, 16, 16), dtype=torch.uint8)
    images[::2] = 200
    shares = step.shares(draws, 16, 16)
    demand(shares.shape == (ROWS,), config, f"a share per image, given {tuple(shares.shape)}")
    lit = step.apply(images, draws).float().mean(dim=(1, 2, 3)) / 200
    expected = torch.where(torch.arange(ROWS) % 2 == 0, shares, 1 - shares)
    demand(torch.allclose(lit, expected, atol=0.01), config, "shares that are those of the images")


def _check_draws(config: Augmentation, step: Step[Any]) -> tuple[Tensor, ...]:
    with no_global_randomness(config), demanded(config, "to draw"):
        draws, again = (step.draw(ROWS, torch.Generator().manual_seed(5)) for _ in range(2))
        one = step.draw(1, torch.Generator())
    for drawn, same, single in zip(draws, again, one, strict=True):
        demand(drawn.device == CPU, config, f"random numbers on the CPU, given {drawn.device}")
        demand(len(drawn) == ROWS and len(single) == 1, config, "a row of random numbers per image")
        demand(torch.equal(drawn, same), config, "random numbers from the given generator alone")
        alike = drawn.dtype == single.dtype and drawn.shape[1:] == single.shape[1:]
        demand(alike, config, "random numbers of one type and shape")
    return draws


def _check_images(config: Augmentation, step: Step[Any], images: Tensor, draws: tuple[Tensor, ...]) -> None:
    before = images.clone()
    with demanded(config, f"to take images of {tuple(images.shape)}"):
        changed = step.apply(images, draws)
        alone = torch.cat([_alone(config, step, images, draws, i) for i in range(ROWS)])
    demand(torch.equal(images, before), config, "the given images to be left alone")
    demand(changed.dtype == torch.uint8, config, f"uint8, given {changed.dtype}")
    shape = tuple(changed.shape)
    demand(changed.shape == images.shape, config, f"images of {tuple(images.shape)}, given {shape}")
    demand(torch.equal(changed, alone), config, "an image that depends on its own row alone")
    with demanded(config, "to ask the device for nothing"):
        there = step.apply(images.to(META), tuple(drawn.to(META) for drawn in draws))
    demand(there.device == META, config, "to stay on the images' device")


def _alone(
    config: Augmentation, step: Step[Any], images: Tensor, draws: tuple[Tensor, ...], row: int
) -> Tensor:
    """An image without the others of its batch; a step that mixes gets the one before it, too."""
    if not config.mixes:
        return step.apply(images[row : row + 1], _row(draws, row))
    pair = torch.stack((images[row - 1], images[row]))
    of_both = tuple(drawn[row : row + 1].expand(2, *drawn.shape[1:]) for drawn in draws)
    return step.apply(pair, of_both)[1:]


def _row(draws: tuple[Tensor, ...], row: int) -> tuple[Tensor, ...]:
    return tuple(drawn[row : row + 1] for drawn in draws)
