"""Random erasing: one black rectangle, in its range of areas and aspects."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from search_spaces.config import RandomErasing
from trainer.data.erasing import ErasingStep

SIDE = 32


def erased(config: RandomErasing, count: int) -> torch.Tensor:
    """Which pixels became black, bool [count, SIDE, SIDE]."""
    step = ErasingStep(config)
    white = torch.full((count, 3, SIDE, SIDE), 255, dtype=torch.uint8)
    images = step.apply(white, step.draw(count, torch.Generator().manual_seed(7)))
    assert (images == images[:, :1]).all()
    assert set(images.unique().tolist()) <= {0, 255}
    return images[:, 0] == 0


def test_one_rectangle_with_an_area_in_range() -> None:
    masks = erased(RandomErasing(area=(0.1, 0.25), aspect=2, probability=1), 3000)
    rows, columns = masks.any(2).sum(1), masks.any(1).sum(1)
    areas = masks.sum((1, 2))
    assert torch.equal(rows * columns, areas)  # a rectangle
    shares = areas / SIDE**2
    assert shares.min() > 0.1 - 0.03
    assert shares.max() < 0.25 + 0.03
    assert shares.mean().item() == pytest.approx(0.175, abs=0.01)
    ratio = rows / columns
    assert ratio.min() > 1 / 2 - 0.08
    assert ratio.max() < 2 + 0.35
    assert ratio.log().mean().item() == pytest.approx(0, abs=0.03)


def test_rectangles_lie_anywhere() -> None:
    masks = erased(RandomErasing(area=(0.05, 0.05), aspect=1, probability=1), 4000)
    often = masks.double().mean(0)
    middle = often[8:24, 8:24]
    assert middle.min().item() == pytest.approx(middle.max().item(), rel=0.35)
    assert often[0, 0] > 0
    assert often[-1, -1] > 0


def test_as_many_are_erased_as_asked() -> None:
    share = erased(RandomErasing(probability=0.3), 5000).any(2).any(1).double().mean()
    assert share.item() == pytest.approx(0.3, abs=0.025)


def test_a_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected area from the lowest to the highest, given"):
        RandomErasing(area=(0.5, 0.1))
