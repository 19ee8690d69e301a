"""Of a cell's trials the best keeps its weights, whatever the order in which they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.load import load_sweep
from analysis.select import DEFAULT_RULE, ranked
from search_spaces.config import Sgd, TrialConfig
from sweeps.weights import WeightKeeper
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store, SweepManifest


def cell() -> list[TrialConfig]:
    """Four trials of one cell, which differ in a setting."""
    first = synthetic.trials()[0]
    return [first.model_copy(update={"optimizer": Sgd(learning_rate=0.01 * n)}) for n in range(1, 5)]


def write_with_weights(store: Store, config: TrialConfig) -> None:
    synthetic.write_trial(store, config)
    for seed, done in store.replicates(config.trial_id).items():
        store.write_replicate(
            config.trial_id,
            seed,
            state="completed",
            attempt="weighty",
            epochs=store.read_epochs(done),
            scores=store.read_scores(done),
            result=store.read_result(done),
            weights=b"weights",
        )


@pytest.mark.parametrize("backwards", [False, True])
def test_only_the_preferred_trial_keeps_weights(tmp_path: Path, backwards: bool) -> None:
    store, configs = Store(tmp_path), cell()
    manifest = SweepManifest("cell", tuple(configs))
    keeper = WeightKeeper(store, manifest, DEFAULT_RULE)
    for config in reversed(configs) if backwards else configs:
        write_with_weights(store, config)
        keeper.trial_done(config)
    keeper.close()
    records = load_sweep(store, manifest).trials
    best = ranked([r.validation for r in records if r.validation], DEFAULT_RULE)[0].trial_id
    left = {path.split("/")[1] for path in store.list_files("trials", recursive=True) if "weights." in path}
    assert left == {best}
