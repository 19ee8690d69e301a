"""DONE markers: how a replicate ended, and which files count."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import trainer.store.layout as layout
from search_spaces.errors import DamagedError
from trainer.store.schema import STORE_SCHEMA


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


def states_of(done: Mapping[int, Done]) -> dict[int, str]:
    """How replicates ended by seed, from their markers by seed."""
    return {seed: marker.state for seed, marker in done.items()}


def new_attempt() -> str:
    """A name for one attempt at a trial: 8 random hexadecimal digits."""
    return uuid.uuid4().hex[:8]


def marker_content(done: Done) -> dict[str, Any]:
    """What a marker's file holds, as JSON.

    schema     of the store's files
    trial_id   the trial
    seed       the replicate
    state      "completed", "diverged" or "pruned"
    attempt    which attempt wrote the files
    files      by kind (epochs, scores, result, weights): name, SHA-256 and bytes
    """
    return {
        "schema": STORE_SCHEMA,
        "trial_id": done.trial_id,
        "seed": done.seed,
        "state": done.state,
        "attempt": done.attempt,
        "files": {kind: vars(entry) for kind, entry in done.files.items()},
    }


def done_of(trial_id: str, seed: int, state: str, content: Any) -> Done:
    """The marker whose file, or whose copy in the index, holds this content.

    Raises DamagedError where it is no marker's of this replicate in this state, or names files that no
    attempt writes: what a marker lists is read, and weights that are not kept are deleted.
    """
    what = f"trial {trial_id} seed {seed}: not a DONE marker's content"
    try:
        told = {key: content[key] for key in ("schema", "trial_id", "seed", "state")}
        attempt, result = content["attempt"], content.get("result")
        files = {kind: _stored_file(entry) for kind, entry in content["files"].items()}
        copy = None if result is None else result.encode()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedError(f"{what}: {error!r}") from error
    expected = {"schema": STORE_SCHEMA, "trial_id": trial_id, "seed": seed, "state": state}
    for key, value in expected.items():
        if told[key] != value:
            raise DamagedError(f"{what}: expected {key} {value!r}, found {told[key]!r}")
    for kind, entry in files.items():
        # Weights that were trained again are of another attempt.
        by = layout.attempt_of(kind, entry.name)
        if by is None or (by != attempt and kind != "weights"):
            raise DamagedError(
                f"{what}: expected names of files beside the DONE marker, found {entry.name!r} as {kind!r}"
            )
    return Done(trial_id, seed, state, attempt, files, copy)


def _stored_file(entry: Any) -> StoredFile:
    """A file as a marker lists it. Raises KeyError, TypeError or ValueError for what is none."""
    file = StoredFile(**entry)
    if not isinstance(file.sha256, str) or not isinstance(file.bytes, int):
        raise ValueError(f"expected a hash and a size, found {entry!r}")
    return file
