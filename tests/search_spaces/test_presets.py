"""The presets are the paper's tasks."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.config import Bce, CrossEntropy, MultiLabelBce, ResNet10, Sgd, TrialConfig
from search_spaces.errors import SpaceError
from search_spaces.presets import PRESETS, TASKS, preset
from trainer.metrics.binary import positives_needed


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_lacks_only_the_loss(name: str) -> None:
    loss = next(loss for loss in (Bce(), CrossEntropy(), MultiLabelBce()) if loss.fits(TASKS[name].kind))
    trial = TrialConfig.model_validate({**preset(name.upper(), 20), "loss": loss})
    assert trial.data.ratio == 20
    assert trial.data.source == TASKS[name].source


def test_without_a_ratio_the_data_keep_theirs() -> None:
    assert preset("cifar10") == PRESETS["cifar10"]


@pytest.mark.parametrize(
    ("name", "negative", "positive", "validation", "learning_rate"),
    [
        ("cifar10", (1,), (9,), 100, 0.01),
        ("cifar100", (72, 4, 95, 30, 55), (73,), 50, 0.001),
    ],
)
def test_cifar_as_in_the_paper(
    name: str, negative: tuple[int, ...], positive: tuple[int, ...], validation: int, learning_rate: float
) -> None:
    trial = TrialConfig.model_validate({**preset(name, 100), "loss": Bce()})
    task: Any = trial.data
    assert (task.negative, task.positive) == (negative, positive)
    assert trial.data.validation_per_class == validation
    assert trial.data.test_per_class is None
    assert trial.data.train_share == 0.9
    assert trial.optimizer == Sgd(learning_rate=learning_rate, momentum=0.9, weight_decay=2e-4)
    assert trial.model == ResNet10(width=64)
    assert (trial.augmentation.crop_padding, trial.augmentation.horizontal_flip) == (4, 0.5)
    assert (trial.epochs, trial.patience, trial.batch_size) == (100, 30, 64)


def test_breastmnist_takes_its_own_splits() -> None:
    task: Any = TASKS["breastmnist"]
    assert (task.positive, task.negative) == ((0,), (1,))
    assert task.validation_per_class is None
    assert task.test_per_class is None


@pytest.mark.parametrize("name", ["digits", "digits-critical"])
def test_digits_are_not_mirrored(name: str) -> None:
    trial = TrialConfig.model_validate({**preset(name), "loss": Bce()})
    assert trial.augmentation.horizontal_flip == 0


def test_critical_digits_leave_a_choice_at_98_percent() -> None:
    """Of 40 positives 98 % are all 40; of these some may be missed, on validation too."""
    task: Any = TASKS["digits-critical"]
    assert task.test_per_class is not None
    assert task.validation_per_class is not None
    positives = task.test_per_class * len(task.positive)
    assert positives >= 150
    assert positives_needed(0.98, positives) < positives
    held_out = task.validation_per_class * len(task.positive)
    assert held_out >= 50
    assert positives_needed(0.98, held_out) < held_out
    assert set(task.negative) | set(task.positive) == set(range(10))


def test_unknown_data_set_lists_the_known_ones() -> None:
    with pytest.raises(
        SpaceError,
        match=r"^unknown data set 'mnist'; known: cifar10, .*, digits, digits-critical, "
        r"digits-longtail, cifar50-longtail, .*, cifar100-longtail-published, breast-histopathology, "
        r"digits-multilabel, cifar10-multilabel$",
    ):
        preset("mnist")


def test_impossible_ratio() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        preset("cifar10", 0.5)
