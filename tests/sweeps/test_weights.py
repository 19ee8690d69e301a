"""The weight policy "selected": whose weights go when a better trial of the cell has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.select import DEFAULT_RULE
from search_spaces.config import TrialConfig
from search_spaces.losses import SymmetricMargin
from search_spaces.presets import preset
from sweeps.weights import WeightKeeper
from tests.sweeps.synthetic_store import write_replicate
from trainer.store import Store, SweepManifest


def trial(margin: float) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 10), "loss": SymmetricMargin(margin=margin), "seeds": (1, 2)}
    return TrialConfig(**fields)


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(Store, "delete_weights", lambda self, done: found.append((done.trial_id, done.seed)))
    return found


@pytest.mark.parametrize("state", ["diverged", "pruned"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_loser_with_replicates_that_did_not_complete_loses_its_weights(
    tmp_path: Path, deleted: list[tuple[str, int]], state: str, is_first: bool
) -> None:
    """Whether it ended before this run or in it."""
    store, whole, partial = Store(tmp_path), trial(1), trial(2)
    manifest = SweepManifest("s", (whole, partial))

    def end_partial() -> None:
        write_replicate(store, partial, 1)
        write_replicate(store, partial, 2, state)

    if is_first:
        end_partial()
    keeper = WeightKeeper(store, manifest, DEFAULT_RULE)
    for seed in whole.seeds:
        write_replicate(store, whole, seed)
    keeper.trial_done(whole)
    if not is_first:
        end_partial()
        keeper.trial_done(partial)
    keeper.close()
    assert deleted == [(partial.trial_id, 1)]
