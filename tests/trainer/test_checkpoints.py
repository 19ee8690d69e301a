"""Checkpoints: how often, and that damage to one is noticed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from search_spaces.errors import CheckpointError
from tests.trainer.test_trial import Killed, config
from trainer import checkpoint
from trainer.fit import Round
from trainer.options import TrialOptions
from trainer.pace import Pace
from trainer.store import Store
from trainer.trial import run_trial

CPU = torch.device("cpu")
FACTS = {"trial_id": "t", "data_sha256": "d"}


def due(pace: Pace, clock: list[float], seconds: int) -> list[float]:
    """The times at which checkpoints are written, where every tenth of a second an epoch ends."""
    found = []
    for tenth in range(1, 10 * seconds + 1):
        clock[0] = tenth / 10
        if pace.is_due():
            pace.written()
            found.append(clock[0])
    return found


def test_the_first_after_a_second_then_after_twice_the_time_up_to_a_minute() -> None:
    clock = [0.0]
    found = due(Pace(60, lambda: clock[0]), clock, 300)
    assert found == [1, 3, 7, 15, 31, 63, 123, 183, 243]


@pytest.mark.parametrize(
    ("longest", "expected"), [(5, [1, 3, 7, 12, 17]), (0.5, [0.5 * i for i in range(1, 37)])]
)
def test_the_longest_time_is_kept(longest: float, expected: list[float]) -> None:
    clock = [0.0]
    assert due(Pace(longest, lambda: clock[0]), clock, 18) == expected


def test_what_came_before_the_training_does_not_count() -> None:
    clock = [0.0]
    pace = Pace(60, lambda: clock[0])
    clock[0] = 100.0  # data were decoded, a checkpoint was read
    pace.begin()
    assert not pace.is_due()
    clock[0] = 101.0
    assert pace.is_due()


def test_a_trial_that_is_killed_again_and_again_gets_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every attempt is killed after three epochs of half a second, long before a minute has passed."""
    store, trained = Store(tmp_path), list[int]()
    wanted = config(epochs=6, patience=None, seeds=(1,))
    clock = [0.0]

    def on_round(round_: Round) -> None:
        clock[0] += 0.6
        trained.append(round_.epoch)
        if len(trained) % 3 == 0:
            raise Killed

    monkeypatch.setattr("trainer.results.Pace", lambda longest: Pace(longest, lambda: clock[0]))
    for _ in range(8):
        try:
            run_trial(wanted, store, CPU, TrialOptions(), on_round)
            break
        except Killed:
            continue
    assert trained[0] == 0
    assert trained[-1] == 5, trained
    assert all(state.state == "completed" for state in store.replicates.ended(wanted.trial_id).values())


def test_a_trial_that_ends_within_a_second_writes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, written = Store(tmp_path), list[object]()
    monkeypatch.setattr("trainer.results.Pace", lambda longest: Pace(longest, lambda: 0.0))
    monkeypatch.setattr(store.notes, "write_checkpoint", lambda *args: written.append(args))
    run_trial(config(seeds=(1,), epochs=2), store, CPU, TrialOptions())
    assert written == []


def content() -> dict[str, Any]:
    return {**FACTS, "replicates": {"1": {"weights": torch.arange(40.0)}}}


def test_every_flipped_bit_is_noticed() -> None:
    data = checkpoint.dump(content())
    assert torch.equal(checkpoint.saved_states(data, **FACTS)["1"]["weights"], torch.arange(40.0))
    for place in range(len(data)):
        damaged = data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        with pytest.raises(CheckpointError):
            checkpoint.saved_states(damaged, **FACTS)


@pytest.mark.parametrize("kept", [0, 10, 90, 200, -1])
def test_a_cut_checkpoint_is_noticed(kept: int) -> None:
    with pytest.raises(CheckpointError):
        checkpoint.saved_states(checkpoint.dump(content())[:kept], **FACTS)


def test_one_of_an_earlier_version_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    _, _, unsealed = checkpoint.dump(content()).partition(b"\n")
    with caplog.at_level(logging.WARNING):
        states = checkpoint.saved_states(unsealed, **FACTS)
    assert torch.equal(states["1"]["weights"], torch.arange(40.0))
    assert "without a hash" in caplog.text
