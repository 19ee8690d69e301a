"""A trial's peak memory is measured with all that a trial may hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from search_spaces.config import Bce, TrialConfig
from search_spaces.presets import preset
from trainer import checkpoint, trial_probe
from trainer.options import TrialOptions
from trainer.replicate import Replicate
from trainer.trial_probe import measure_trial


@pytest.mark.parametrize(
    ("rule", "epochs", "sets"),
    [
        ("best_epoch", 9, 1),
        ("last", 9, 1),
        ("mean_of_last_3", 9, 3),
        ("mean_of_best_3", 9, 3),
        ("mean_of_last_3", 2, 2),
    ],
)
def test_every_set_of_weights_is_held_when_memory_is_measured(
    monkeypatch: pytest.MonkeyPatch, rule: str, epochs: int, sets: int
) -> None:
    held: list[int] = []

    def dump(replicates: Sequence[Replicate], **facts: Any) -> bytes:
        held.extend(len(replicate.scored.held) for replicate in replicates)
        return b""

    monkeypatch.setattr(checkpoint, "dump_replicates", dump)
    monkeypatch.setattr(trial_probe, "seconds_per_epoch", lambda *a, **k: 1.0)
    fields: dict[str, Any] = {**preset("digits", 20), "loss": Bce(), "seeds": (1, 2)}
    config = TrialConfig(**{**fields, "epochs": epochs, "scored": rule})
    needs = measure_trial(config, torch.device("cpu"), TrialOptions(), memory=True)
    assert needs.host_bytes
    assert held == [sets, sets]
