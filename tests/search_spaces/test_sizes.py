"""Network sizes by arithmetic agree with the networks themselves."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.config import Bce, ImageFolder, Ldam, ModelConfig, ResNet10, SmallCnn, TrialConfig
from search_spaces.paper.presets import preset
from search_spaces.sizes import image_shape, roomy_bytes, weight_count
from trainer.models.build import parameter_count


@pytest.mark.parametrize("name", ["digits", "cifar10", "cifar100", "breastmnist"])
@pytest.mark.parametrize("model", [ResNet10(), ResNet10(width=5), SmallCnn(), SmallCnn(width=7)])
@pytest.mark.parametrize("loss", [Bce(), Ldam()])
def test_weight_count_is_the_networks(name: str, model: ModelConfig, loss: Any) -> None:
    config = TrialConfig(**{**preset(name, 10), "model": model, "loss": loss})  # type: ignore[arg-type]
    channels, size = image_shape(config.data.source)
    ldam = loss.name == "ldam"
    expected = parameter_count(model, channels, 2 if ldam else 1, size, cosine_head=ldam)
    assert weight_count(config) == expected


def test_folder_says_its_own_shape() -> None:
    assert image_shape(ImageFolder(folder="scans", size=48, channels=1)) == (1, 48)


def test_more_scored_epochs_take_more_memory() -> None:
    fields: dict[str, Any] = {**preset("cifar10", 100), "loss": Bce()}
    one, three = (TrialConfig(**fields, scored=rule) for rule in ("best_epoch", "mean_of_best_3"))
    # At least the two further sets, held and once more in a checkpoint.
    assert roomy_bytes(three) - roomy_bytes(one) >= 2 * 2 * 4 * weight_count(one) * len(one.seeds)
