"""The result store: the files that a sweep leaves behind, and the only truth about what is done.

    <output>/sweeps/<name>.json                          the trials that a sweep expects
             studies/<name>/<number>.json                what a search suggested (see `sweeps.study`)
             trials/<trial_id>/config.json               the TrialConfig, readable
                               checkpoint.pt             while running: all replicates under way
                               failure.json              the last failed attempt: error, traceback's tail
                               stop.json                 a scheduler's request to stop, until that is done
                               replicates/<seed>/DONE    written last: state and hashes of the files beside it
                                                 epochs.<attempt>.parquet
                                                 scores.<attempt>.parquet
                                                 result.<attempt>.json
                                                 weights.<attempt>.pt
             index/<trial_id>/<states>.json              copy of the markers and results of a trial that ended

Every attempt writes under its own name and DONE names the files that count, so two attempts at the same
replicate never mix, on a local disk or on object storage without rename. A replicate that ended otherwise
than by completing has `DONE.diverged` or `DONE.pruned` in DONE's place, so that one listing tells every
state. Readers trust only what DONE lists and check its hashes.

An entry under `index/` repeats a trial's DONE markers and results in one object, whose name tells the
states (see `trial_index`), so that thousands of trials are known from a short listing. Entries are written
when a trial ends and may be missing; `scan()` without argument, and all that is asked about one trial, look
at the markers.

The store is reached through `pyarrow.fs`: a local path or a URI such as `s3://bucket/sweeps` (see `storage`).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from search_spaces.config import TrialConfig
from search_spaces.errors import InputError, StoreError
from trainer.retry import ONCE
from trainer.storage import Storage
from trainer.trial_index import entry_name, states_of

STORE_SCHEMA = 1
STATES = ("completed", "diverged", "pruned")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
_READERS = 16
# From this many trials without an index entry on, one listing of everything costs less than one of each.
_MANY_FOLDERS = 64
_SUFFIX = {"epochs": "parquet", "scores": "parquet", "result": "json", "weights": "pt"}


@dataclass(frozen=True)
class StoredFile:
    """A file beside a DONE marker: its name there, SHA-256 in hexadecimal, and size."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Done:
    """A DONE marker: how a replicate ended, and which files hold what it left.

    `result` is the content of the result file where the index held a copy; a reader checks its hash too.
    """

    trial_id: str
    seed: int
    state: str
    attempt: str
    files: Mapping[str, StoredFile]
    result: bytes | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class SweepManifest:
    """What a sweep expects: its name and its trials, each with the replicate seeds that it wants.

    Of a search these are the trials suggested so far, and `samples` is how many are wanted in all.
    """

    name: str
    trials: tuple[TrialConfig, ...]
    samples: int | None = None


@dataclass
class TrialFiles:
    """What one listing tells about a trial: the state of each ended replicate, and which files stand."""

    replicates: dict[int, str] = field(default_factory=dict)
    checkpoint: bool = False
    failure: bool = False


@dataclass(frozen=True)
class _IndexEntry:
    path: str
    states: dict[int, str]


def new_attempt() -> str:
    """A name for one attempt at a trial: 8 random hexadecimal digits."""
    return uuid.uuid4().hex[:8]


class Store(Storage):
    """A folder of results, local or remote. Safe to use from several threads and processes.

    Every method raises StoreError when the storage fails for longer than the retries last.
    """

    # Sweeps

    def sweep_names(self) -> list[str]:
        """Names of the sweeps that the store knows, sorted."""
        names = (p.removeprefix("sweeps/") for p in self.list_files("sweeps", recursive=False))
        return sorted(n.removesuffix(".json") for n in names if n.endswith(".json"))

    def write_sweep(self, manifest: SweepManifest) -> None:
        """Write which trials a sweep expects. Raises InputError for a name that is no plain file name."""
        if not _NAME.match(manifest.name):
            raise InputError(f"sweep name: expected letters, digits, '_', '.', '-', given {manifest.name!r}")
        trials = [c.model_dump(mode="json") for c in manifest.trials]
        content = {"schema": STORE_SCHEMA, "name": manifest.name, "trials": trials}
        if manifest.samples is not None:
            content["samples"] = manifest.samples
        self.write_bytes(f"sweeps/{manifest.name}.json", json.dumps(content).encode())

    def read_sweep(self, name: str) -> SweepManifest:
        """Which trials a sweep expects. Raises InputError when the store knows no such sweep."""
        content = self.read_json(f"sweeps/{name}.json") if _NAME.match(name) else None
        if content is None:
            known = ", ".join(self.sweep_names()) or "none"
            raise InputError(f"{self.uri}: no sweep {name!r} in this store; known: {known}")
        self._check_schema(content, f"sweeps/{name}.json")
        trials = tuple(TrialConfig.model_validate_json(json.dumps(t)) for t in content["trials"])
        return SweepManifest(name=name, trials=trials, samples=content.get("samples"))

    # Trials

    def write_config(self, config: TrialConfig) -> None:
        """Write a trial's readable configuration; the seeds are the sweep's affair and stand there."""
        self.write_json(
            f"trials/{config.trial_id}/config.json", config.model_dump(mode="json", exclude={"seeds"})
        )

    def trial_ids(self) -> list[str]:
        """Ids of the trials of which the store holds anything, sorted."""
        return sorted(path.split("/")[1] for path in self.list_folders("trials"))

    def scan(self, wanted: Mapping[str, Collection[int]] | None = None) -> dict[str, TrialFiles]:
        """State of the trials in the store, by id.

        Without argument, of all trials, from one listing of every file. With the `wanted` seeds by trial id,
        of these trials only: those whose wanted replicates have all ended are known from the index, and only
        the others are looked at.
        """
        if wanted is None:
            return _trial_files(self.list_files("trials", recursive=True))
        entries = self._entries(wanted)
        scanned = {trial_id: TrialFiles(dict(entry.states)) for trial_id, entry in entries.items() if entry}
        standing = [trial_id for trial_id, entry in entries.items() if entry is None]
        if len(standing) > _MANY_FOLDERS:
            everything = self.scan()
            return {**scanned, **{i: everything[i] for i in standing if i in everything}}
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            listings = pool.map(lambda i: self.list_files(f"trials/{i}", recursive=True), standing)
            for paths in listings:
                scanned.update(_trial_files(paths))
        return scanned

    def replicates(self, trial_id: str) -> dict[int, Done]:
        """DONE markers of a trial's ended replicates, by seed."""
        paths = self.list_files(f"trials/{trial_id}/replicates", recursive=True)
        states = _trial_files(paths)[trial_id].replicates if paths else {}
        read = (self._read_done(trial_id, seed, _marker(state)) for seed, state in states.items())
        return {done.seed: done for done in read if done is not None}

    def all_replicates(
        self, trial_ids: Iterable[str] | Mapping[str, Collection[int]] | None = None
    ) -> dict[str, dict[int, Done]]:
        """DONE markers of many trials, by trial id and seed, read concurrently.

        Given the wanted seeds by trial id, the index answers for trials whose wanted replicates have ended.
        """
        entries = self._entries(trial_ids) if isinstance(trial_ids, Mapping) else {}
        found: dict[str, dict[int, Done]] = {}
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            indexed = [(trial_id, entry.path) for trial_id, entry in entries.items() if entry]
            copies = pool.map(lambda found: self._read_entry(*found), indexed)
            found.update({copy[0].trial_id: {d.seed: d for d in copy} for copy in copies if copy})
            wanted = (
                None if trial_ids is None else {i: _seeds(trial_ids, i) for i in trial_ids if i not in found}
            )
            if wanted is not None and not wanted:
                return found
            scanned = self.scan(wanted if isinstance(trial_ids, Mapping) else None)
            jobs = [
                (trial_id, seed, _marker(state))
                for trial_id, files in scanned.items()
                if wanted is None or trial_id in wanted
                for seed, state in files.replicates.items()
            ]
            for done in pool.map(lambda job: self._read_done(*job), jobs):
                if done is not None:
                    found.setdefault(done.trial_id, {})[done.seed] = done
        return found

    def _read_done(self, trial_id: str, seed: int, marker: str) -> Done | None:
        relative = f"trials/{trial_id}/replicates/{seed}/{marker}"
        content = self.read_json(relative)
        if content is None:
            return None
        self._check_schema(content, relative)
        return _done(trial_id, seed, content)

    # Index

    def write_index(self, trial_id: str) -> None:
        """Copy the DONE markers and results of a trial into its index entry, replacing an earlier one."""
        ended = self.replicates(trial_id)
        name = entry_name({seed: done.state for seed, done in ended.items()})
        old = self.list_files(f"index/{trial_id}", recursive=False)
        if name is not None:
            copies = {
                str(seed): {**_marker_content(done), "result": self.read_file(done, "result").decode()}
                for seed, done in ended.items()
            }
            content = {"schema": STORE_SCHEMA, "trial_id": trial_id, "replicates": copies}
            self.write_bytes(f"index/{trial_id}/{name}.json", json.dumps(content).encode())
        for path in old:
            if path != f"index/{trial_id}/{name}.json":
                self.delete(path)

    def drop_index(self, trial_id: str) -> None:
        """Delete a trial's index entry, so that only its markers tell how it stands."""
        for path in self.list_files(f"index/{trial_id}", recursive=False):
            self.delete(path)

    def _entries(self, wanted: Mapping[str, Collection[int]]) -> dict[str, _IndexEntry | None]:
        """For each wanted trial that has a folder: the index entry that tells of all its wanted seeds."""
        entries: dict[str, _IndexEntry | None] = dict.fromkeys(i for i in self.trial_ids() if i in wanted)
        for path in self.list_files("index", recursive=True):
            trial_id, name = path.split("/")[1], path.rpartition("/")[2]
            if trial_id in entries and name.endswith(".json"):
                states = states_of(name.removesuffix(".json"))
                if states is not None and states.keys() >= set(wanted[trial_id]):
                    entries[trial_id] = _IndexEntry(path, states)
        return entries

    def _read_entry(self, trial_id: str, path: str) -> list[Done]:
        """The markers in an index entry; none when it was deleted in the meantime."""
        content = self.read_json(path)
        if content is None:
            return []
        self._check_schema(content, path)
        return [_done(trial_id, int(seed), entry) for seed, entry in content["replicates"].items()]

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
        self.write_json(f"{folder}/{_marker(state)}", _marker_content(done))
        return done

    def reopen(self, trial_id: str, seed: int) -> None:
        """Forget that a replicate ended, so that it is trained again. Its files stay until overwritten."""
        self.drop_index(trial_id)
        for state in STATES:
            self.delete(f"trials/{trial_id}/replicates/{seed}/{_marker(state)}")

    # Files of an ended replicate

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
        """Per-example scores of a replicate's chosen checkpoint: split, example_id, target, score."""
        return _table(self.read_file(done, "scores"))

    def read_epochs(self, done: Done) -> pa.Table:
        """A replicate's curves, one row per epoch."""
        return _table(self.read_file(done, "epochs"))

    def read_result(self, done: Done) -> dict[str, Any]:
        """A replicate's summary: state, metrics, chosen epoch, seconds, device, versions, commit, data."""
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

    # Trials under way

    def write_checkpoint(self, trial_id: str, data: bytes) -> None:
        """Write the state of a trial's replicates under way, in one try: the next checkpoint is another."""
        self.write_bytes(f"trials/{trial_id}/checkpoint.pt", data, retry=ONCE)

    def read_checkpoint(self, trial_id: str) -> bytes | None:
        """State of a trial's replicates under way, or None."""
        return self.read_bytes(f"trials/{trial_id}/checkpoint.pt")

    def delete_checkpoint(self, trial_id: str) -> None:
        """Forget the state of a trial's replicates under way."""
        self.delete(f"trials/{trial_id}/checkpoint.pt")

    def write_failure(self, trial_id: str, failure: Mapping[str, Any]) -> None:
        """Write why an attempt failed: error, message, traceback, seeds, attempt."""
        self.write_json(f"trials/{trial_id}/failure.json", failure)

    def read_failure(self, trial_id: str) -> dict[str, Any] | None:
        """Why the trial's last attempt failed, or None."""
        return self.read_json(f"trials/{trial_id}/failure.json")

    def request_stop(self, trial_id: str, reason: str) -> None:
        """Ask the worker of a trial to end its replicates under way as pruned, for this reason."""
        self.write_json(f"trials/{trial_id}/stop.json", {"reason": reason})

    def stop_request(self, trial_id: str) -> str | None:
        """The reason for which a trial is to be stopped, or None."""
        content = self.read_json(f"trials/{trial_id}/stop.json")
        return None if content is None else str(content.get("reason", ""))

    def clear_stop_request(self, trial_id: str) -> None:
        """Forget that a trial was to be stopped."""
        self.delete(f"trials/{trial_id}/stop.json")

    def clear_failure(self, trial_id: str) -> None:
        """Forget a failed attempt."""
        self.delete(f"trials/{trial_id}/failure.json")

    def _check_schema(self, content: Mapping[str, Any], relative: str) -> None:
        if content.get("schema") != STORE_SCHEMA:
            raise StoreError(
                f"{self.where(relative)}: expected store schema {STORE_SCHEMA}, "
                f"found {content.get('schema')!r}"
            )


def _trial_files(paths: Iterable[str]) -> dict[str, TrialFiles]:
    """What the paths of files below `trials/` tell about each trial."""
    trials: dict[str, TrialFiles] = {}
    for path in paths:
        parts = path.split("/")
        files = trials.setdefault(parts[1], TrialFiles())
        if len(parts) == 3:
            files.checkpoint |= parts[2] == "checkpoint.pt"
            files.failure |= parts[2] == "failure.json"
        elif len(parts) == 5 and (state := _STATE_OF_MARKER.get(parts[4])):
            seed = int(parts[3])
            if files.replicates.get(seed) != "completed":
                files.replicates[seed] = state
    return trials


def _seeds(wanted: Iterable[str] | Mapping[str, Collection[int]], trial_id: str) -> Collection[int]:
    return wanted[trial_id] if isinstance(wanted, Mapping) else ()


def _marker(state: str) -> str:
    return "DONE" if state == "completed" else f"DONE.{state}"


_STATE_OF_MARKER = {_marker(state): state for state in STATES}


def _marker_content(done: Done) -> dict[str, Any]:
    return {
        "schema": STORE_SCHEMA,
        "trial_id": done.trial_id,
        "seed": done.seed,
        "state": done.state,
        "attempt": done.attempt,
        "files": {kind: vars(entry) for kind, entry in done.files.items()},
    }


def _done(trial_id: str, seed: int, content: Mapping[str, Any]) -> Done:
    files = {kind: StoredFile(**entry) for kind, entry in content["files"].items()}
    result = content.get("result")
    copy = None if result is None else str(result).encode()
    return Done(trial_id, seed, content["state"], content["attempt"], files, copy)


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _table(data: bytes) -> pa.Table:
    """A stored table. One small file at a time: without threads it is read in half the time."""
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(use_threads=False)
