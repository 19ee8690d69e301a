from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.config import AugmentationConfig, HorizontalFlip
from trainer.data.augmentation import Augmenter, Draws

BLACK = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)


def _slow_batch(
    pixels: Tensor,
    indices: Tensor,
    draws: Draws,
    padding: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> NDArray[np.float64]:
    """Image by image and pixel by pixel, in float64."""
    _, channels, height, width = pixels.shape
    result = np.zeros((len(indices), channels, height, width))
    (offsets,), (flips,) = draws.steps
    for row, index in enumerate(indices.tolist()):
        top, left = offsets[row].tolist()
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    source_x = width - 1 - x if flips[row] else x
                    in_y, in_x = y + top - padding, source_x + left - padding
                    inside = 0 <= in_y < height and 0 <= in_x < width
                    value = int(pixels[index, c, in_y, in_x]) if inside else 0
                    result[row, c, y, x] = (value / 255 - mean[c]) / std[c]
    return result


def _statistics(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (0.4914, 0.4822, 0.4465)[:channels], (0.2023, 0.1994, 0.2010)[:channels]


@settings(max_examples=30, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    padding=st.integers(0, 9),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    channels_last=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_training_batches_equal_the_slow_version(
    channels: int, height: int, width: int, padding: int, flip: float, channels_last: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (5, channels, height, width), dtype=torch.uint8, generator=generator)
    mean, std = _statistics(channels)
    augmenter = Augmenter(
        pixels,
        AugmentationConfig(crop_padding=padding, horizontal_flip=flip),
        mean,
        std,
        memory_format=torch.channels_last if channels_last else torch.contiguous_format,
    )
    indices = torch.randint(0, 5, (8,), generator=generator)
    draws = augmenter.draw(8, generator)
    batch = augmenter.train_batch(indices, draws)
    assert batch.dtype == torch.float32
    expected = _slow_batch(pixels, indices, draws, padding, mean, std)
    np.testing.assert_allclose(batch.numpy(), expected, rtol=0, atol=2e-6)


def _augmenter(
    padding: int = 4, flip: float = 0.5, **options: torch.dtype | torch.memory_format
) -> Augmenter:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (10, 3, 8, 8), dtype=torch.uint8, generator=generator)
    config = AugmentationConfig(crop_padding=padding, horizontal_flip=flip)
    return Augmenter(pixels, config, *_statistics(3), **options)  # type: ignore[arg-type]


def test_without_padding_and_flip_training_equals_evaluation() -> None:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (10, 3, 8, 8), dtype=torch.uint8, generator=generator)
    augmenter = _augmenter(padding=0, flip=0.0)
    indices = torch.arange(10)
    drawn = augmenter.train_batch(indices, augmenter.draw(10, generator))
    assert drawn.equal(augmenter.eval_batch(pixels))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in _statistics(3))
    torch.testing.assert_close(drawn, (pixels / 255 - mean) / std, rtol=0, atol=2e-6)


def test_evaluation_leaves_its_input_alone() -> None:
    pixels = torch.full((1, 3, 8, 8), 7.0)
    _augmenter().eval_batch(pixels)
    assert pixels.eq(7).all()


def test_draws_cover_every_window_and_obey_the_flip_probability() -> None:
    draws = _augmenter(padding=2, flip=0.25).draw(20_000, torch.Generator().manual_seed(0))
    (offsets,), (flips,) = draws.steps
    windows = torch.bincount(offsets[:, 0] * 5 + offsets[:, 1], minlength=25)
    assert len(windows) == 25
    # Mean 800, deviation 27.7; five of them. Flips: mean 5000, deviation 61.
    assert ((windows - 800).abs() < 140).all()
    assert abs(int(flips.sum()) - 5000) < 310


@pytest.mark.parametrize(("flip", "expected"), [(0.0, 0), (1.0, 500)])
def test_certain_flips(flip: float, expected: int) -> None:
    _, (flips,) = _augmenter(flip=flip).draw(500, torch.Generator().manual_seed(0)).steps
    assert int(flips.sum()) == expected


def test_an_epoch_drawn_at_once_equals_its_batches() -> None:
    augmenter = _augmenter()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    draws = augmenter.draw(10, torch.Generator().manual_seed(2))
    whole = augmenter.train_batch(order, draws)
    parts = [augmenter.train_batch(order[i : i + 3], draws[i : i + 3]) for i in range(0, 10, 3)]
    assert torch.cat(parts).equal(whole)


def test_draws_depend_on_the_generator_alone() -> None:
    (first_offsets,), (first_flips,) = _augmenter().draw(50, torch.Generator().manual_seed(5)).steps
    torch.manual_seed(77)
    state = torch.get_rng_state()
    (offsets,), (flips,) = _augmenter().draw(50, torch.Generator().manual_seed(5)).steps
    assert offsets.equal(first_offsets)
    assert flips.equal(first_flips)
    assert torch.get_rng_state().equal(state)


def test_the_order_of_draws_is_the_same_for_ever() -> None:
    """Other numbers would be other trials under the same ids: crop and flip draw first, crop before flip."""
    generator = torch.Generator().manual_seed(5)
    offsets = torch.randint(9, (50, 2), generator=generator)
    flips = torch.rand(50, generator=generator) < 0.5
    further = AugmentationConfig(then=(HorizontalFlip(probability=0.25),))
    for config in (AugmentationConfig(), further):
        drawn = Augmenter(BLACK, config, *_statistics(3)).draw(50, torch.Generator().manual_seed(5))
        assert drawn.steps[0][0].equal(offsets)
        assert drawn.steps[1][0].equal(flips)


def test_further_steps_come_after_crop_and_flip() -> None:
    pixels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    still = {"crop_padding": 0, "horizontal_flip": 0.0}
    flip = HorizontalFlip(probability=1.0)
    once, twice = AugmentationConfig(**still, then=(flip,)), AugmentationConfig(**still, then=(flip, flip))
    batches = []
    for config in (once, twice):
        augmenter = Augmenter(pixels, config, *_statistics(3))
        draws = augmenter.draw(4, torch.Generator().manual_seed(0))
        batches.append(augmenter.train_batch(torch.arange(4), draws))
    assert batches[0].flip(-1).equal(batches[1])


def test_room_takes_an_epochs_draws_and_stays_where_it_is() -> None:
    augmenter = _augmenter()
    room = augmenter.room(12)
    places = [drawn.data_ptr() for step in room.steps for drawn in step]
    draws = augmenter.draw(10, torch.Generator().manual_seed(1))
    room.copy_(draws)
    order = torch.arange(10)
    assert augmenter.train_batch(order, room[:10]).equal(augmenter.train_batch(order, draws))
    assert [drawn.data_ptr() for step in room.steps for drawn in step] == places


def test_memory_format_and_type_are_as_asked() -> None:
    augmenter = _augmenter(memory_format=torch.channels_last, dtype=torch.bfloat16)
    draws = augmenter.draw(4, torch.Generator().manual_seed(0))
    plain = _augmenter()
    for batch, expected in (
        (augmenter.train_batch(torch.arange(4), draws), plain.train_batch(torch.arange(4), draws)),
        (augmenter.eval_batch(BLACK), plain.eval_batch(BLACK)),
    ):
        assert batch.dtype == torch.bfloat16
        assert batch.is_contiguous(memory_format=torch.channels_last)
        assert batch.equal(expected.bfloat16())


@pytest.mark.parametrize(
    ("pixels", "mean", "std"),
    [
        (torch.zeros(2, 3, 4, 4), (0.0,) * 3, (1.0,) * 3),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), (0.0,) * 3, (1.0,) * 3),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), (0.0,), (1.0,)),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), (0.0,), (0.0,)),
    ],
)
def test_wrong_images_or_statistics_are_errors(
    pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        Augmenter(pixels, AugmentationConfig(), mean, std)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and -m gpu")
def test_a_gpu_sees_the_images_that_a_cpu_sees() -> None:
    pixels = torch.randint(
        0, 256, (10, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    indices = torch.arange(10)
    batches = []
    for device in ("cpu", "cuda"):
        augmenter = Augmenter(pixels.to(device), AugmentationConfig(), *_statistics(3))
        draws = augmenter.draw(10, torch.Generator().manual_seed(1))
        batches.append(augmenter.train_batch(indices.to(device), draws.to(augmenter.device)).cpu())
    torch.testing.assert_close(batches[0], batches[1], rtol=0, atol=1e-6)
