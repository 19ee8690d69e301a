"""Labels read like the paper's tables, and never say the same of two configurations that differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from search_spaces.config import Binary, Digits, ImageFolder, MedMnist, TrialConfig
from search_spaces.labels import block_key, block_label, settings_label, trial_label
from search_spaces.rows import row_label
from search_spaces.space import SearchSpace
from tests.search_spaces.strategies import data_configs, trials


def one(**settings: Any) -> TrialConfig:
    (trial,) = SearchSpace.of("one", [{key.replace("__", "."): v for key, v in settings.items()}])
    return trial


PAPER = {"dataset": "cifar10", "ratio": 100, "loss": "baseline_s_LM_m05"}


def test_words_of_the_paper() -> None:
    trial = one(**PAPER, constraint="ALM_16_beg", delta=0.1)
    assert block_label(trial.data) == "cifar10 1:100"
    assert row_label(trial) == "S-LM + ALM"
    assert settings_label(trial) == ""
    assert trial_label(trial) == "cifar10 1:100 baseline_s_LM_m05 ALM_16_beg delta=0.1"
    plain = one(**PAPER)
    assert row_label(plain) == "S-LM"
    assert trial_label(plain) == "cifar10 1:100 baseline_s_LM_m05"


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (one(dataset="digits", loss="baseline_BCE").data, "digits all data"),
        (one(dataset="digits-critical", ratio=40, loss="baseline_BCE").data, "digits-critical 1:40"),
        (
            one(dataset="digits-critical", ratio=40, loss="baseline_BCE", **{"data.test_per_class": 50}).data,
            "digits 1:40 negative=[0,1,2,4,5,6,7] positive=[3,8,9] validation_per_class=20 test_per_class=50",
        ),
        (one(**PAPER, data__positive=[8]).data, "cifar10 1:100 positive=[8]"),
        (
            one(**PAPER, data__validation_per_class=None, data__train_share=1).data,
            "cifar10 1:100 validation_per_class=none train_share=1",
        ),
        (
            Binary(source=MedMnist(subset="octmnist"), negative=(3,), positive=(0, 1)),
            "medmnist:octmnist all data negative=[3] positive=[0,1]",
        ),
        (
            Binary(
                source=ImageFolder(folder="scans", size=64),
                negative=("no", "a b"),
                positive=("yes",),
                imbalance_ratio=7.5,
            ),
            'folder:scans 1:7.5 source.size=64 negative=["no","a b"] positive=["yes"]',
        ),
    ],
)
def test_what_departs_from_the_preset_is_said(data: Binary, label: str) -> None:
    assert block_label(data) == label


def test_settings_that_depart_from_the_preset_are_said() -> None:
    trial = one(**PAPER, model__width=16, epochs=20, optimizer="adam", patience=None)
    said = "model.width=16 optimizer.name=adam optimizer.learning_rate=0.001"
    assert settings_label(trial) == f"{said} optimizer.weight_decay=0 epochs=20 patience=none"
    assert trial_label(trial) == f"cifar10 1:100 baseline_s_LM_m05 {settings_label(trial)}"


@given(data_configs(), data_configs())
def test_block_labels_and_keys_differ_exactly_when_the_data_do(one: Binary, other: Binary) -> None:
    for field in Binary.model_fields:
        changed = one.model_copy(update={field: getattr(other, field)})
        assert (block_label(one) == block_label(changed)) == (one == changed)
        assert (block_key(one) == block_key(changed)) == (one == changed)


@pytest.mark.parametrize(
    "change",
    [
        {"negative": (1, 2)},
        {"negative": (2, 3, 1, 5, 9)},
        {"positive": ("8",)},
        {"imbalance_ratio": 20.0},
        {"validation_per_class": None},
        {"validation_per_class": 41},
        {"test_per_class": None},
        {"train_share": 1.0},
        {"source": ImageFolder(folder="digits")},
        {"source": ImageFolder(folder="digits", size=31)},
        {"source": ImageFolder(folder="digits", channels=1)},
        {"source": MedMnist(subset="digits")},
    ],
)
def test_each_change_of_the_data_shows(change: dict[str, Any]) -> None:
    data = one(dataset="digits", loss="baseline_BCE").data
    assert isinstance(data.source, Digits)
    changed = data.model_copy(update=change)
    assert block_label(changed) != block_label(data)
    assert block_key(changed) != block_key(data)


@given(trials, trials)
def test_trial_labels_differ_exactly_when_the_ids_do(one: TrialConfig, other: TrialConfig) -> None:
    for field in TrialConfig.model_fields:
        changed = one.model_copy(update={field: getattr(other, field)})
        assert (trial_label(one) == trial_label(changed)) == (one.trial_id == changed.trial_id)
