"""The index: thousands of trials from a short listing, and never another answer than the markers give."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import Bce, TrialConfig
from search_spaces.presets import preset
from sweeps.plan import disk_need, make_plan
from tests.s3_server import S3Server
from trainer.store import Store, TrialFiles, new_attempt
from trainer.store.index import LONGEST_NAME, entry_name, states_in
from trainer.store.state import STATES


def write(store: Store, trial_id: str, seed: int, state: str = "completed") -> None:
    store.replicates.write(
        trial_id,
        seed,
        state=state,
        attempt=new_attempt(),
        epochs=pa.table({"epoch": [0]}),
        scores=None,
        result={"state": state, "seed": seed},
    )


def test_the_index_tells_what_the_markers_tell(store: Store) -> None:
    for seed, state in ((1, "completed"), (2, "completed"), (5, "diverged"), (9, "pruned")):
        write(store, "a", seed, state)
    write(store, "b", 1)
    wanted = {"a": (1, 2, 5, 9), "b": (1, 2), "c": (1,)}
    before = store.scan(wanted), store.all_replicates(wanted)
    store.index.write("a")
    store.index.write("b")
    store.index.write("c")
    (path,) = store.storage.list_files("index/a", recursive=True)
    assert re.fullmatch(r"index/a/c1-2\.d5\.p9\.h[0-9a-f]{16}\.json", path)
    assert store.storage.list_files("index/c", recursive=True) == []
    assert (store.scan(wanted), store.all_replicates(wanted)) == before
    assert before[0] == store.scan()
    for done in store.all_replicates(wanted)["a"].values():
        assert store.replicates.read_result(done) == {"state": done.state, "seed": done.seed}


def test_results_of_an_indexed_trial_need_no_other_file(store: Store) -> None:
    write(store, "a", 1)
    store.index.write("a")
    done = store.all_replicates({"a": (1,)})["a"][1]
    store.storage.delete(f"trials/a/replicates/1/{done.files['result'].name}")
    assert store.replicates.read_result(done) == {"state": "completed", "seed": 1}


def test_a_copy_that_differs_from_its_hash_is_not_taken(store: Store) -> None:
    write(store, "a", 1)
    store.index.write("a")
    (path,) = store.storage.list_files("index/a", recursive=True)
    content = store.storage.read_json(path)
    assert content is not None
    content["replicates"]["1"]["result"] = '{"state": "forged"}'
    store.storage.write_json(path, content)
    assert store.replicates.read_result(store.all_replicates({"a": (1,)})["a"][1])["state"] == "completed"


def test_more_seeds_than_indexed_are_looked_for(store: Store) -> None:
    write(store, "a", 1)
    store.index.write("a")
    write(store, "a", 2)
    store.notes.write_failure("a", {"error": "E", "message": "m"})
    assert store.scan({"a": (1, 2)})["a"] == TrialFiles({1: "completed", 2: "completed"}, False, True)
    assert set(store.all_replicates({"a": (1, 2)})["a"]) == {1, 2}
    store.index.write("a")
    (path,) = store.storage.list_files("index", recursive=True)
    assert path.startswith("index/a/c1-2.h")


def test_an_entry_whose_name_tells_no_hash_is_read(store: Store) -> None:
    write(store, "a", 1)
    store.index.write("a")
    (path,) = store.storage.list_files("index/a", recursive=True)
    data = store.storage.read_bytes(path)
    assert data is not None
    store.storage.delete(path)
    store.storage.write_bytes("index/a/c1.json", data)
    done = store.all_replicates({"a": (1,)})["a"][1]
    assert done.result is not None, "the index told it"


def test_of_two_entries_neither_is_taken(store: Store) -> None:
    write(store, "a", 1)
    store.index.write("a")
    (path,) = store.storage.list_files("index/a", recursive=True)
    data = store.storage.read_bytes(path)
    assert data is not None
    store.storage.write_bytes("index/a/c1.h0000000000000000.json", data)
    done = store.all_replicates({"a": (1,)})["a"][1]
    assert done.result is None, "its marker told it"


def test_a_reopened_replicate_is_not_indexed(store: Store) -> None:
    write(store, "a", 1)
    write(store, "a", 2, "diverged")
    store.index.write("a")
    store.reopen("a", 2)
    assert store.scan({"a": (1, 2)})["a"].replicates == {1: "completed"}


def test_an_entry_without_its_trial_is_passed_over(store: Store) -> None:
    write(store, "a", 1)
    store.index.write("a")
    store.storage.filesystem.delete_dir(store.storage.path("trials/a"))
    assert store.scan({"a": (1,)}) == {}
    assert store.all_replicates({"a": (1,)}) == {}


def test_foreign_files_in_the_index_are_passed_over(store: Store) -> None:
    write(store, "a", 1)
    store.storage.write_bytes("index/a/notes.json", b"no entry")
    store.storage.write_bytes("index/README", b"no entry")
    assert store.scan({"a": (1,)})["a"].replicates == {1: "completed"}


def test_many_trials_take_few_requests(s3_uri: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(s3_uri)
    fields = {**preset("digits", 20), "loss": Bce(), "seeds": (1, 2)}
    configs = [TrialConfig.model_validate({**fields, "epochs": 1 + n}) for n in range(30)]
    for config in configs[:20]:
        for seed in config.seeds:
            write(store, config.trial_id, seed)
        store.index.write(config.trial_id)
    write(store, configs[20].trial_id, 1)
    s3.requests.clear()
    plan = make_plan("s", configs, store)
    assert plan.counts() == {"done": 20, "pruned": 0, "partial": 1, "failed": 0, "pending": 9}
    # the index, the trials' folders, and the one trial that is under way
    assert s3.requests.total() == 3
    s3.requests.clear()
    assert disk_need(plan, store, keep_weights="none", concurrent=1).measured
    assert s3.requests["GET"] == 22, "two listings, and an index entry of each sampled trial"
    assert make_plan("s", configs, store, trust_index=False) == plan
    s3.requests.clear()
    assert set(store.all_replicates({c.trial_id: c.seeds for c in configs[19:21]})[configs[19].trial_id]) == {
        1,
        2,
    }
    few = s3.requests.total()
    assert few <= 10, "of two trials nothing is listed but their own"
    monkeypatch.setattr("trainer.store.store._MANY_FOLDERS", 0)
    s3.requests.clear()
    assert make_plan("s", configs, store) == plan
    assert s3.requests.total() == 3


@given(st.dictionaries(st.integers(0, 40) | st.integers(0, 2**63), st.sampled_from(STATES), max_size=30))
def test_names_round_trip(states: dict[int, str]) -> None:
    name = entry_name(states)
    if name is not None:
        assert len(name) <= LONGEST_NAME
        assert states_in(name) == states_in(f"{name}.h0123456789abcdef") == states


def test_ten_seeds_make_a_short_name() -> None:
    assert entry_name(dict.fromkeys(range(1, 11), "completed")) == "c1-10"


def test_states_that_no_name_can_hold_have_none() -> None:
    assert entry_name({}) is None
    assert entry_name(dict.fromkeys(range(0, 10_000, 2), "completed")) is None


@pytest.mark.parametrize(
    "name", ["", "c", "x1", "c1-", "c1..d2", "c1/../d2", "c-1", "c1_", "README", "h0123456789abcdef"]
)
def test_other_names_tell_nothing(name: str) -> None:
    assert states_in(name) is None
