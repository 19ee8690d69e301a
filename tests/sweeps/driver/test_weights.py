"""The weight policy "selected": whose weights go when a better trial of the cell has ended."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from analysis.cells import best
from analysis.load import load_sweep
from analysis.select import rule_of
from search_spaces.config import DEFAULT_TARGETS, Sgd, SymmetricMargin, TrialConfig
from search_spaces.presets import preset
from sweeps.driver.weights import WeightKeeper
from tests.processes import PATIENCE
from tests.sweeps import synthetic_store as synthetic
from tests.sweeps.synthetic_store import write_replicate
from trainer.store import Store, SweepManifest
from trainer.store.replicates import Replicates


def trial(margin: float) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 10), "loss": SymmetricMargin(margin=margin), "seeds": (1, 2)}
    return TrialConfig(**fields)


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(
        Replicates, "delete_weights", lambda self, done: found.append((done.trial_id, done.seed))
    )
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
    keeper = WeightKeeper(store, manifest, [partial] if is_first else [])
    for seed in whole.seeds:
        write_replicate(store, whole, seed)
    keeper.trial_done(whole)
    if not is_first:
        end_partial()
        keeper.trial_done(partial)
    keeper.close()
    assert deleted == [(partial.trial_id, 1)]


def test_in_a_hurry_what_has_not_begun_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = WeightKeeper(Store(tmp_path), SweepManifest("s", ()), ())
    begun, may_end, seen = threading.Event(), threading.Event(), []

    def thin_out(config: TrialConfig) -> None:
        seen.append(config)
        begun.set()
        may_end.wait(PATIENCE)

    monkeypatch.setattr(keeper, "_thin_out", thin_out)
    keeper.trial_done(trial(1))
    keeper.trial_done(trial(2))
    assert begun.wait(PATIENCE)
    keeper.close(hurried=True)
    may_end.set()
    keeper.close()
    assert seen == [trial(1)]


def cell() -> list[TrialConfig]:
    """Four trials of one cell, which differ in a setting."""
    first = synthetic.trials()[0]
    return [first.model_copy(update={"optimizer": Sgd(learning_rate=0.01 * n)}) for n in range(1, 5)]


def write_with_weights(store: Store, config: TrialConfig) -> None:
    synthetic.write_trial(store, config)
    for seed, done in store.replicates.ended(config.trial_id).items():
        store.replicates.write(
            config.trial_id,
            seed,
            state="completed",
            attempt="weighty",
            epochs=store.replicates.read_epochs(done),
            scores=store.replicates.read_scores(done),
            result=store.replicates.read_result(done),
            weights=b"weights",
        )


@pytest.mark.parametrize("backwards", [False, True])
def test_only_the_preferred_trial_keeps_weights(tmp_path: Path, backwards: bool) -> None:
    store, configs = Store(tmp_path), cell()
    manifest = SweepManifest("cell", tuple(configs))
    keeper = WeightKeeper(store, manifest, ())
    for config in reversed(configs) if backwards else configs:
        write_with_weights(store, config)
        keeper.trial_done(config)
    keeper.close()
    records = load_sweep(store, manifest).trials
    winner = best(records, rule_of(configs[0].data, None, DEFAULT_TARGETS))
    assert winner is not None
    left = {
        path.split("/")[1]
        for path in store.storage.list_files("trials", recursive=True)
        if "weights." in path
    }
    assert left == {winner.trial_id}
