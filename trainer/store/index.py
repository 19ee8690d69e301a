"""The index of the store: thousands of trials known from a short listing.

An entry under `index/` repeats a trial's DONE markers and results in one object, whose name tells the
states: `c1-8_10.d9` says that seeds 1 to 8 and 10 completed and seed 9 diverged. Entries are written when a
trial ends and may be missing or damaged; the markers are the truth.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class IndexEntry:
    """An index entry that was listed: its path, and the states by seed that its name tells."""

    path: str
    states: Mapping[int, str]


class Index:
    """The part of the store that holds the index. Every method raises StoreError as the store's do."""

    def __init__(self, storage: Storage, replicates: Replicates) -> None:
        self._storage = storage
        self._replicates = replicates

    def entries(self, wanted: Mapping[str, Collection[int]]) -> dict[str, IndexEntry | None]:
        """The entry of each trial that may be in the store, or None where it has none that is wide enough.

        `wanted` are seeds by trial id; an entry must tell of all of them.
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
        for path in paths:
            states = states_in(layout.name_of(path) or "")
            trial_id = layout.trial_of(path)
            if states is not None and trial_id in found and states.keys() >= set(wanted[trial_id]):
                found[trial_id] = IndexEntry(path, states)
        return found

    def read(self, entry: IndexEntry) -> dict[int, Done]:
        """The markers in an entry, by seed; none when it was deleted in the meantime, or is damaged."""
        try:
            content = self._storage.read_json(entry.path)
            if content is None:
                return {}
            check_seal(content, self._storage.where(entry.path))
            copies = content.get("replicates")
            trial_id, found = layout.trial_of(entry.path), {}
            for seed, state in entry.states.items():
                copy = copies.get(str(seed)) if isinstance(copies, dict) else None
                found[seed] = done_of(trial_id, seed, state, copy)
        except DamagedError as error:
            log.info("%s; the markers tell", error)
            return {}
        return found

    def write(self, trial_id: str) -> None:
        """Copy the DONE markers and results of a trial into its entry, replacing an earlier one.

        schema       of the store's files
        trial_id     the trial
        replicates   by seed: its DONE marker, and its `result` as text
        sha256       of the rest
        """
        ended = self._replicates.ended(trial_id)
        old = self._storage.list_files(layout.index_folder(trial_id), recursive=False)
        name = entry_name(states_of(ended))
        path = None
        if name is not None:
            path = layout.index_entry(trial_id, name)
            copies = {}
            for seed, done in ended.items():
                result = self._replicates.read_file(done, "result").decode()
                copies[str(seed)] = {**marker_content(done), "result": result}
            content = {"schema": STORE_SCHEMA, "trial_id": trial_id, "replicates": copies}
            # A copy of what lasts.
            self._storage.write_bytes(path, json.dumps(sealed(content)).encode(), lasting=False)
        for other in old:
            if other != path:
                self._storage.delete(other)

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

    >>> states_in("c1-2_5.p3")
    {1: 'completed', 2: 'completed', 5: 'completed', 3: 'pruned'}
    """
    states: dict[int, str] = {}
    for part in name.split("."):
        match = _PART.match(part)
        if match is None:
            return None
        for span in match[2].split("_"):
            first, _, last = span.partition("-")
            seeds = range(int(first), int(last or first) + 1)
            states.update(dict.fromkeys(seeds, _STATE_OF_LETTER[match[1]]))
    return states


def _ranges(seeds: Iterable[int]) -> list[str]:
    """Sorted seeds as spans: "3" for one alone, "1-8" for those that follow one another."""
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], seed]
        else:
            spans.append([seed])
    return ["-".join(map(str, span)) for span in spans]
