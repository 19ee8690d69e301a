"""Ended replicates in the store: their files, written before the DONE marker that lists them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from search_spaces.errors import StoreError
from trainer.store.markers import (
    STATES,
    STORE_SCHEMA,
    Done,
    StoredFile,
    done_of,
    marker,
    marker_content,
    trial_files,
)
from trainer.store.storage import Storage

_SUFFIX = {"epochs": "parquet", "scores": "parquet", "result": "json", "weights": "pt"}


class ReplicateStore(Storage):
    """The part of the store that holds ended replicates, below `trials/<trial_id>/replicates/<seed>/`."""

    def trial_ids(self) -> list[str]:
        """Ids of the trials of which the store holds anything, sorted."""
        return sorted(path.split("/")[1] for path in self.list_folders("trials"))

    def replicates(self, trial_id: str) -> dict[int, Done]:
        """DONE markers of a trial's ended replicates, by seed."""
        paths = self.list_files(f"trials/{trial_id}/replicates", recursive=True)
        states = trial_files(paths)[trial_id].replicates if paths else {}
        read = (self.read_done(trial_id, seed, state) for seed, state in states.items())
        return {done.seed: done for done in read if done is not None}

    def write_replicate(
        self,
        trial_id: str,
        seed: int,
        *,
        state: str,
        attempt: str,
        epochs: pa.Table,
        scores: pa.Table | None,
        result: Mapping[str, Any],
        weights: bytes | None = None,
    ) -> Done:
        """Write an ended replicate's files and, last, its DONE marker.

        `state` is one of STATES; `scores` is None for a replicate that has no checkpoint to score.
        """
        if state not in STATES:
            raise StoreError(f"replicate state: expected one of {', '.join(STATES)}, given {state!r}")
        contents: dict[str, bytes | None] = {
            "epochs": _parquet(epochs),
            "scores": None if scores is None else _parquet(scores),
            "result": json.dumps(dict(result), indent=1).encode(),
            "weights": weights,
        }
        folder = f"trials/{trial_id}/replicates/{seed}"
        files: dict[str, StoredFile] = {}
        for kind, data in contents.items():
            if data is not None:
                name = f"{kind}.{attempt}.{_SUFFIX[kind]}"
                self.write_bytes(f"{folder}/{name}", data)
                files[kind] = StoredFile(name, hashlib.sha256(data).hexdigest(), len(data))
        done = Done(trial_id, seed, state, attempt, files)
        self.write_json(f"{folder}/{marker(state)}", marker_content(done))
        return done

    def read_file(self, done: Done, kind: str) -> bytes:
        """A file that a DONE marker lists, its hash checked. Raises StoreError when missing or changed."""
        entry = done.files.get(kind)
        if entry is None:
            raise StoreError(
                f"trial {done.trial_id} seed {done.seed}: no {kind} were stored (state: {done.state})"
            )
        copy = done.result if kind == "result" else None
        if copy is not None and hashlib.sha256(copy).hexdigest() == entry.sha256:
            return copy
        relative = f"trials/{done.trial_id}/replicates/{done.seed}/{entry.name}"
        data = self.read_bytes(relative)
        if data is None:
            raise StoreError(f"{self.where(relative)}: missing, though its DONE marker lists it")
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise StoreError(f"{self.where(relative)}: content differs from the hash in its DONE marker")
        return data

    def read_scores(self, done: Done) -> pa.Table:
        """Per-example scores of a replicate, over its scored epochs: split, example_id, target, score."""
        return _table(self.read_file(done, "scores"))

    def read_epochs(self, done: Done) -> pa.Table:
        """A replicate's curves, one row per epoch."""
        return _table(self.read_file(done, "epochs"))

    def read_result(self, done: Done) -> dict[str, Any]:
        """A replicate's summary: state, metrics, scored epochs, seconds, device, versions, commit, data."""
        content: dict[str, Any] = json.loads(self.read_file(done, "result"))
        return content

    def delete_weights(self, done: Done) -> int:
        """Delete a replicate's weights (not selected); returns the bytes freed, 0 when already gone."""
        entry = done.files.get("weights")
        if entry is None:
            return 0
        relative = f"trials/{done.trial_id}/replicates/{done.seed}/{entry.name}"
        if not self.exists(relative):
            return 0
        self.delete(relative)
        return entry.bytes

    def read_done(self, trial_id: str, seed: int, state: str) -> Done | None:
        """The DONE marker of a replicate that ended in this state, or None when it is not there."""
        relative = f"trials/{trial_id}/replicates/{seed}/{marker(state)}"
        content = self.read_json(relative)
        if content is None:
            return None
        self.check_schema(content, relative)
        return done_of(trial_id, seed, content)

    def check_schema(self, content: Mapping[str, Any], relative: str) -> None:
        """Raise StoreError when a file's content has another schema than this version writes."""
        if content.get("schema") != STORE_SCHEMA:
            raise StoreError(
                f"{self.where(relative)}: expected store schema {STORE_SCHEMA}, "
                f"found {content.get('schema')!r}"
            )


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _table(data: bytes) -> pa.Table:
    """A stored table. One small file at a time: without threads it is read in half the time."""
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(use_threads=False)
