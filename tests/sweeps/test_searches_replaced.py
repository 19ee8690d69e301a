"""A search or a second stage that takes the place of another of its name keeps what it still has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from search_spaces.config import TrialConfig
from search_spaces.spaces.two_stage import TWO_STAGE
from sweeps.driver.opened import open_sweep
from sweeps.driver.two_stage import with_second_stage
from tests.sweeps.driver.test_two_stage import store_first_stage
from tests.sweeps.two_spaces import grid, ran, search
from trainer.store import Store


def test_a_wider_search_goes_on_and_another_one_begins_anew(tmp_path: Path) -> None:
    """What was suggested and still lies in the search stays; the other's number of samples does not bind."""
    output = tmp_path / "out"
    stored = ran(search(tmp_path / "a", 1, 4), output, samples=4)
    wider = open_sweep(str(search(tmp_path / "b", 1, 9)), Store(output))
    assert wider.change is not None
    assert wider.change.words() == "4 trials stay, 0 trials leave"
    assert wider.manifest.trials == stored.trials
    assert wider.manifest.samples == 4
    other = open_sweep(str(search(tmp_path / "c", 3, 9, samples=2)), Store(output))
    assert other.change is not None
    assert other.change.words() == "2 trials stay, 2 trials leave"
    assert epochs(other.manifest.trials) == {3, 4}
    assert other.manifest.samples == 2


def test_a_search_takes_no_trial_of_a_grid_of_its_name(tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE"), output)
    opened = open_sweep(str(search(tmp_path / "b", 1, 4)), Store(output))
    assert opened.change is not None
    assert opened.change.leaving == 1
    assert opened.manifest.trials == ()


def epochs(trials: tuple[TrialConfig, ...]) -> set[int]:
    return {config.epochs for config in trials}


def test_a_second_stage_stays_while_the_first_is_the_same(tmp_path: Path) -> None:
    """Where the first stage became another, by another version's losses, all of the old trials leave."""
    first, store = store_first_stage(tmp_path), Store(tmp_path)
    opened = open_sweep(TWO_STAGE, store)
    whole = with_second_stage(store, replace(first, space=opened.manifest.space), "ensemble-val-auroc")
    store.write_sweep(whole)
    again = open_sweep(TWO_STAGE, store)
    assert again.change is None
    assert len(again.manifest.trials) == len(whole.trials)
    store.write_sweep(replace(whole, space=None))
    assert open_sweep(TWO_STAGE, store).change is None
    store.write_sweep(replace(whole, space="0123456789abcdef"))
    changed = open_sweep(TWO_STAGE, store)
    assert changed.change is not None
    assert changed.change.leaving == len(whole.trials) - len(first.trials)
    assert all(config.constraint is None for config in changed.manifest.trials)
