"""What the completed replicates of a trial left, joined in one object, so that a table reads one per trial.

A copy: the files beside the DONE markers are the truth. It names the hashes of those that it was made from,
and whoever reads it compares them with the markers that it has. Where they differ, or the object is damaged
or not there, the single files are read. It holds the trial's index entry as well: where a listing tells that
the entry is still the same, neither entry nor markers need to be read. It is written when a trial ends, and
again by a command that missed it; each is written whole or not at all, so neither a kill nor two writers at
once can make it tell anything that no marker tells.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import trainer.store.layout as layout
from search_spaces.errors import DamagedError, StoreError
from trainer.store.index import Copied, Index, IndexEntry
from trainer.store.joined_object import (
    JoinedObject,
    JoinedTrial,
    object_bytes,
    parse_object,
    side_by_side,
)
from trainer.store.markers import Done
from trainer.store.replicates import Replicates
from trainer.store.retry import Retry
from trainer.store.storage import Storage

log = logging.getLogger(__name__)

_MOST_BYTES = 2**31


class Joined:
    """The part of the store that holds joined replicates."""

    def __init__(self, storage: Storage, replicates: Replicates, index: Index) -> None:
        self._storage = storage
        self._replicates = replicates
        self._index = index
        # Threads add to it, each at one stroke; a lock would keep stores from being pickled.
        self._missed: set[str] = set()

    def write(self, trial_id: str, copied: Copied | None = None) -> None:
        """Join the completed replicates of a trial in one object, which takes an earlier one's place.

        schema       of the store's files
        trial_id     the trial
        index        the content of its index entry
        replicates   by seed, in the order of the outputs: SHA-256 of its `scores` and `epochs` as DONE lists
                     them, and `bytes` of its epochs
        table        bytes of the table

        Where there are none, or not all of the same examples in the same order, there is no object.
        `copied` is what the index entry was just written of, where the caller has it.

        Raises StoreError, also where a file of a replicate is damaged.
        """
        self._write(trial_id, copied, None)

    def open(self, trial_id: str) -> JoinedObject | None:
        """A trial's object; None where there is none, or it is damaged.

        Raises StoreError when the store cannot be read.
        """
        try:
            data = self._storage.read_bytes(layout.joined(trial_id), most=_MOST_BYTES)
            return None if data is None else parse_object(data, trial_id)
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
            self._missed.add(trial_id)
        return told

    def open_entry(self, entry: IndexEntry) -> JoinedObject | None:
        """The object of this index entry's trial; None where there is none that could tell the same.

        Raises StoreError when the store cannot be read.
        """
        return None if entry.digest is None else self.open(entry.trial_id)

    def markers(self, entry: IndexEntry, found: JoinedObject) -> dict[int, Done] | None:
        """The markers of an object's trial by seed, where it tells what this index entry tells; else None."""
        try:
            return found.markers(entry)
        except DamagedError as error:
            log.info("%s; the index tells", error)
            return None

    def write_missed(self, trial_ids: Iterable[str]) -> None:
        """Write the objects that `read` missed of these trials, as far as this process may and files allow.

        Nothing is lost where it cannot be: after the first object that cannot be written none is tried.
        """
        missed = sorted(self._missed.intersection(trial_ids))
        self._missed.difference_update(missed)
        for trial_id in missed:
            try:
                self._write(trial_id, None, Retry(tries=1, seconds=0.0))
            except DamagedError as error:
                log.info("%s: its trial's replicates are not joined", error)
            except StoreError as error:
                log.info("replicates are not joined: %s", error)
                return

    def _write(self, trial_id: str, copied: Copied | None, retry: Retry | None) -> None:
        ended = self._replicates.ended(trial_id) if copied is None else copied.ended
        done = []
        for _, marker in sorted(ended.items()):
            if marker.state == "completed" and "scores" in marker.files:
                done.append(marker)
        if not done:
            return
        index = self._index.content(trial_id, ended) if copied is None else copied.content
        content = self._content(index, done)
        if content is not None:
            # A copy of what lasts.
            self._storage.write_bytes(layout.joined(trial_id), content, retry=retry, lasting=False)

    def _content(self, index: Mapping[str, Any], done: Sequence[Done]) -> bytes | None:
        """The object of these replicates, and of their index entry's content; None where examples differ."""
        table = side_by_side([self._replicates.read_scores(marker) for marker in done])
        if table is None:
            return None
        curves = [self._replicates.read_file(marker, "epochs") for marker in done]
        return object_bytes(index, done, table, curves)
