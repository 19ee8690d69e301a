"""A replayed race trains no more than it asks for, and chooses what the whole sweep does if that is clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.racing import replays
from search_spaces.config import SymmetricMargin, TrialConfig
from search_spaces.errors import InputError
from tests.analysis.stored_sweep import ALM, SweepBuilder, score_table, trial
from trainer.metrics.binary import auroc

# By the margin of each candidate of one cell: how far apart its classes are.
SHIFTS = {0.5: 3.5, 1.0: 0.4, 2.0: 0.2, 4.0: 0.1}


@pytest.fixture
def builder(tmp_path: Path) -> SweepBuilder:
    made = SweepBuilder(tmp_path)
    for margin, shift in SHIFTS.items():
        config = made.add(trial(SymmetricMargin(margin=margin), ALM, seeds=tuple(range(1, 11))))
        for seed in config.seeds:
            end(made, config, seed, shift)
    return made


def end(builder: SweepBuilder, config: TrialConfig, seed: int, shift: float) -> None:
    scores = score_table(str(shift), seed, {"val": shift, "test": shift})
    table = scores.to_pandas()
    validation = table[table["split"] == "val"]
    value = auroc(validation["target"].to_numpy() == 1, validation["score"].to_numpy())
    builder.replicate(config, seed, scores, metrics={"val/auroc": value})


def test_a_plain_winner_is_found_with_fewer_replicates(builder: SweepBuilder) -> None:
    builder.store.write_sweep(builder.manifest("whole"))
    lines = replays(builder.store, "whole", 3)
    share, within, same, loss = lines[-1].strip("| ").split(" | ")[1:]
    assert 30.0 < float(share) < 70.0
    assert (within, same, loss) == ("100.0", "100.0", "0.0000")


def test_a_sweep_that_lacks_replicates_is_refused(builder: SweepBuilder) -> None:
    builder.add(trial(SymmetricMargin(margin=8.0), ALM, seeds=(1, 2)))
    builder.store.write_sweep(builder.manifest("part"))
    with pytest.raises(InputError, match="expected a sweep that was trained whole"):
        replays(builder.store, "part", 1)
