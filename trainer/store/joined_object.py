"""The object that joins a trial's replicates, as bytes.

Its parts, one behind the other:

    a line        SHA-256 in hexadecimal of all that follows
    a line        JSON, see `trainer.store.joined.Joined.write`
    a table       Arrow IPC: an example per row, as in a file of scores, but for the outputs of all replicates
    epochs        the files of the epoch records, as they are
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from search_spaces.errors import DamagedError
from trainer.store.index import IndexEntry, digest_of, markers_in
from trainer.store.markers import Done
from trainer.store.outputs import OUTPUTS, SCORE, output_values
from trainer.store.schema import STORE_SCHEMA

_KINDS = ("scores", "epochs")
# In the metadata of a table whose examples have several outputs each.
OUTPUTS_OF_CLASSES = b"classes"


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


def object_bytes(
    index: Mapping[str, Any], done: Sequence[Done], table: pa.Table, curves: Sequence[bytes]
) -> bytes:
    """The object of these replicates, in the order of the table's outputs.

    `index` is the content of the trial's index entry, `curves` the file of each one's epochs.
    """
    outputs, told = _ipc(table), {}
    for marker, epochs in zip(done, curves, strict=True):
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


def parse_object(data: bytes, trial_id: str) -> JoinedObject | None:
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


def side_by_side(tables: Sequence[pa.Table]) -> pa.Table | None:
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
