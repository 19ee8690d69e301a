"""Damaged files of a store: each costs what it holds and no more, says so, and is trained again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result
from rich.console import Console

from analysis.load import load_sweep
from analysis.render.formats import csv
from analysis.tables import Tables, make_tables
from search_spaces.errors import DamagedError
from sweeps.driver.opened import OpenedSweep, open_stored, open_sweep
from sweeps.driver.weights import WeightKeeper
from sweeps.driver.work import find_work
from tests.sweeps.data.runs import RATIOS, space
from tests.sweeps.synthetic_store import SWEEP, manifest, trials, write_sweep, write_trial
from trainer.options import TrialOptions
from trainer.store import Store, layout, wanted_seeds
from trainer.trial import run_trial

KINDS = ("scores", "result", "DONE")
TINY = """
name: tiny
fixed: {dataset: digits, ratio: 20, loss: baseline_BCE, epochs: 1, model.width: 4, seeds: [1, 2]}
grid:
  alm: [none, ALM_14_beg]
  delta: [0.25]
"""


@pytest.fixture
def finished(tmp_path: Path) -> Store:
    """A sweep of four trials that are done, with their index."""
    store = Store(tmp_path / "out")
    for config in trials():
        write_trial(store, config)
        store.index.write(config.trial_id)
    write_sweep(store, trials())
    return store


def flip(store: Store, relative: str) -> None:
    """Flip one bit in the middle of a stored file."""
    path = Path(store.storage.root, relative)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def file_of(store: Store, trial_id: str, seed: int, kind: str) -> str:
    """The path of a replicate's file."""
    if kind == "DONE":
        return layout.marker(trial_id, seed, "completed")
    return layout.replicate_file(trial_id, seed, store.replicates.ended(trial_id)[seed].files[kind].name)


def texts(made: Tables) -> tuple[str, str, str]:
    return csv(made.frame), csv(made.comparisons), made.markdown


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_replicate_makes_its_own_cell_incomplete_and_says_why(finished: Store, kind: str) -> None:
    before = make_tables(finished, manifest())
    trial_id = trials()[0].trial_id
    path = file_of(finished, trial_id, 2, kind)
    flip(finished, path)
    finished.index.drop(trial_id)  # which would tell what the marker and the result say
    made = make_tables(finished, manifest())
    (damaged,) = made.frame[~made.frame["complete"]].to_dict("records")
    assert damaged["trial_id"] == trial_id
    assert damaged["note"].startswith("2/3 replicates: 1 damaged (trials/")
    assert path in damaged["note"]
    others = before.frame["trial_id"] != trial_id
    assert csv(made.frame[others]) == csv(before.frame[others])


def test_damaged_curves_of_a_chosen_trial_are_told(finished: Store) -> None:
    chosen = next(config for config in trials() if config.constraint is not None)
    path = file_of(finished, chosen.trial_id, 1, "epochs")
    flip(finished, path)
    made = make_tables(finished, manifest())
    (damaged,) = made.frame[~made.frame["complete"]].to_dict("records")
    assert damaged["note"] == f"damaged: {path}: content differs from the hash in its DONE marker"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', None])
def test_a_broken_index_entry_counts_as_missing(finished: Store, content: bytes | None) -> None:
    before = texts(make_tables(finished, manifest()))
    for config in trials()[:2]:
        (path,) = finished.storage.list_files(layout.index_folder(config.trial_id), recursive=True)
        if content is None:
            flip(finished, path)
        else:
            finished.storage.write_bytes(path, content)
    assert texts(make_tables(finished, manifest())) == before
    wanted = wanted_seeds(trials())
    assert finished.all_replicates(wanted) == finished.all_replicates()


def test_an_index_entry_of_an_earlier_version_is_taken_without_its_hash(finished: Store) -> None:
    trial_id = trials()[0].trial_id
    (path,) = finished.storage.list_files(layout.index_folder(trial_id), recursive=True)
    content = finished.storage.read_json(path) or {}
    finished.storage.write_json(path, {key: content[key] for key in content if key != "sha256"})
    finished.storage.delete(file_of(finished, trial_id, 1, "DONE"))
    assert set(finished.all_replicates({trial_id: (1, 2, 3)})[trial_id]) == {1, 2, 3}


def test_a_damaged_manifest_stops_nobody_else(tmp_path: Path, cli: Callable[..., Result]) -> None:
    store = Store(tmp_path / "out")
    write_sweep(store, trials())
    finished, other = trials()[:2]
    for config in trials():
        write_trial(store, config)
    for damage in (b"", b"{", b"\xff\xfe"):
        store.storage.write_bytes("sweeps/broken.json", damage)
        assert list(store.read_sweeps()) == [SWEEP]
        store.check_trial_schema("new")
        open_sweep(str(space(tmp_path, RATIOS)), store)
        done = cli("tables", SWEEP, "-o", tmp_path / "out")
        assert done.exit_code == 0, done.output
    # Which trials it expects is not known: no weights may go.
    keeper = WeightKeeper(store, manifest(), [finished])
    kept = store.replicates.ended(other.trial_id)[1]
    store.replicates.add_weights(kept, b"weights", "0123abcd")
    keeper.trial_done(other)
    keeper.close()
    assert store.replicates.has_weights(store.replicates.ended(other.trial_id)[1])


def test_its_own_damaged_manifest_is_written_again_from_the_space(tmp_path: Path) -> None:
    store, path = Store(tmp_path / "out"), str(space(tmp_path, RATIOS))
    whole = open_sweep(path, store).manifest
    store.write_sweep(whole)
    flip(store, layout.sweep(whole.name))
    with pytest.raises(DamagedError, match=r"ratios\.json: .*`almsweep run` with the sweep's space"):
        open_stored(whole.name, store)
    assert open_sweep(path, store).manifest == whole


def test_a_flipped_bit_in_a_manifest_changes_no_table(finished: Store) -> None:
    path = Path(finished.storage.root, layout.sweep(SWEEP))
    content = path.read_text()
    path.write_text(content.replace('"epochs": 12', '"epochs": 13', 1))
    assert path.read_text() != content
    with pytest.raises(DamagedError, match="content differs from its hash"):
        finished.read_sweep(SWEEP)


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b'{"error": 1, "seeds": 3, "traceback": 7}'])
def test_a_damaged_failure_is_a_failure_all_the_same(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    write_sweep(store, trials())
    store.storage.write_bytes(layout.failure(trials()[0].trial_id), content)
    (record,) = [r for r in load_sweep(store, manifest()).trials if r.trial_id == trials()[0].trial_id]
    assert {missing.state for missing in record.missing} == {"failed"}


@pytest.mark.group(name="damage")
def test_retry_trains_again_what_is_damaged_once_per_kind_of_file(tmp_path: Path) -> None:
    """As `retry --failed` does it, without Ray."""
    store, path = Store(tmp_path / "out"), str(space(tmp_path, TINY))
    sweep = open_sweep(path, store)
    store.write_sweep(sweep.manifest)
    device, options = torch.device("cpu"), TrialOptions()
    for config in sweep.manifest.trials:
        run_trial(config, store, device, options)
    before = texts(make_tables(store, sweep.manifest))
    last = sweep.manifest.trials[-1]
    for kind in ("scores", "epochs", "result", "DONE", "index"):
        if kind == "index":
            (entry,) = store.storage.list_files(layout.index_folder(last.trial_id), recursive=True)
            flip(store, entry)
        else:
            flip(store, file_of(store, last.trial_id, 2, kind))
        _retry_failed(OpenedSweep(store, sweep.manifest), expected=0 if kind == "index" else 1)
        assert texts(make_tables(store, sweep.manifest)) == before, kind


def _retry_failed(sweep: OpenedSweep, expected: int) -> None:
    """Train again what `retry --failed` finds: so many replicates."""
    console = Console(quiet=True)
    work = find_work(sweep, console, ["failed"])
    assert sum(len(trial.missing) for trial in work.wanted) == expected
    work.reopen()
    for config in work.configs():
        run_trial(config, sweep.store, torch.device("cpu"), TrialOptions())
    assert not find_work(sweep, console, ["failed"]).wanted


def test_tables_name_the_command_that_mends(finished: Store, cli: Callable[..., Result]) -> None:
    flip(finished, file_of(finished, trials()[0].trial_id, 1, "scores"))
    done = cli("tables", SWEEP, "-o", finished.uri)
    assert done.exit_code == 1
    assert "damaged in the store: 1 replicate; trained again by: almsweep retry demo --failed" in done.stdout
