"""DONE markers: how a replicate ended, and which files count."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search_spaces.errors import StoreError
from search_spaces.names import is_plain_name
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


def done_of(trial_id: str, seed: int, content: Mapping[str, Any]) -> Done:
    """The marker whose file, or whose copy in the index, holds this content.

    Raises StoreError where it is no marker's, or names a file elsewhere than beside the marker: what a
    marker lists is read, and weights that are not kept are deleted.
    """
    try:
        files = {str(kind): StoredFile(**entry) for kind, entry in content["files"].items()}
        result = content.get("result")
        copy = None if result is None else str(result).encode()
        done = Done(trial_id, seed, str(content["state"]), str(content["attempt"]), files, copy)
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"trial {trial_id} seed {seed}: not a DONE marker's content: {error!r}") from error
    for entry in files.values():
        if not is_plain_name(entry.name):
            raise StoreError(
                f"trial {trial_id} seed {seed}: expected names of files beside the DONE marker, "
                f"found {entry.name!r}"
            )
    return done
