"""The index of the store: thousands of trials known from a short listing.

An entry under `index/` repeats a trial's DONE markers and results in one object, whose name tells the
states: `c1-8_10.d9.h0123456789abcdef` says that seeds 1 to 8 and 10 completed and seed 9 diverged, and how
its content's hash begins, so that a listing tells whether another copy is level with it. Entries are written
when a trial ends and may be missing or damaged; the markers are the truth.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import trainer.store.layout as layout
from search_spaces.errors import DamagedError
from trainer.store.markers import Done, done_of, marker_content, states_of
from trainer.store.replicates import Replicates
from trainer.store.schema import STORE_SCHEMA
from trainer.store.seal import check_seal, sealed
from trainer.store.storage import Storage

log = logging.getLogger(__name__)

# File systems take names of 255 bytes; a trial whose seeds need more has no entry and is listed instead.
LONGEST_NAME = 200
# Up to so many trials are looked up one by one, however many the store holds.
_FEW_TRIALS = 8

_LETTERS = {"completed": "c", "diverged": "d", "pruned": "p"}
_STATE_OF_LETTER = {letter: state for state, letter in _LETTERS.items()}
_PART = re.compile(r"^([cdp])(\d+(?:-\d+)?(?:_\d+(?:-\d+)?)*)$")
_DIGEST = re.compile(r"^h([0-9a-f]{16})$")


@dataclass(frozen=True)
class IndexEntry:
    """An index entry that was listed.

    path     of its object
    states   how replicates ended, by seed, as its name tells
    digest   how its content's hash begins, in hexadecimal; None of an earlier version, which does not tell
    """

    path: str
    states: Mapping[int, str]
    digest: str | None = None

    @property
    def trial_id(self) -> str:
        """Whose it is."""
        return layout.trial_of(self.path)


class Copied(NamedTuple):
    """A trial's DONE markers by seed, and the content of the index entry that tells them."""

    ended: dict[int, Done]
    content: dict[str, Any]


class Index:
    """The part of the store that holds the index. Every method raises StoreError as the store's do."""

    def __init__(self, storage: Storage, replicates: Replicates) -> None:
        self._storage = storage
        self._replicates = replicates

    def entries(self, wanted: Mapping[str, Collection[int]]) -> dict[str, IndexEntry | None]:
        """The entry of each trial that may be in the store, or None where it has none that is wide enough.

        `wanted` are seeds by trial id; an entry must tell of all of them. Of two that do, one is out of date:
        then the markers tell.
        """
        found: dict[str, IndexEntry | None] = {}
        if len(wanted) <= _FEW_TRIALS:
            paths = self._paths_of_few(wanted)
            found.update(dict.fromkeys(wanted))
        else:
            for folder in self._storage.list_folders(layout.TRIALS):
                if layout.trial_of(folder) in wanted:
                    found[layout.trial_of(folder)] = None
            paths = self._storage.list_files(layout.INDEX, recursive=True)
        told = set[str]()
        for path in paths:
            name, trial_id = layout.name_of(path) or "", layout.trial_of(path)
            states = states_in(name)
            if states is None or trial_id not in found or not states.keys() >= set(wanted[trial_id]):
                continue
            found[trial_id] = None if trial_id in told else IndexEntry(path, states, digest_in(name))
            told.add(trial_id)
        return found

    def read(self, entry: IndexEntry) -> dict[int, Done]:
        """The markers in an entry, by seed; none when it was deleted in the meantime, or is damaged."""
        try:
            content = self._storage.read_json(entry.path)
            if content is None:
                return {}
            check_seal(content, self._storage.where(entry.path))
            return markers_in(content, entry)
        except DamagedError as error:
            log.info("%s; the markers tell", error)
            return {}

    def write(self, trial_id: str) -> Copied:
        """Copy the DONE markers and results of a trial into its entry, replacing an earlier one.

        schema       of the store's files
        trial_id     the trial
        replicates   by seed: its DONE marker, and its `result` as text
        sha256       of the rest

        Returns what was copied, so that another copy need not read it again.
        """
        ended = self._replicates.ended(trial_id)
        old = self._storage.list_files(layout.index_folder(trial_id), recursive=False)
        content = self.content(trial_id, ended)
        path = None
        if entry_name(states_of(ended)) is not None:
            path = layout.index_entry(trial_id, f"{entry_name(states_of(ended))}.h{digest_of(content)}")
            # A copy of what lasts.
            self._storage.write_bytes(path, json.dumps(content).encode(), lasting=False)
        for other in old:
            if other != path:
                self._storage.delete(other)
        return Copied(ended, content)

    def content(self, trial_id: str, ended: Mapping[int, Done]) -> dict[str, Any]:
        """What the entry of a trial holds whose replicates ended like this, with its hash."""
        copies = {}
        for seed, done in sorted(ended.items()):
            result = self._replicates.read_file(done, "result").decode()
            copies[str(seed)] = {**marker_content(done), "result": result}
        return sealed({"schema": STORE_SCHEMA, "trial_id": trial_id, "replicates": copies})

    def drop(self, trial_id: str) -> None:
        """Delete a trial's entry, so that only its markers tell how it stands."""
        for path in self._storage.list_files(layout.index_folder(trial_id), recursive=False):
            self._storage.delete(path)

    def _paths_of_few(self, trial_ids: Iterable[str]) -> list[str]:
        """What lies under `index/` of these trials, without that of trials which are gone."""
        paths: list[str] = []
        for trial_id in trial_ids:
            own = self._storage.list_files(layout.index_folder(trial_id), recursive=False)
            if own and self._storage.list_folders(layout.trial(trial_id)):
                paths.extend(own)
        return paths


def markers_in(content: Mapping[str, Any], entry: IndexEntry) -> dict[int, Done]:
    """The markers that an entry of this content holds, by seed. Raises DamagedError where it holds others."""
    copies, found = content.get("replicates"), {}
    for seed, state in entry.states.items():
        copy = copies.get(str(seed)) if isinstance(copies, dict) else None
        found[seed] = done_of(entry.trial_id, seed, state, copy)
    return found


def entry_name(states: Mapping[int, str]) -> str | None:
    """The name that tells these states by seed, or None when there are none or it would be too long.

    >>> entry_name({1: "completed", 2: "completed", 3: "pruned", 5: "completed"})
    'c1-2_5.p3'
    """
    parts = []
    for state, letter in _LETTERS.items():
        seeds = sorted(seed for seed, ended in states.items() if ended == state)
        if seeds:
            parts.append(letter + "_".join(_ranges(seeds)))
    name = ".".join(parts)
    return name if 0 < len(name) <= LONGEST_NAME else None


def states_in(name: str) -> dict[int, str] | None:
    """The states by seed that a name tells, or None when it is no entry's name.

    >>> states_in("c1-2_5.p3.h0123456789abcdef")
    {1: 'completed', 2: 'completed', 5: 'completed', 3: 'pruned'}
    """
    states: dict[int, str] = {}
    parts = name.split(".")
    if len(parts) > 1 and digest_in(name) is not None:
        parts.pop()
    for part in parts:
        match = _PART.match(part)
        if match is None:
            return None
        for span in match[2].split("_"):
            first, _, last = span.partition("-")
            seeds = range(int(first), int(last or first) + 1)
            states.update(dict.fromkeys(seeds, _STATE_OF_LETTER[match[1]]))
    return states


def digest_of(content: Mapping[str, Any]) -> str:
    """How the hash of an entry's content begins, as its name tells it."""
    return str(content["sha256"])[:16]


def digest_in(name: str) -> str | None:
    """The digest that an entry's name tells, or None where it tells none.

    >>> digest_in("c1-2_5.p3.h0123456789abcdef")
    '0123456789abcdef'
    """
    match = _DIGEST.match(name.rpartition(".")[2])
    return match[1] if match else None


def _ranges(seeds: Iterable[int]) -> list[str]:
    """Sorted seeds as spans: "3" for one alone, "1-8" for those that follow one another."""
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], seed]
        else:
            spans.append([seed])
    return ["-".join(map(str, span)) for span in spans]
