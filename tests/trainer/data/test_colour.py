"""Colour jitter against a slow version, pixel by pixel, whose hue is the standard library's."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from search_spaces.config import ColorJitter
from trainer.data.colour import ColorJitterStep

ALL = torch.tensor([True])


def random_images(channels: int, count: int = 30) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    images = torch.randint(0, 256, (count, channels, 9, 9), dtype=torch.uint8, generator=generator)
    images[0] = 0
    images[1] = 255
    images[2] = images[2, :1]  # grey
    return images


def slow(image: NDArray[Any], amounts: Sequence[float]) -> NDArray[Any]:
    """Float64 [C, H, W] in 0..1 of an image in 0..255."""
    brightness, contrast, saturation, turn = amounts
    values = np.clip(image / 255 * brightness, 0, 1)
    values = np.clip(grey(values).mean() * (1 - contrast) + contrast * values, 0, 1)
    if len(image) == 1:
        return values
    values = np.clip(grey(values) * (1 - saturation) + saturation * values, 0, 1)
    for place in np.ndindex(image.shape[1:]):
        hue, s, v = colorsys.rgb_to_hsv(*values[:, *place])
        values[:, *place] = colorsys.hsv_to_rgb((hue + turn) % 1, s, v)
    return values


def grey(values: NDArray[Any]) -> NDArray[Any]:
    return values[0] if len(values) == 1 else np.tensordot([0.299, 0.587, 0.114], values, axes=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_four_are_the_slow_versions_in_their_order(channels: int) -> None:
    images = random_images(channels)
    step = ColorJitterStep(ColorJitter(brightness=0.6, contrast=0.7, saturation=0.8, hue=0.3, probability=1))
    draws = step.draw(len(images), torch.Generator().manual_seed(5))
    found = step.apply(images, draws)
    for image, changed, amounts in zip(images, found, draws[0].tolist(), strict=True):
        expected = slow(image.numpy().astype(float), amounts)
        assert np.abs(changed.numpy() - 255 * expected).max() < 0.51  # rounded once, at the end


def test_without_a_change_nothing_changes() -> None:
    images = random_images(3)
    step = ColorJitterStep(ColorJitter(hue=0.1))
    none = torch.tensor([[1.0, 1.0, 1.0, 0.0]]).expand(len(images), 4)
    assert torch.equal(step.apply(images, (none, ALL.expand(len(images)))), images)
    drawn = step.draw(len(images), torch.Generator())[0]
    assert torch.equal(step.apply(images, (drawn, ~ALL.expand(len(images)))), images)


def test_a_whole_turn_of_the_hue_is_none() -> None:
    images = random_images(3)
    step = ColorJitterStep(ColorJitter(hue=0.1))
    whole = torch.tensor([[1.0, 1.0, 1.0, 1.0]]).expand(len(images), 4)
    assert torch.equal(step.apply(images, (whole, ALL.expand(len(images)))), images)


def test_factors_are_uniform_about_one_and_the_hue_about_none() -> None:
    step = ColorJitterStep(ColorJitter(brightness=0.2, contrast=0.4, saturation=0, hue=0.05, probability=0.3))
    amounts, chosen = step.draw(20_000, torch.Generator().manual_seed(6))
    lowest, highest = amounts.amin(0).tolist(), amounts.amax(0).tolist()
    assert lowest == pytest.approx([0.8, 0.6, 1.0, -0.05], abs=1e-3)
    assert highest == pytest.approx([1.2, 1.4, 1.0, 0.05], abs=1e-3)
    assert chosen.double().mean().item() == pytest.approx(0.3, abs=0.015)
