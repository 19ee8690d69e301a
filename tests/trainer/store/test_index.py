"""The index: thousands of trials from a short listing, and never another answer than the markers give."""

from __future__ import annotations

import pyarrow as pa
import pytest

from search_spaces.config import Bce, TrialConfig
from search_spaces.paper.presets import preset
from sweeps.plan import disk_need, make_plan
from tests.s3_server import S3Server
from trainer.store import Store, TrialFiles, new_attempt


def write(store: Store, trial_id: str, seed: int, state: str = "completed") -> None:
    store.write_replicate(
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
    store.write_index("a")
    store.write_index("b")
    store.write_index("c")
    assert store.list_files("index/a", recursive=True) == ["index/a/c1-2.d5.p9.json"]
    assert store.list_files("index/c", recursive=True) == []
    assert (store.scan(wanted), store.all_replicates(wanted)) == before
    assert before[0] == store.scan()
    for done in store.all_replicates(wanted)["a"].values():
        assert store.read_result(done) == {"state": done.state, "seed": done.seed}


def test_results_of_an_indexed_trial_need_no_other_file(store: Store) -> None:
    write(store, "a", 1)
    store.write_index("a")
    done = store.all_replicates({"a": (1,)})["a"][1]
    store.delete(f"trials/a/replicates/1/{done.files['result'].name}")
    assert store.read_result(done) == {"state": "completed", "seed": 1}


def test_a_copy_that_differs_from_its_hash_is_not_taken(store: Store) -> None:
    write(store, "a", 1)
    store.write_index("a")
    path = "index/a/c1.json"
    content = store.read_json(path)
    assert content is not None
    content["replicates"]["1"]["result"] = '{"state": "forged"}'
    store.write_json(path, content)
    assert store.read_result(store.all_replicates({"a": (1,)})["a"][1])["state"] == "completed"


def test_more_seeds_than_indexed_are_looked_for(store: Store) -> None:
    write(store, "a", 1)
    store.write_index("a")
    write(store, "a", 2)
    store.write_failure("a", {"error": "E", "message": "m"})
    assert store.scan({"a": (1, 2)})["a"] == TrialFiles({1: "completed", 2: "completed"}, False, True)
    assert set(store.all_replicates({"a": (1, 2)})["a"]) == {1, 2}
    store.write_index("a")
    assert store.list_files("index", recursive=True) == ["index/a/c1-2.json"]


def test_a_reopened_replicate_is_not_indexed(store: Store) -> None:
    write(store, "a", 1)
    write(store, "a", 2, "diverged")
    store.write_index("a")
    store.reopen("a", 2)
    assert store.scan({"a": (1, 2)})["a"].replicates == {1: "completed"}


def test_an_entry_without_its_trial_is_passed_over(store: Store) -> None:
    write(store, "a", 1)
    store.write_index("a")
    store.filesystem.delete_dir(store.path("trials/a"))
    assert store.scan({"a": (1,)}) == {}
    assert store.all_replicates({"a": (1,)}) == {}


def test_foreign_files_in_the_index_are_passed_over(store: Store) -> None:
    write(store, "a", 1)
    store.write_bytes("index/a/notes.json", b"no entry")
    store.write_bytes("index/README", b"no entry")
    assert store.scan({"a": (1,)})["a"].replicates == {1: "completed"}


def test_many_trials_take_few_requests(s3_uri: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(s3_uri)
    fields = {**preset("digits", 20), "loss": Bce(), "seeds": (1, 2)}
    configs = [TrialConfig.model_validate({**fields, "epochs": 1 + n}) for n in range(30)]
    for config in configs[:20]:
        for seed in config.seeds:
            write(store, config.trial_id, seed)
        store.write_index(config.trial_id)
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
    monkeypatch.setattr("trainer.store.index._MANY_FOLDERS", 0)
    s3.requests.clear()
    assert make_plan("s", configs, store) == plan
    assert s3.requests.total() == 3
