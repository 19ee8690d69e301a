"""Dropout and stochastic depth by a counter: what they keep, and that nothing else decides it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.models.noise import Dropout, Noise, StochasticDepth


def noise(kind: type[Noise], probability: float, seed: int = 1) -> Noise:
    made = kind(probability)
    made.initialise(torch.Generator().manual_seed(seed))
    return made


@pytest.mark.parametrize("probability", [0.1, 0.2, 0.5, 0.9])
def test_the_share_and_the_scale_are_those_asked_for(probability: float) -> None:
    values = noise(Dropout, probability)(torch.ones(64, 1280))
    kept = values > 0
    count = kept.numel()
    five_deviations = 5 * np.sqrt(probability * (1 - probability) / count)
    assert kept.float().mean().item() == pytest.approx(1 - probability, abs=five_deviations)
    assert torch.unique(values[kept]).tolist() == pytest.approx([1 / (1 - probability)])


def test_masks_of_calls_places_and_layers_are_independent() -> None:
    """Correlations of fair bits: of n pairs, none beyond five deviations of 1 / sqrt n."""
    layer, other = noise(Dropout, 0.5, 1), noise(Dropout, 0.5, 2)
    ones = torch.ones(400, 100)
    masks = [layer(ones), layer(ones), layer(ones), other(ones)]
    signs = [(mask > 0).double().mul(2).sub(1) for mask in masks]
    limit = 5 / np.sqrt(ones.numel())
    for first in range(4):
        for second in range(first):
            assert abs((signs[first] * signs[second]).mean().item()) < limit
    for shift in (1, 2, 3, 100):
        flat = signs[0].view(-1)
        assert abs((flat[shift:] * flat[:-shift]).mean().item()) < limit


def test_stochastic_depth_takes_whole_examples() -> None:
    values = noise(StochasticDepth, 0.25)(torch.ones(4000, 3, 2, 2)).flatten(1)
    assert all(len(torch.unique(row)) == 1 for row in values)
    assert (values[:, 0] > 0).float().mean().item() == pytest.approx(0.75, abs=5 * np.sqrt(0.1875 / 4000))


@pytest.mark.parametrize("kind", [Dropout, StochasticDepth])
def test_state_goes_on_where_it_was_and_nothing_global_is_drawn(kind: type[Noise]) -> None:
    before, ones = torch.get_rng_state(), torch.ones(50, 4)
    whole = noise(kind, 0.3)
    first, second = whole(ones), whole(ones)
    assert not torch.equal(first, second)
    half, going_on = noise(kind, 0.3), noise(kind, 0.3, seed=9)
    assert torch.equal(half(ones), first)
    going_on.load_state_dict(half.state_dict())
    assert torch.equal(going_on(ones), second)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", [Dropout, StochasticDepth])
def test_scoring_leaves_all_and_counts_nothing(kind: type[Noise]) -> None:
    layer, values = noise(kind, 0.5).eval(), torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(values), values)
    assert layer.calls.item() == 0
