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

Every attempt writes under its own name and DONE names the files that count, so two attempts at the same
replicate never mix, on a local disk or on object storage without rename. A replicate that ended otherwise
than by completing has `DONE.diverged` or `DONE.pruned` in DONE's place, so one listing tells every state.
Readers trust only what DONE lists and check its hashes.

The store is reached through `pyarrow.fs`: a local path or a URI such as `s3://bucket/sweeps`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from search_spaces.config import TrialConfig
from search_spaces.errors import InputError, StoreError

STORE_SCHEMA = 1
STATES = ("completed", "diverged", "pruned")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
_SUFFIX = {"epochs": "parquet", "scores": "parquet", "result": "json", "weights": "pt"}


@dataclass(frozen=True)
class StoredFile:
    """A file beside a DONE marker: its name there, SHA-256 in hexadecimal, and size."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Done:
    """A DONE marker: how a replicate ended, and which files hold what it left."""

    trial_id: str
    seed: int
    state: str
    attempt: str
    files: Mapping[str, StoredFile]


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


def new_attempt() -> str:
    """A name for one attempt at a trial: 8 random hexadecimal digits."""
    return uuid.uuid4().hex[:8]


class Store:
    """A folder of results, local or remote. Safe to use from several threads and processes."""

    def __init__(self, uri: str | Path) -> None:
        """`uri` is a local path or a URI that `pyarrow.fs.FileSystem.from_uri` takes.

        Raises InputError when the URI's scheme is unknown.
        """
        self.uri = str(uri)
        if "://" in self.uri:
            try:
                self.filesystem, self.root = fs.FileSystem.from_uri(self.uri)
            except (pa.ArrowInvalid, OSError) as error:
                raise InputError(
                    "output: expected a local path or a URI like s3://bucket/folder, "
                    f"given {self.uri!r}: {error}"
                ) from error
        else:
            self.root = str(Path(self.uri).expanduser().absolute())
            self.filesystem = fs.LocalFileSystem()
        self.is_local = isinstance(self.filesystem, fs.LocalFileSystem)

    # Objects

    def path(self, *parts: str) -> str:
        """Path of an object below the store's root, in the file system's own form."""
        return "/".join((self.root, *parts))

    def write_bytes(self, relative: str, data: bytes) -> None:
        """Write an object whole or not at all: by rename on a local disk, by a single put elsewhere."""
        target = self.path(relative)
        if self.is_local:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            temporary = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
            try:
                with open(temporary, "wb") as stream:
                    stream.write(data)
                os.replace(temporary, target)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        else:
            with self.filesystem.open_output_stream(target) as stream:
                stream.write(data)

    def read_bytes(self, relative: str) -> bytes | None:
        """The object's content, or None when there is no such object."""
        try:
            with self.filesystem.open_input_stream(self.path(relative)) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def delete(self, relative: str) -> None:
        """Delete an object; one that is not there is no error."""
        try:
            self.filesystem.delete_file(self.path(relative))
        except FileNotFoundError:
            return

    def read_json(self, relative: str) -> dict[str, Any] | None:
        """A JSON object's content, or None when there is no such object. Raises StoreError when malformed."""
        data = self.read_bytes(relative)
        if data is None:
            return None
        try:
            content = json.loads(data)
        except ValueError as error:
            raise StoreError(f"{self.path(relative)}: expected JSON: {error}") from error
        if not isinstance(content, dict):
            raise StoreError(f"{self.path(relative)}: expected a JSON object, found {type(content).__name__}")
        return content

    def write_json(self, relative: str, content: Mapping[str, Any]) -> None:
        """Write a mapping as readable JSON; NaN stands as the string that JSON lacks (`NaN`)."""
        self.write_bytes(relative, json.dumps(content, indent=1).encode())

    def list_files(self, relative: str) -> list[str]:
        """Paths of the files in a folder, sorted, relative to the store's root."""
        return sorted(self._list(relative, recursive=False))

    def _list(self, relative: str, recursive: bool) -> list[str]:
        """Paths of all files below a folder, relative to the store's root."""
        selector = fs.FileSelector(self.path(relative), recursive=recursive, allow_not_found=True)
        infos = self.filesystem.get_file_info(selector)
        return [i.path[len(self.root) + 1 :] for i in infos if i.type == fs.FileType.File]

    # Sweeps

    def sweep_names(self) -> list[str]:
        """Names of the sweeps that the store knows, sorted."""
        names = (p.removeprefix("sweeps/") for p in self._list("sweeps", recursive=False))
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

    def scan(self) -> dict[str, TrialFiles]:
        """State of every trial in the store, by id, from one recursive listing."""
        trials: dict[str, TrialFiles] = {}
        for path in self._list("trials", recursive=True):
            parts = path.split("/")
            files = trials.setdefault(parts[1], TrialFiles())
            if len(parts) == 3:
                files.checkpoint |= parts[2] == "checkpoint.pt"
                files.failure |= parts[2] == "failure.json"
            elif len(parts) == 5 and (state := _state_of_marker(parts[4])):
                seed = int(parts[3])
                if files.replicates.get(seed) != "completed":
                    files.replicates[seed] = state
        return trials

    def replicates(self, trial_id: str) -> dict[int, Done]:
        """DONE markers of a trial's ended replicates, by seed."""
        found: dict[int, Done] = {}
        for path in self._list(f"trials/{trial_id}/replicates", recursive=True):
            seed, name = path.split("/")[3:]
            state = _state_of_marker(name)
            if state and (int(seed) not in found or state == "completed"):
                done = self._read_done(trial_id, int(seed), name)
                if done is not None:
                    found[int(seed)] = done
        return found

    def all_replicates(self, trial_ids: Iterable[str] | None = None) -> dict[str, dict[int, Done]]:
        """DONE markers of many trials, by trial id and seed: one listing, then concurrent reads."""
        wanted = None if trial_ids is None else set(trial_ids)
        jobs = [
            (trial_id, seed, _marker(state))
            for trial_id, files in self.scan().items()
            if wanted is None or trial_id in wanted
            for seed, state in files.replicates.items()
        ]
        found: dict[str, dict[int, Done]] = {}
        with ThreadPoolExecutor(max_workers=16) as pool:
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
        files = {kind: StoredFile(**entry) for kind, entry in content["files"].items()}
        return Done(trial_id, seed, content["state"], content["attempt"], files)

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
        self.write_json(f"{folder}/{_marker(state)}", {"schema": STORE_SCHEMA, **asdict(done)})
        return done

    def reopen(self, trial_id: str, seed: int) -> None:
        """Forget that a replicate ended, so that it is trained again. Its files stay until overwritten."""
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
        relative = f"trials/{done.trial_id}/replicates/{done.seed}/{entry.name}"
        data = self.read_bytes(relative)
        if data is None:
            raise StoreError(f"{self.path(relative)}: missing, though its DONE marker lists it")
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise StoreError(f"{self.path(relative)}: content differs from the hash in its DONE marker")
        return data

    def read_scores(self, done: Done) -> pa.Table:
        """Per-example scores of a replicate's chosen checkpoint: split, example_id, target, score."""
        return pq.read_table(io.BytesIO(self.read_file(done, "scores")))

    def read_epochs(self, done: Done) -> pa.Table:
        """A replicate's curves, one row per epoch."""
        return pq.read_table(io.BytesIO(self.read_file(done, "epochs")))

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
        if self.filesystem.get_file_info(self.path(relative)).type == fs.FileType.NotFound:
            return 0
        self.delete(relative)
        return entry.bytes

    # Trials under way

    def write_checkpoint(self, trial_id: str, data: bytes) -> None:
        """Write the state of a trial's replicates under way."""
        self.write_bytes(f"trials/{trial_id}/checkpoint.pt", data)

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
                f"{self.path(relative)}: expected store schema {STORE_SCHEMA}, "
                f"found {content.get('schema')!r}"
            )


def _marker(state: str) -> str:
    return "DONE" if state == "completed" else f"DONE.{state}"


def _state_of_marker(name: str) -> str | None:
    return next((s for s in STATES if name == _marker(s)), None)


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()
