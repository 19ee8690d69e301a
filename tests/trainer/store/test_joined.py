"""Replicates joined in one object: the same table by it, and never another one than the single files give."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from analysis.render.formats import csv
from analysis.tables import Tables, make_tables
from search_spaces.config import TrialConfig
from tests.s3_server import S3Server
from tests.sweeps.synthetic_store import SWEEP, manifest, trials, write_replicate, write_sweep, write_trial
from trainer.store import Retry, Store, SweepManifest, layout

FIRST = trials()[0]


def fill(store: Store, configs: list[TrialConfig], *, joined: bool = True) -> Store:
    """A sweep of these trials, which are done."""
    for config in configs:
        write_trial(store, config)
        store.index.write(config.trial_id)
        if joined:
            store.joined.write(config.trial_id)
    write_sweep(store, configs)
    return store


@pytest.fixture
def single(tmp_path: Path) -> Store:
    """As an earlier version leaves it."""
    return fill(Store(tmp_path / "out"), trials(), joined=False)


@pytest.fixture
def many(tmp_path: Path) -> Store:
    """Of more trials than are looked up one by one."""
    configs = []
    for config in trials(seeds=(1, 2)):
        configs += [config.model_copy(update={"epochs": 12 + more}) for more in range(3)]
    return fill(Store(tmp_path / "many"), configs)


def joins(store: Store, config: TrialConfig = FIRST) -> bool:
    """Whether a trial's completed replicates can be read at once."""
    done = store.replicates.ended(config.trial_id)
    return store.joined.read(config.trial_id, [done[seed] for seed in config.seeds]) is not None


def texts(made: Tables) -> tuple[str, str, str]:
    return csv(made.frame), csv(made.comparisons), made.markdown


def test_a_table_is_the_same_by_joined_replicates_and_by_single_files(single: Store) -> None:
    before = texts(make_tables(single, manifest(), draws=50))
    for config in trials():
        single.joined.write(config.trial_id)
        for seed in config.seeds:  # what is read no more
            done = single.replicates.ended(config.trial_id)[seed]
            for kind in ("scores", "epochs"):
                single.storage.delete(layout.replicate_file(config.trial_id, seed, done.files[kind].name))
    assert texts(make_tables(single, manifest(), draws=50)) == before


def test_every_cut_and_flip_is_noticed(single: Store) -> None:
    before = texts(make_tables(single, manifest(), draws=0))
    single.joined.write(FIRST.trial_id)
    path = Path(single.storage.root, layout.joined(FIRST.trial_id))
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 60).astype(int).tolist():
        flipped = bytearray(whole)
        flipped[place] ^= 4
        for content in (whole[:place], bytes(flipped)):
            path.write_bytes(content)
            assert not joins(single)
    assert texts(make_tables(single, manifest(), draws=0)) == before
    path.write_bytes(whole)
    assert joins(single)


def test_a_replicate_that_was_trained_again_is_not_taken_from_an_earlier_object(single: Store) -> None:
    single.joined.write(FIRST.trial_id)
    single.reopen(FIRST.trial_id, 2)
    write_replicate(single, FIRST, 2, epochs=3)
    single.index.write(FIRST.trial_id)  # and killed before the object was written again
    assert not joins(single)
    single.joined.write(FIRST.trial_id)
    assert joins(single)


def test_fewer_replicates_than_joined_are_read_in_their_order(single: Store) -> None:
    single.joined.write(FIRST.trial_id)
    done = single.replicates.ended(FIRST.trial_id)
    found = single.joined.read(FIRST.trial_id, [done[3], done[1]])
    assert found is not None
    values = np.arange(12, dtype=np.float32).reshape(4, 3)  # four examples, three replicates
    assert found.split_replicates(values).tolist() == [[2, 5, 8, 11], [0, 3, 6, 9]]
    assert found.epochs(3).equals(single.replicates.read_epochs(done[3]))


def test_what_was_missed_is_written(single: Store) -> None:
    make_tables(single, manifest(), draws=0)
    assert single.storage.list_files(layout.JOINED, recursive=True) == []
    single.joined.write_missed({FIRST.trial_id})
    assert joins(single)
    assert len(single.storage.list_files(layout.JOINED, recursive=True)) == 1


def test_who_may_only_read_has_the_table_all_the_same(single: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tables(single, manifest(), draws=0)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("trainer.store.local.write_below", refuse)
    single.joined.write_missed(config.trial_id for config in trials())
    assert single.storage.list_files(layout.JOINED, recursive=True) == []


def test_a_table_takes_three_requests_a_trial(s3_uri: str, s3: S3Server) -> None:
    store = Store(s3_uri, retry=Retry(tries=1, seconds=0.0))
    configs = []
    for config in trials(seeds=(1, 2)):
        configs += [config.model_copy(update={"epochs": 12 + more}) for more in range(5)]
    fill(store, configs)
    s3.requests.clear()
    made = make_tables(store, store.read_sweep(manifest().name), draws=0)
    assert made.frame["complete"].all()
    assert s3.requests.total() <= 3 * len(configs)
    assert s3.requests["GET"] < 2 * len(configs), "one object a trial, and those of the chosen ones again"


def test_neither_markers_nor_index_entries_are_read_of_a_trial_that_is_joined(many: Store) -> None:
    before = texts(make_tables(many, many.read_sweep(SWEEP), draws=0))
    for path in many.storage.list_files(layout.TRIALS, recursive=True):
        if "/replicates/" in path:
            many.storage.write_bytes(path, b"")
    for path in many.storage.list_files(layout.INDEX, recursive=True):
        many.storage.write_bytes(path, b"")
    assert texts(make_tables(many, many.read_sweep(SWEEP), draws=0)) == before


def test_a_joined_object_of_an_earlier_index_entry_is_not_taken(many: Store) -> None:
    (config, *_) = many.read_sweep(SWEEP).trials
    earlier = many.storage.read_bytes(layout.joined(config.trial_id))
    assert earlier is not None
    many.reopen(config.trial_id, 2)
    write_replicate(many, config, 2, epochs=3)
    many.index.write(config.trial_id)
    many.joined.write(config.trial_id)
    expected = make_tables(many, many.read_sweep(SWEEP), draws=0)
    many.storage.write_bytes(layout.joined(config.trial_id), earlier)
    made = make_tables(many, many.read_sweep(SWEEP), draws=0)
    assert (texts(made), made.provenance) == (texts(expected), expected.provenance)
    many.joined.write_missed({config.trial_id})
    assert many.storage.read_bytes(layout.joined(config.trial_id)) != earlier


def test_other_seeds_than_joined_are_told_as_without_the_object(many: Store) -> None:
    configs = many.read_sweep(SWEEP).trials
    for seeds in ((1,), (2, 1), (1, 2, 3)):
        asked = SweepManifest(SWEEP, tuple(one.model_copy(update={"seeds": seeds}) for one in configs))
        made = texts(make_tables(many, asked, draws=0))
        kept = {}
        for config in configs:
            path = layout.joined(config.trial_id)
            kept[path] = many.storage.read_bytes(path)
            many.storage.delete(path)
        assert texts(make_tables(many, asked, draws=0)) == made
        for path, content in kept.items():
            assert content is not None
            many.storage.write_bytes(path, content)
