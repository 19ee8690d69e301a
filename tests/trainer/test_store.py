"""The result store: what DONE lists is what readers get, and nothing half-written is ever seen."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from search_spaces.config import DataConfig, Digits, TrialConfig
from search_spaces.errors import InputError, StoreError
from search_spaces.losses import Bce
from trainer.store import Done, Store, SweepManifest, new_attempt

EPOCHS = pa.table({"epoch": pa.array([0, 1], pa.int32()), "val/auroc": [0.5, 0.75]})
SCORES = pa.table(
    {
        "split": ["val", "test"],
        "example_id": ["3", "9"],
        "target": pa.array([1, 0], pa.int8()),
        "score": pa.array([0.5, -1.0], pa.float32()),
    }
)
TRIAL = "0123456789abcdef"


def config(**changes: object) -> TrialConfig:
    data = DataConfig(
        source=Digits(), negative=(1,), positive=(8,), validation_per_class=20, test_per_class=20
    )
    return TrialConfig(data=data, loss=Bce(), **changes)  # type: ignore[arg-type]


def write(store: Store, seed: int = 1, state: str = "completed", weights: bytes | None = b"weights") -> Done:
    return store.write_replicate(
        TRIAL,
        seed,
        state=state,
        attempt=new_attempt(),
        epochs=EPOCHS,
        scores=SCORES,
        result={"state": state, "reason": None},
        weights=weights,
    )


def test_what_was_written_is_read(store: Store) -> None:
    written = write(store)
    read = store.replicates(TRIAL)[1]
    assert read == written
    assert store.read_scores(read).equals(SCORES)
    assert store.read_epochs(read).equals(EPOCHS)
    assert store.read_result(read) == {"state": "completed", "reason": None}
    assert store.read_file(read, "weights") == b"weights"
    assert store.all_replicates() == {TRIAL: {1: written}}


def test_an_attempt_without_done_marker_is_not_seen(store: Store) -> None:
    write(store)
    store.delete(f"trials/{TRIAL}/replicates/1/DONE")
    assert store.replicates(TRIAL) == {}
    assert store.scan()[TRIAL].replicates == {}


def test_a_second_attempt_replaces_the_first_whole(store: Store) -> None:
    first, second = write(store), write(store, weights=None)
    read = store.replicates(TRIAL)[1]
    assert read == second != first
    assert "weights" not in read.files


def test_a_completed_replicate_outweighs_an_earlier_divergence(store: Store) -> None:
    write(store, state="diverged")
    assert store.scan()[TRIAL].replicates == {1: "diverged"}
    write(store)
    assert store.scan()[TRIAL].replicates == {1: "completed"}
    assert store.replicates(TRIAL)[1].state == "completed"


def test_reopen_forgets_that_a_replicate_ended(store: Store) -> None:
    write(store, state="diverged")
    store.reopen(TRIAL, 1)
    assert store.replicates(TRIAL) == {}


@pytest.mark.parametrize("kind", ["epochs", "scores", "result", "weights"])
def test_a_changed_file_is_refused(store: Store, kind: str) -> None:
    done = write(store)
    path = f"trials/{TRIAL}/replicates/1/{done.files[kind].name}"
    store.write_bytes(path, (store.read_bytes(path) or b"")[:-1] + b"x")
    with pytest.raises(StoreError, match="differs from the hash"):
        store.read_file(done, kind)
    store.delete(path)
    with pytest.raises(StoreError, match="missing, though its DONE marker lists it"):
        store.read_file(done, kind)


def test_sweeps_round_trip_with_their_seeds(store: Store) -> None:
    manifest = SweepManifest("mine", (config(seeds=(1, 2)), config(epochs=7, seeds=(4,))))
    store.write_sweep(manifest)
    assert store.sweep_names() == ["mine"]
    assert store.read_sweep("mine") == manifest


def test_config_file_names_no_seed(store: Store) -> None:
    one = config(seeds=(5, 6))
    store.write_config(one)
    content = store.read_json(f"trials/{one.trial_id}/config.json")
    assert content is not None
    assert "seeds" not in content
    assert TrialConfig.model_validate_json(json.dumps(content)).trial_id == one.trial_id


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "a b"])
def test_sweep_names_stay_in_the_folder(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="sweep name: expected"):
        store.write_sweep(SweepManifest(name, (config(),)))
    with pytest.raises(InputError, match="no sweep"):
        store.read_sweep(name)


def test_unknown_sweep_lists_the_known_ones(store: Store) -> None:
    store.write_sweep(SweepManifest("mine", (config(),)))
    with pytest.raises(InputError, match="no sweep 'other' in this store; known: mine"):
        store.read_sweep("other")


def test_unknown_uri_scheme_is_bad_input() -> None:
    with pytest.raises(InputError, match="expected a local path or a URI"):
        Store("nosuch://bucket/x")


def test_another_schema_is_refused(store: Store) -> None:
    write(store)
    path = f"trials/{TRIAL}/replicates/1/DONE"
    store.write_json(path, {**(store.read_json(path) or {}), "schema": 99})
    with pytest.raises(StoreError, match="expected store schema 1, found 99"):
        store.replicates(TRIAL)


def test_malformed_json_names_the_file(store: Store) -> None:
    store.write_bytes("sweeps/bad.json", b"{")
    with pytest.raises(StoreError, match=r"sweeps/bad\.json: expected JSON"):
        store.read_sweep("bad")


def test_weights_are_deleted_once(store: Store) -> None:
    done = write(store)
    assert store.delete_weights(done) == len(b"weights")
    assert store.delete_weights(done) == 0
    assert store.read_scores(done).equals(SCORES)


def test_scan_tells_checkpoints_and_failures(store: Store) -> None:
    store.write_checkpoint(TRIAL, b"state")
    store.write_failure(TRIAL, {"error": "E", "message": "m"})
    files = store.scan()[TRIAL]
    assert (files.checkpoint, files.failure) == (True, True)
    store.delete_checkpoint(TRIAL)
    store.clear_failure(TRIAL)
    store.clear_failure(TRIAL)
    assert store.read_checkpoint(TRIAL) is None
    assert store.read_failure(TRIAL) is None


def test_a_marker_is_one_object_seen_whole_or_not_at_all(store: Store) -> None:
    path = "trials/t/replicates/1/DONE"
    store.write_bytes(path, b"0" * 10)
    for size in (3, 200_000, 0):
        store.write_bytes(path, b"1" * size)
        assert store.read_bytes(path) == b"1" * size
    assert store.list_files("trials", recursive=True) == [path]


def test_an_empty_store_is_empty(store: Store) -> None:
    assert store.sweep_names() == []
    assert store.trial_ids() == []
    assert store.scan() == store.scan({TRIAL: (1,)}) == {}
    assert store.all_replicates() == store.all_replicates({TRIAL: (1,)}) == {}
    assert store.read_bytes("nothing") is None
    store.delete("nothing")
