"""Ended replicates: what DONE lists is what readers get, and nothing half-written is ever seen."""

from __future__ import annotations

import pyarrow as pa
import pytest

from search_spaces.errors import DamagedError, StoreError
from trainer.store import Done, Store, new_attempt

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


def write(store: Store, seed: int = 1, state: str = "completed", weights: bytes | None = b"weights") -> Done:
    return store.replicates.write(
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
    read = store.replicates.ended(TRIAL)[1]
    assert read == written
    assert store.replicates.read_scores(read).equals(SCORES)
    assert store.replicates.read_epochs(read).equals(EPOCHS)
    assert store.replicates.read_result(read) == {"state": "completed", "reason": None}
    assert store.replicates.read_file(read, "weights") == b"weights"
    assert store.all_replicates() == {TRIAL: {1: written}}


def test_an_attempt_without_done_marker_is_not_seen(store: Store) -> None:
    write(store)
    store.storage.delete(f"trials/{TRIAL}/replicates/1/DONE")
    assert store.replicates.ended(TRIAL) == {}
    assert store.scan()[TRIAL].replicates == {}


def test_a_second_attempt_replaces_the_first_whole(store: Store) -> None:
    first, second = write(store), write(store, weights=None)
    read = store.replicates.ended(TRIAL)[1]
    assert read == second != first
    assert "weights" not in read.files


def test_a_completed_replicate_outweighs_an_earlier_divergence(store: Store) -> None:
    write(store, state="diverged")
    assert store.scan()[TRIAL].replicates == {1: "diverged"}
    write(store)
    assert store.scan()[TRIAL].replicates == {1: "completed"}
    assert store.replicates.ended(TRIAL)[1].state == "completed"


def test_reopen_forgets_that_a_replicate_ended(store: Store) -> None:
    write(store, state="diverged")
    store.reopen(TRIAL, 1)
    assert store.replicates.ended(TRIAL) == {}


@pytest.mark.parametrize("kind", ["epochs", "scores", "result", "weights"])
def test_a_changed_file_is_refused(store: Store, kind: str) -> None:
    done = write(store)
    path = f"trials/{TRIAL}/replicates/1/{done.files[kind].name}"
    store.storage.write_bytes(path, (store.storage.read_bytes(path) or b"")[:-1] + b"x")
    with pytest.raises(StoreError, match="differs from the hash"):
        store.replicates.read_file(done, kind)
    store.storage.delete(path)
    with pytest.raises(StoreError, match="missing, though its DONE marker lists it"):
        store.replicates.read_file(done, kind)


def test_another_schema_is_refused(store: Store) -> None:
    write(store)
    path = f"trials/{TRIAL}/replicates/1/DONE"
    store.storage.write_json(path, {**(store.storage.read_json(path) or {}), "schema": 99})
    with pytest.raises(DamagedError, match="expected schema 1, found 99"):
        store.replicates.read_done(TRIAL, 1, "completed")
    assert store.replicates.ended(TRIAL) == {}


def test_weights_are_deleted_once(store: Store) -> None:
    done = write(store)
    assert store.replicates.delete_weights(done) == len(b"weights")
    assert store.replicates.delete_weights(done) == 0
    assert store.replicates.read_scores(done).equals(SCORES)


def test_a_marker_is_one_object_seen_whole_or_not_at_all(store: Store) -> None:
    path = "trials/t/replicates/1/DONE"
    store.storage.write_bytes(path, b"0" * 10)
    for size in (3, 200_000, 0):
        store.storage.write_bytes(path, b"1" * size)
        assert store.storage.read_bytes(path) == b"1" * size
    assert store.storage.list_files("trials", recursive=True) == [path]
