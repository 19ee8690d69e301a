"""The index of the store: thousands of trials known from a short listing.

An entry under `index/` repeats a trial's DONE markers and results in one object, whose name tells the
states (see `trial_index`). Entries are written when a trial ends and may be missing; `scan()` without
argument, and all that is asked about one trial, look at the markers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from search_spaces.errors import StoreError
from trainer.store.markers import (
    STATES,
    STORE_SCHEMA,
    Done,
    TrialFiles,
    done_of,
    marker,
    marker_content,
    trial_files,
)
from trainer.store.replicates import ReplicateStore
from trainer.store.trial_index import entry_name, states_of

_READERS = 16
# From this many trials without an index entry on, one listing of everything costs less than one of each.
_MANY_FOLDERS = 64
# Up to so many trials are looked up one by one, however many the store holds.
_FEW_TRIALS = 8


@dataclass(frozen=True)
class _IndexEntry:
    path: str
    states: dict[int, str]


class IndexedStore(ReplicateStore):
    """Ended replicates of many trials, through the index where it tells, else from their markers."""

    def scan(self, wanted: Mapping[str, Collection[int]] | None = None) -> dict[str, TrialFiles]:
        """State of the trials in the store, by id.

        Without argument, of all trials, from one listing of every file. With the `wanted` seeds by trial id,
        of these trials only: those whose wanted replicates have all ended are known from the index, and only
        the others are looked at.
        """
        if wanted is None:
            return trial_files(self.list_files("trials", recursive=True))
        entries = self._entries(wanted)
        scanned = {trial_id: TrialFiles(dict(entry.states)) for trial_id, entry in entries.items() if entry}
        standing = [trial_id for trial_id, entry in entries.items() if entry is None]
        if len(standing) > _MANY_FOLDERS:
            everything = self.scan()
            return {**scanned, **{i: everything[i] for i in standing if i in everything}}
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            listings = pool.map(lambda i: self.list_files(f"trials/{i}", recursive=True), standing)
            for paths in listings:
                scanned.update(trial_files(paths))
        return scanned

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
                (trial_id, seed, state)
                for trial_id, files in scanned.items()
                if wanted is None or trial_id in wanted
                for seed, state in files.replicates.items()
            ]
            for done in pool.map(lambda job: self.read_done(*job), jobs):
                if done is not None:
                    found.setdefault(done.trial_id, {})[done.seed] = done
        return found

    def write_index(self, trial_id: str) -> None:
        """Copy the DONE markers and results of a trial into its index entry, replacing an earlier one."""
        ended = self.replicates(trial_id)
        name = entry_name({seed: done.state for seed, done in ended.items()})
        old = self.list_files(f"index/{trial_id}", recursive=False)
        if name is not None:
            copies = {
                str(seed): {**marker_content(done), "result": self.read_file(done, "result").decode()}
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
        """For each wanted trial that may be there: the index entry that tells of all its wanted seeds."""
        entries: dict[str, _IndexEntry | None]
        if len(wanted) <= _FEW_TRIALS:
            entries = dict.fromkeys(wanted)
            found = {i: self.list_files(f"index/{i}", recursive=False) for i in wanted}
            paths = [
                path for i, own in found.items() if own and self.list_folders(f"trials/{i}") for path in own
            ]
        else:
            entries = dict.fromkeys(i for i in self.trial_ids() if i in wanted)
            paths = self.list_files("index", recursive=True)
        for path in paths:
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
        self.check_schema(content, path)
        copies = content.get("replicates")
        if not isinstance(copies, dict) or not all(seed.isdecimal() for seed in copies):
            raise StoreError(f"{self.where(path)}: expected an index entry with markers by seed")
        return [done_of(trial_id, int(seed), entry) for seed, entry in copies.items()]

    def reopen(self, trial_id: str, seed: int) -> None:
        """Forget that a replicate ended, so that it is trained again. Its files stay until overwritten."""
        self.drop_index(trial_id)
        for state in STATES:
            self.delete(f"trials/{trial_id}/replicates/{seed}/{marker(state)}")


def _seeds(wanted: Iterable[str] | Mapping[str, Collection[int]], trial_id: str) -> Collection[int]:
    return wanted[trial_id] if isinstance(wanted, Mapping) else ()
