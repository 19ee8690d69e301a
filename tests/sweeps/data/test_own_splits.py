"""Data sets with splits of their own, which are left out by permission only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from search_spaces.catalog import load_space
from sweeps.driver.opened import open_sweep
from tests.sweeps.data.runs import (
    SCANS,
    Started,
    run,
    space,
    write_scans,
)
from trainer.store import Store

Cli = Callable[..., Result]


REPLACING = SCANS.replace("test_per_class: 5\n", "test_per_class: 5\n    replace_splits: true\n")


@pytest.fixture
def with_own_splits(tmp_path: Path) -> Path:
    """Scans of one hospital, and those of another to be tested on."""
    for seed, split in enumerate(("train", "val", "test")):
        write_scans(tmp_path / "scans" / split, 60, 40, seed * 10)
    return tmp_path


def test_own_splits_are_left_out_by_permission_only(
    with_own_splits: Path, cli: Cli, started: Started
) -> None:
    where = ("-o", with_own_splits / "out", "--data-dir", with_own_splits)
    path = space(with_own_splits, SCANS)
    for done in (cli("plan", path, *where), cli("run", path, *where, "--no-tracking")):
        assert done.exit_code == 2
        said = done.stdout + done.stderr
        assert "test_per_class would leave out its own test split of 100 images" in said
        assert "validation_per_class would leave out its own validation split of 100 images" in said
        assert "expected replace_splits: true in data" in said
    assert not started.trials
    path = space(with_own_splits, REPLACING)
    done = cli("plan", path, *where)
    assert done.exit_code == 0
    drawn = "drawn from the training images (test_per_class) in place of the data set's own split of 100"
    assert f"  test        benign 5, malignant 5: {drawn}" in done.stdout
    run(path, with_own_splits / "out", with_own_splits)
    assert len(started.trials) == 2
    own = SCANS.replace("    validation_per_class: 5\n    test_per_class: 5\n", "")
    done = cli("plan", space(with_own_splits, own), "-o", with_own_splits / "own", *where[2:])
    assert done.exit_code == 0
    assert "  test        benign 60, malignant 40: the data set's own test split" in done.stdout


def test_the_permission_is_no_part_of_a_trial_and_stays_with_its_sweep(
    with_own_splits: Path, started: Started
) -> None:
    refused = load_space(str(space(with_own_splits, SCANS)))
    path = space(with_own_splits, REPLACING)
    allowed = load_space(str(path))
    assert [one.trial_id for one in refused] == [one.trial_id for one in allowed]
    assert [one.model_dump() for one in refused] == [one.model_dump() for one in allowed]
    run(path, with_own_splits / "out", with_own_splits)
    path.unlink()
    sweep = open_sweep("scans", Store(with_own_splits / "out"))
    assert all(task.replace_splits for task in sweep.tasks)
