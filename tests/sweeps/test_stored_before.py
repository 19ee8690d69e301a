"""A store of this schema that an earlier version wrote: done, and its tables say the same to the byte.

`schema_2/store` holds `schema_2/stored.yaml`, trained when there were none but binary tasks, and one
trial that was interrupted after two of its four epochs; `schema_2/tables` is what its results come to: what
is chosen and measured is as that version wrote it, intervals and tests are of later ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from trainer.options import TrialOptions
from trainer.store import Store
from trainer.trial import run_trial

STORED = Path(__file__).parent / "schema_2"
INTERRUPTED = "ca32f19466b34fe4"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED / "store", tmp_path / "store"))


def test_all_of_it_is_done(output: Path, cli: Callable[..., Result]) -> None:
    plan = cli("plan", STORED / "stored.yaml", "--output", output)
    assert plan.exit_code == 0, plan.output
    assert "6 trials, 12 replicates: 6 done, 0 partial, 0 failed, 0 pending" in plan.output


def test_its_tables_are_the_same_to_the_byte(output: Path, cli: Callable[..., Result]) -> None:
    done = cli("tables", "stored", "--output", output)
    assert done.exit_code == 0, done.output
    expected = sorted((STORED / "tables").iterdir())
    assert [path.name for path in expected] == ["best.csv", "comparisons.csv", "comparisons.md"]
    for path in expected:
        assert (output / "tables" / "stored" / path.name).read_bytes() == path.read_bytes(), path.name


def test_its_checkpoint_goes_on(output: Path) -> None:
    """Its multipliers stood without columns, and its scored epochs named the one metric that there was."""
    store = Store(output)
    (config,) = store.read_sweep("interrupted").trials
    assert config.trial_id == INTERRUPTED
    resumed: list[float] = []
    states = run_trial(config, store, torch.device("cpu"), TrialOptions(), on_resume=resumed.extend)
    assert states == {1: "completed", 2: "completed"}
    assert len(resumed) == 2
    for seed in (1, 2):
        done = store.replicates.ended(INTERRUPTED)[seed]
        epochs = store.replicates.read_epochs(done).to_pydict()
        assert epochs["epoch"] == [0, 1, 2, 3]
        assert epochs["train/multiplier_max"] == sorted(epochs["train/multiplier_max"])
        assert epochs["train/multiplier_max"][1] > 0
