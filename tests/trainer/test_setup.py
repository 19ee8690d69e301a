"""Trials of a block share the data on the device; their own settings they do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from search_spaces.config import AugmentationConfig, Bce, Ldam, Sgd, TrialConfig
from search_spaces.presets import preset
from trainer.data.task import load_task
from trainer.options import TrialOptions
from trainer.setup import TrialSetup, held_setup, let_go
from trainer.store import Store
from trainer.trial import run_trial

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _nothing_held() -> Iterator[None]:
    let_go()
    yield
    let_go()


def config(ratio: float = 20, **changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", ratio), "loss": Bce(), "epochs": 2, "seeds": (1,)}
    return TrialConfig(**{**fields, **changes})


def held(wanted: TrialConfig) -> TrialSetup:
    return held_setup(wanted, CPU, TrialOptions())


def test_trials_of_a_block_share_tensors_and_not_settings() -> None:
    first, second = held(config()), held(config(loss=Ldam(), optimizer=Sgd(learning_rate=0.5)))
    assert second.examples is first.examples
    assert first.config == config()
    assert second.config.loss == Ldam()


@pytest.mark.parametrize(
    "other",
    [config(ratio=10), config(augmentation=AugmentationConfig(crop_padding=0)), config(precision="bf16")],
)
def test_what_prepares_the_data_makes_another_setup(other: TrialConfig) -> None:
    first = held(config())
    assert held(other).examples is not first.examples
    assert held(other).data.counts == load_task(other.data, None).counts


def test_a_trial_after_another_scores_as_one_alone(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in ("after", "alone")]
    run_trial(config(loss=Ldam()), stores[0], CPU, TrialOptions())
    run_trial(config(), stores[0], CPU, TrialOptions())
    let_go()
    run_trial(config(), stores[1], CPU, TrialOptions())
    tables = [store.replicates.read_scores(store.replicates.ended(config().trial_id)[1]) for store in stores]
    assert tables[0].equals(tables[1])
