"""What the completed replicates of a trial left, joined in one object, so that a table reads one per trial.

A copy: the files beside the DONE markers are the truth. It names the hashes of those that it was made from,
and whoever reads it compares them with the markers that it has. Where they differ, or the object is damaged
or not there, the single files are read. It holds the trial's index entry as well: where a listing tells that
the entry is still the same, neither entry nor markers need to be read. It is written when a trial ends, and
again by a command that missed it; each is written whole or not at all, so neither a kill nor two writers at
once can make it tell anything that no marker tells.

Its parts, one behind the other:

    a line        SHA-256 in hexadecimal of all that follows
    a line        JSON, see `Joined.write`
    a table       Arrow IPC: an example per row, as in a file of scores, but for the outputs of all replicates
    epochs        the files of the epoch records, as they are
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import trainer.store.layout as layout
from search_spaces.errors import DamagedError, StoreError
from trainer.store.index import Index, IndexEntry, digest_of, markers_in
from trainer.store.markers import Done
from trainer.store.outputs import OUTPUTS, SCORE, output_values
from trainer.store.replicates import Replicates
from trainer.store.retry import Retry
from trainer.store.schema import STORE_SCHEMA
from trainer.store.storage import Storage

log = logging.getLogger(__name__)

_MOST_BYTES = 2**31
_KINDS = ("scores", "epochs")


@dataclass(frozen=True)
class JoinedTrial:
    """What one object holds of the replicates that were asked for.

    seeds    in the order in which they were asked for
    table    an example per row; its outputs, of all replicates that the object holds, stand side by side
    """

    seeds: tuple[int, ...]
    table: pa.Table
    _places: tuple[int, ...]
    _stored: int
    _epochs: Mapping[int, memoryview]

    def split_replicates(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs of a split, rows of the table [N, all that a row holds], as [seeds, N] or [seeds, N, K]."""
        width = values.shape[1] // self._stored
        apart = values.reshape(len(values), self._stored, width)
        chosen = np.ascontiguousarray(np.moveaxis(apart, 1, 0)[list(self._places)])
        return chosen if OUTPUTS_OF_CLASSES in (self.table.schema.metadata or {}) else chosen[:, :, 0]

    def epochs(self, seed: int) -> pa.Table:
        """A replicate's curves, one row per epoch."""
        with pq.ParquetFile(pa.BufferReader(self._epochs[seed])) as file:
            return file.read(use_threads=False)


# In the metadata of a table whose examples have several outputs each.
OUTPUTS_OF_CLASSES = b"classes"


@dataclass(frozen=True)
class JoinedObject:
    """An object that is as it was written.

    header   its second line
    parts    what follows
    """

    trial_id: str
    header: Mapping[str, Any]
    parts: memoryview

    def of(self, done: Sequence[Done]) -> JoinedTrial | None:
        """What it tells of these completed replicates; None where it was made from other files.

        Raises DamagedError for content that is none.
        """
        with _told_as_damage(self.trial_id):
            told = self.header["replicates"]
            for marker in done:
                entry = dict(told.get(str(marker.seed), {}))
                entry.pop("bytes", None)
                if entry != _hashes(marker):
                    return None
            return _opened(self.parts, self.header, [marker.seed for marker in done])

    def markers(self, entry: IndexEntry) -> dict[int, Done] | None:
        """All markers of the trial by seed, if this index entry tells the same ones; else None.

        Raises DamagedError for content that is none.
        """
        with _told_as_damage(self.trial_id):
            content = self.header["index"]
            if entry.digest is None or digest_of(content) != entry.digest:
                return None
            return markers_in(content, entry)


class Joined:
    """The part of the store that holds joined replicates."""

    def __init__(self, storage: Storage, replicates: Replicates, index: Index) -> None:
        self._storage = storage
        self._replicates = replicates
        self._index = index
        self._missed: set[str] = set()
        self._lock = threading.Lock()

    def write(self, trial_id: str) -> None:
        """Join the completed replicates of a trial in one object, which takes an earlier one's place.

        schema       of the store's files
        trial_id     the trial
        index        the content of its index entry
        replicates   by seed, in the order of the outputs: SHA-256 of its `scores` and `epochs` as DONE lists
                     them, and `bytes` of its epochs
        table        bytes of the table

        Where there are none, or not all of the same examples in the same order, there is no object.

        Raises StoreError, also where a file of a replicate is damaged.
        """
        self._write(trial_id, None)

    def open(self, trial_id: str) -> JoinedObject | None:
        """A trial's object; None where there is none, or it is damaged.

        Raises StoreError when the store cannot be read.
        """
        try:
            data = self._storage.read_bytes(layout.joined(trial_id), most=_MOST_BYTES)
            return None if data is None else _parse(data, trial_id)
        except DamagedError as error:
            log.info("%s; the single files are read", error)
            return None

    def read(
        self, trial_id: str, done: Sequence[Done], found: JoinedObject | None = None
    ) -> JoinedTrial | None:
        """What the object tells of these completed replicates; None where the single files are to be read.

        `found` is the object where the caller has opened it. `write_missed` then knows of the trial. Raises
        StoreError when the store cannot be read.
        """
        found = found or self.open(trial_id)
        try:
            told = None if found is None else found.of(done)
        except DamagedError as error:
            log.info("%s; the single files are read", error)
            told = None
        if told is None:
            with self._lock:
                self._missed.add(trial_id)
        return told

    def read_entry(self, entry: IndexEntry) -> tuple[JoinedObject, dict[int, Done]] | None:
        """A trial's object, and its markers by seed, where it tells what this index entry tells; else None.

        Raises StoreError when the store cannot be read.
        """
        found = None if entry.digest is None else self.open(entry.trial_id)
        try:
            markers = None if found is None else found.markers(entry)
        except DamagedError as error:
            log.info("%s; the index tells", error)
            return None
        if found is None or markers is None:
            return None
        return found, markers

    def write_missed(self, trial_ids: Iterable[str]) -> None:
        """Write the objects that `read` missed of these trials, as far as this process may and files allow.

        Nothing is lost where it cannot be: after the first object that cannot be written none is tried.
        """
        with self._lock:
            missed = sorted(self._missed & set(trial_ids))
            self._missed -= set(missed)
        for trial_id in missed:
            try:
                self._write(trial_id, Retry(tries=1, seconds=0.0))
            except DamagedError as error:
                log.info("%s: its trial's replicates are not joined", error)
            except StoreError as error:
                log.info("replicates are not joined: %s", error)
                return

    def _write(self, trial_id: str, retry: Retry | None) -> None:
        ended = self._replicates.ended(trial_id)
        done = []
        for _, marker in sorted(ended.items()):
            if marker.state == "completed" and "scores" in marker.files:
                done.append(marker)
        content = self._content(self._index.content(trial_id, ended), done) if done else None
        if content is not None:
            # A copy of what lasts.
            self._storage.write_bytes(layout.joined(trial_id), content, retry=retry, lasting=False)

    def _content(self, index: Mapping[str, Any], done: Sequence[Done]) -> bytes | None:
        """The object of these replicates, and of their index entry's content; None where examples differ."""
        table = _side_by_side([self._replicates.read_scores(marker) for marker in done])
        if table is None:
            return None
        outputs, curves, told = _ipc(table), [], {}
        for marker in done:
            epochs = self._replicates.read_file(marker, "epochs")
            curves.append(epochs)
            told[str(marker.seed)] = {**_hashes(marker), "bytes": len(epochs)}
        header = {
            "schema": STORE_SCHEMA,
            "trial_id": index["trial_id"],
            "index": index,
            "replicates": told,
            "table": len(outputs),
        }
        rest = b"".join([json.dumps(header).encode(), b"\n", outputs, *curves])
        return hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def _hashes(done: Done) -> dict[str, str]:
    """The hashes of a replicate's files of which an object holds copies."""
    return {kind: done.files[kind].sha256 for kind in _KINDS if kind in done.files}


def _parse(data: bytes, trial_id: str) -> JoinedObject | None:
    """The object that these bytes are; None where it is of another schema.

    Raises DamagedError for content that is none, or was changed.
    """
    sha256, rest = data[:64], memoryview(data)[65:]
    if data[64:65] != b"\n" or hashlib.sha256(rest).hexdigest().encode() != sha256:
        raise DamagedError(f"{_called(trial_id)}: damaged: the content differs from its hash")
    with _told_as_damage(trial_id):
        end = data.index(b"\n", 65)
        header = json.loads(data[65:end])
        if (header["schema"], header["trial_id"]) != (STORE_SCHEMA, trial_id):
            return None
        return JoinedObject(trial_id, header, memoryview(data)[end + 1 :])


@contextmanager
def _told_as_damage(trial_id: str) -> Iterator[None]:
    """A block that reads an object's content: what is wrong there is a DamagedError."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, pa.ArrowException) as error:
        raise DamagedError(f"{_called(trial_id)}: not as they are written: {error!r}") from error


def _called(trial_id: str) -> str:
    return f"joined replicates of trial {trial_id}"


def _opened(view: memoryview, header: Mapping[str, Any], seeds: Sequence[int]) -> JoinedTrial:
    """The parts behind an object's header."""
    place = header["table"]
    with pa.ipc.open_stream(pa.BufferReader(view[:place])) as stream:
        table = stream.read_all()
    stored, epochs = list(map(int, header["replicates"])), {}
    for seed in stored:
        size = header["replicates"][str(seed)]["bytes"]
        epochs[seed] = view[place : place + size]
        place += size
    places = tuple(stored.index(seed) for seed in seeds)
    return JoinedTrial(tuple(seeds), table, places, len(stored), epochs)


def _side_by_side(tables: Sequence[pa.Table]) -> pa.Table | None:
    """One table with the outputs of all, None where anything else of them differs."""
    column = SCORE if SCORE in tables[0].column_names else OUTPUTS
    rest = tables[0].drop_columns([column])
    values = []
    for table in tables:
        if column not in table.column_names or not table.drop_columns([column]).equals(rest):
            return None
        values.append(output_values(table))
    apart = [of_one.reshape(len(of_one), -1) for of_one in values]
    if len({of_one.shape for of_one in apart}) > 1:
        return None
    beside = np.concatenate(apart, axis=1)
    flat = pa.array(beside.reshape(-1))
    joined = rest.append_column(OUTPUTS, pa.FixedSizeListArray.from_arrays(flat, beside.shape[1]))
    metadata = {} if column == SCORE else {OUTPUTS_OF_CLASSES: b"yes"}
    return joined.replace_schema_metadata(metadata)


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table.combine_chunks())
    content: bytes = sink.getvalue().to_pybytes()
    return content
