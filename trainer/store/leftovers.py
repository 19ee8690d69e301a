"""What killed processes have left in a store, and nothing refers to: it can go.

Temporary files, which stand for the moment of a write, and files of attempts that no DONE marker lists. Only
what is older than OLD_SECONDS counts: a living attempt writes its marker within seconds of its files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass

import trainer.store.layout as layout
from search_spaces.errors import DamagedError
from trainer.store.local import TEMPORARY
from trainer.store.state import STATES
from trainer.store.storage import StoredObject
from trainer.store.store import Store

OLD_SECONDS = 3600.0
_FOLDERS = ("sweeps", "studies", "probes", "trials", "index", "joined", "again", "tables", "figures")
_TEMPORARY = re.compile(rf".+\.[0-9a-f]{{8}}{re.escape(TEMPORARY)}")


@dataclass(frozen=True)
class Leftovers:
    """Objects of a store to which nothing refers."""

    temporary: tuple[StoredObject, ...]
    attempts: tuple[StoredObject, ...]

    @property
    def bytes(self) -> int:
        """What they take."""
        return sum(found.bytes for found in (*self.temporary, *self.attempts))

    def delete(self, store: Store) -> None:
        """Delete them. Raises StoreError."""
        for found in (*self.temporary, *self.attempts):
            store.storage.delete(found.path)


def find_leftovers(store: Store, busy: Container[str] = ()) -> Leftovers:
    """What may go of a store; nothing of attempts at trials that are `busy`. Raises StoreError."""
    temporary, replicates = [], dict[tuple[str, int], list[StoredObject]]()
    begun = time.time() - OLD_SECONDS
    for folder in _FOLDERS:
        for found in store.storage.list_objects(folder):
            if found.changed >= begun:
                continue
            parts = found.path.split("/")
            if _TEMPORARY.fullmatch(parts[-1]):
                temporary.append(found)
            elif _is_attempts(parts) and parts[1] not in busy:
                replicates.setdefault((parts[1], int(parts[3])), []).append(found)
    attempts: list[StoredObject] = []
    for (trial_id, seed), files in replicates.items():
        attempts += _unlisted(store, trial_id, seed, files)
    return Leftovers(tuple(temporary), tuple(attempts))


def _is_attempts(parts: list[str]) -> bool:
    """Whether a path is that of a file which an attempt wrote: trials/ID/replicates/SEED/NAME."""
    if len(parts) != 5 or (parts[0], parts[2]) != (layout.TRIALS, "replicates") or not parts[3].isdecimal():
        return False
    return layout.attempt_of(parts[4].partition(".")[0], parts[4]) is not None


def _unlisted(store: Store, trial_id: str, seed: int, files: Iterable[StoredObject]) -> list[StoredObject]:
    """Those of a replicate's files that its markers do not list; none where a marker cannot be read."""
    listed: set[str] = set()
    for state in STATES:
        try:
            done = store.replicates.read_done(trial_id, seed, state)
        except DamagedError:
            return []
        if done is not None:
            listed.update(entry.name for entry in done.files.values())
    return [found for found in files if found.path.rpartition("/")[2] not in listed]
