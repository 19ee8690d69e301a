"""Ended replicates in the store: their files, written before the DONE marker that lists them."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import trainer.store.layout as layout
from search_spaces.errors import DamagedError, StoreError
from trainer.store.markers import Done, StoredFile, done_of, marker_content
from trainer.store.state import STATES
from trainer.store.storage import Storage

log = logging.getLogger(__name__)

# What else a marker lists, weights, is no part of a result.
RESULT_FILES = ("epochs", "scores", "result")


class Replicates:
    """The part of the store that holds ended replicates. Every method raises StoreError as the store's do."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def ended(self, trial_id: str) -> dict[int, Done]:
        """DONE markers of a trial's ended replicates, by seed.

        One that is damaged is told of, and its replicate has not ended.
        """
        paths = self._storage.list_files(layout.replicates(trial_id), recursive=True)
        found: dict[int, Done] = {}
        for files in layout.trial_files(paths).values():
            for seed, state in files.replicates.items():
                try:
                    done = self.read_done(trial_id, seed, state)
                except DamagedError as error:
                    log.warning("%s: this replicate counts as not trained", error)
                    continue
                if done is not None:
                    found[done.seed] = done
        return found

    def write(
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
        files: dict[str, StoredFile] = {}
        for kind, data in contents.items():
            if data is not None:
                name = layout.attempt_name(kind, attempt)
                self._storage.write_bytes(layout.replicate_file(trial_id, seed, name), data)
                files[kind] = StoredFile(name, hashlib.sha256(data).hexdigest(), len(data))
        done = Done(trial_id, seed, state, attempt, files)
        self._storage.write_json(layout.marker(trial_id, seed, state), marker_content(done))
        return done

    def read_done(self, trial_id: str, seed: int, state: str) -> Done | None:
        """The DONE marker of a replicate that ended in this state, or None when it is not there.

        Raises DamagedError for a file that is none.
        """
        relative = layout.marker(trial_id, seed, state)
        content = self._storage.read_json(relative)
        if content is None:
            return None
        try:
            return done_of(trial_id, seed, state, content)
        except DamagedError as error:
            raise DamagedError(f"{self._storage.where(relative)}: {error}") from error

    def read_file(self, done: Done, kind: str) -> bytes:
        """A file that a DONE marker lists, its hash checked. Raises DamagedError when missing or changed."""
        entry = done.files.get(kind)
        if entry is None:
            raise DamagedError(
                f"trial {done.trial_id} seed {done.seed}: no {kind} were stored (state: {done.state})"
            )
        copy = done.result if kind == "result" else None
        if copy is not None and hashlib.sha256(copy).hexdigest() == entry.sha256:
            return copy
        relative = layout.replicate_file(done.trial_id, done.seed, entry.name)
        data = self._storage.read_bytes(relative, most=entry.bytes)
        where = self._storage.where(relative)
        if data is None:
            raise DamagedError(f"{where}: missing, though its DONE marker lists it")
        if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise DamagedError(f"{where}: content differs from the hash in its DONE marker")
        return data

    def read_scores(self, done: Done) -> pa.Table:
        """What a replicate says about each example, over its scored epochs (see `trainer.store.outputs`)."""
        return _table(self.read_file(done, "scores"))

    def read_epochs(self, done: Done) -> pa.Table:
        """A replicate's curves, one row per epoch."""
        return _table(self.read_file(done, "epochs"))

    def read_result(self, done: Done) -> dict[str, Any]:
        """A replicate's summary: state, metrics, scored epochs, seconds, device, versions, commit, data."""
        content: dict[str, Any] = json.loads(self.read_file(done, "result"))
        return content

    def damage(self, done: Done) -> str | None:
        """What is wrong with the files of a replicate's result, which are all read; None where nothing is.

        Weights are left out: they are no part of it.
        """
        try:
            for kind in RESULT_FILES:
                if kind in done.files or kind != "scores":
                    self.read_file(done, kind)
        except DamagedError as error:
            return str(error)
        return None

    def has_weights(self, done: Done) -> bool:
        """Whether a replicate's weights are there; those of a trial that is not selected are not."""
        entry = done.files.get("weights")
        if entry is None:
            return False
        return self._storage.exists(layout.replicate_file(done.trial_id, done.seed, entry.name))

    def delete_weights(self, done: Done) -> int:
        """Delete a replicate's weights (not selected); returns the bytes freed, 0 when already gone."""
        if not self.has_weights(done):
            return 0
        entry = done.files["weights"]
        self._storage.delete(layout.replicate_file(done.trial_id, done.seed, entry.name))
        return entry.bytes

    def add_weights(self, done: Done, weights: bytes, attempt: str) -> Done:
        """Store weights of a replicate that has none, under an attempt's name; its marker then lists them.

        Before the marker is replaced, in one step, nobody knows of them. A copy of it in the index is the
        caller's affair.
        """
        name = layout.attempt_name("weights", attempt)
        self._storage.write_bytes(layout.replicate_file(done.trial_id, done.seed, name), weights)
        entry = StoredFile(name, hashlib.sha256(weights).hexdigest(), len(weights))
        listed = replace(done, files={**done.files, "weights": entry})
        self._storage.write_json(layout.marker(done.trial_id, done.seed, done.state), marker_content(listed))
        return listed

    def drop_replaced(self, old: Done, state: str) -> None:
        """Delete what is left of a replicate that was trained again since, and ended then in `state`."""
        if old.state != state:
            self._storage.delete(layout.marker(old.trial_id, old.seed, old.state))
        for entry in old.files.values():
            self._storage.delete(layout.replicate_file(old.trial_id, old.seed, entry.name))

    def forget(self, trial_id: str, seed: int) -> None:
        """Delete a replicate's markers: it has not ended. Its files stay until they are written again."""
        for state in STATES:
            self._storage.delete(layout.marker(trial_id, seed, state))


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _table(data: bytes) -> pa.Table:
    """A stored table. One small file at a time: without threads it is read in half the time."""
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(use_threads=False)
