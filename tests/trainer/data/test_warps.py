"""Rotation and affine maps against a slow version, and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from search_spaces.config import Affine, Rotation
from trainer.data.warps import AffineStep, RotationStep


def random_images(count: int, side: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def slow(image: NDArray[Any], forward: NDArray[Any], shift: NDArray[Any]) -> NDArray[Any]:
    """Every new pixel from the four old ones around the place that `forward` and `shift` bring there."""
    _, height, width = image.shape
    new = np.zeros(image.shape)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    backward = np.linalg.inv(forward)
    for y in range(height):
        for x in range(width):
            old_x, old_y = backward @ (np.array([x, y]) - middle - shift) + middle
            left, top = math.floor(old_x), math.floor(old_y)
            for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
                if 0 <= column < width and 0 <= row < height:
                    weight = (1 - abs(old_x - column)) * (1 - abs(old_y - row))
                    new[:, y, x] += weight * image[:, row, column]
    return new


def test_a_map_is_the_slow_versions() -> None:
    side = 12
    images = random_images(40, side)
    step = AffineStep(Affine(degrees=40, translate=0.25, scale=(0.7, 1.4), shear=20, probability=1))
    generator = torch.Generator().manual_seed(3)
    found = step.apply(images, step.draw(40, generator)).numpy().astype(float)
    again = torch.Generator().manual_seed(3)
    angles, shears = (most * (2 * torch.rand(40, generator=again).double() - 1) for most in (40, 20))
    scales = 0.7 + 0.7 * torch.rand(40, generator=again).double()
    shifts = 0.25 * side * (2 * torch.rand(40, 2, generator=again).double() - 1)
    for i in range(40):
        angle, slope = math.radians(angles[i]), math.tan(math.radians(shears[i]))
        # y points down, so this turns anticlockwise.
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        forward = scales[i].item() * turn @ np.array([[1, slope], [0, 1]])
        expected = slow(images[i].numpy().astype(float), forward, shifts[i].numpy())
        assert np.abs(found[i] - expected).max() < 0.51  # rounded to whole numbers


def test_a_quarter_turn_moves_pixels_alone() -> None:
    images = random_images(1, 8)
    step = RotationStep(Rotation(degrees=90, probability=1))
    maps = step.draw(1, torch.Generator())[0]
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    assert maps.shape == quarter.shape
    turned = step.apply(images, (quarter, torch.tensor([True])))
    assert torch.equal(turned, torch.rot90(images, 1, (2, 3)))


def test_angles_are_uniform_within_their_bound_and_as_many_are_turned_as_asked() -> None:
    step = RotationStep(Rotation(degrees=15, probability=0.3))
    maps, chosen = step.draw(20_000, torch.Generator().manual_seed(1))
    degrees = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert degrees.abs().max() <= 15
    assert degrees.abs().mean().item() == pytest.approx(7.5, rel=0.03)
    assert chosen.double().mean().item() == pytest.approx(0.3, abs=0.015)


def test_what_is_not_drawn_stays_as_it_is() -> None:
    images = random_images(5, 9)
    for step in (RotationStep(Rotation(probability=0)), AffineStep(Affine(probability=0))):
        assert torch.equal(step.apply(images, step.draw(5, torch.Generator())), images)
