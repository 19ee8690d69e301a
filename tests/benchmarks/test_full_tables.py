"""The benchmark of tables over a full sweep, on a small part of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.full_store import SWEEP, make_store
from benchmarks.full_tables import main
from trainer.store import Store, layout


def test_the_store_is_as_a_sweep_leaves_it(tmp_path: Path) -> None:
    manifest = make_store(tmp_path, 4)
    store = Store(tmp_path)
    assert store.read_sweep(SWEEP) == manifest
    for config in manifest.trials:
        assert config.seeds == tuple(range(1, 11))
        ended = store.replicates.ended(config.trial_id)
        assert [ended[seed].state for seed in config.seeds] == ["completed"] * 10
        assert store.joined.read(config.trial_id, [ended[seed] for seed in config.seeds]) is not None
    assert len(store.storage.list_files(layout.INDEX, recursive=True)) == 4


@pytest.mark.slow
def test_both_ways_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "store"), "--trials", "4", "--cores", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.count("|") for line in lines] == [5, 5, 5, 5]
    for line in lines[2:]:
        wall, cpu, memory = (int(cell) for cell in line.split("|")[2:5])
        assert wall > 0
        assert cpu > 0
        assert memory > 50
    best = pd.read_csv(tmp_path / "store" / "tables" / SWEEP / "best.csv")
    assert best["candidates_complete"].sum() == 4
    assert best["auc"].notna().any()
