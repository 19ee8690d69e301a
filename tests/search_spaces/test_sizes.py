"""What a plan says of a trial's size."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.config import (
    Bce,
    Cifar10,
    Digits,
    ImageFolder,
    Ldam,
    MedMnist,
    ResNet10,
    Source,
    TrialConfig,
)
from search_spaces.presets import preset
from search_spaces.sizes import image_shape, output_count, roomy_bytes, weight_count


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        (Cifar10(), (3, 32)),
        (Digits(), (1, 8)),
        (MedMnist(subset="breastmnist"), (1, 28)),
        (ImageFolder(folder="scans", size=48, channels=1), (1, 48)),
    ],
)
def test_image_shapes(source: Source, shape: tuple[int, int]) -> None:
    assert image_shape(source) == shape


@pytest.mark.parametrize(("loss", "outputs", "weights"), [(Bce(), 1, 4_898_625), (Ldam(), 2, 4_899_136)])
def test_a_network_is_that_of_the_loss_and_the_images(loss: Any, outputs: int, weights: int) -> None:
    fields: dict[str, Any] = {**preset("cifar10", 10), "model": ResNet10(), "loss": loss}
    config = TrialConfig(**fields)
    assert output_count(config) == outputs
    assert weight_count(config) == weights  # 512 features: 512 + 1, or 2 x 512 without a bias


def test_more_scored_epochs_take_more_memory() -> None:
    fields: dict[str, Any] = {**preset("cifar10", 100), "loss": Bce()}
    one, three = (TrialConfig(**fields, scored=rule) for rule in ("best_epoch", "mean_of_best_3"))
    # At least the two further sets, held and once more in a checkpoint.
    assert roomy_bytes(three) - roomy_bytes(one) >= 2 * 2 * 4 * weight_count(one) * len(one.seeds)
