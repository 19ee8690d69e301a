"""The result store: the files that a sweep leaves behind, and the only truth about what is done.

Every attempt writes under its own name and DONE names the files that count, so two attempts at the same
replicate never mix, on a local disk or on object storage without rename. Readers trust only what DONE lists
and check its hashes.

Manifests, configurations and results name the trial schema that they were made under. All of a store is of
one: `check_trial_schema` is asked before a command reads or adds anything (see `trainer.store.schema`).
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import trainer.store.layout as layout
import trainer.store.schema as schema
from search_spaces.config import TrialConfig
from search_spaces.errors import DamagedError, InputError, TrialSchemaError
from search_spaces.names import is_plain_name
from trainer.store.damage import Damage
from trainer.store.index import Index, IndexEntry
from trainer.store.joined import Joined
from trainer.store.manifest import SweepManifest, dump_manifest, load_manifest, short_reason
from trainer.store.markers import Done
from trainer.store.notes import Notes
from trainer.store.replicates import Replicates
from trainer.store.retry import Retry
from trainer.store.seal import check_seal, sealed
from trainer.store.state import TrialFiles
from trainer.store.storage import MOST_JSON, Storage

log = logging.getLogger(__name__)

_READERS = 16
# From this many trials without an index entry on, one listing of everything costs less than one of each.
_MANY_FOLDERS = 64

Wanted = Mapping[str, Collection[int]]


def wanted_seeds(configs: Iterable[TrialConfig]) -> dict[str, tuple[int, ...]]:
    """The seeds that are wanted of trials, by trial id."""
    return {config.trial_id: config.seeds for config in configs}


class Store:
    """A folder of results, local or remote. Safe to use from several threads and processes.

    storage      the objects in the folder, as bytes and JSON
    replicates   ended replicates: DONE markers, and the files that they list
    index        copies of the markers, by which many trials are known quickly
    joined       copies of the replicates' outputs, by which a trial is read at once
    notes        checkpoints, failures and requests to stop, of trials that are not done

    The store itself knows sweeps, configurations, and how many trials stand. Every method, of its parts too,
    raises StoreError when the storage fails for longer than the retries last.
    """

    def __init__(self, uri: str | Path, *, retry: Retry | None = None) -> None:
        """Open the store at `uri`; what it may be, and what is raised, says `Storage`."""
        self.storage = Storage(uri, retry=retry)
        self.replicates = Replicates(self.storage)
        self.index = Index(self.storage, self.replicates)
        self.joined = Joined(self.storage, self.replicates, self.index)
        self.notes = Notes(self.storage)

    @property
    def uri(self) -> str:
        """Where the store is, as it was given."""
        return self.storage.uri

    def identity(self) -> str:
        """A random name of 8 hexadecimal digits, which the store gets when it is first asked for it.

        Raises DamagedError where the file that holds it is none.
        """
        where = self.storage.where(layout.IDENTITY)
        try:
            if self.storage.read_json(layout.IDENTITY) is None:
                content = sealed({"schema": schema.STORE_SCHEMA, "id": secrets.token_hex(4)})
                self.storage.write_json(layout.IDENTITY, content)
            # Of two that wrote it at once the later one counts.
            content = self.storage.read_json(layout.IDENTITY) or {}
            check_seal(content, where)
            identity = content.get("id")
            if not isinstance(identity, str) or not re.fullmatch(r"[0-9a-f]{8}", identity):
                raise DamagedError(f"{where}: expected an id, given {identity!r}")
        except DamagedError as error:
            raise DamagedError(
                f"{error}; delete {where} and another is made: MLflow then keeps the sweeps of this output "
                "in experiments of other names"
            ) from error
        schema.check_store_schema(content, where)
        return identity

    # Sweeps

    def sweep_names(self) -> list[str]:
        """Names of the sweeps that the store knows, sorted."""
        found = []
        for path in self.storage.list_files(layout.SWEEPS, recursive=False):
            name = layout.name_of(path)
            if is_plain_name(name):
                found.append(name)
        return sorted(found)

    def write_sweep(self, manifest: SweepManifest) -> None:
        """Write which trials a sweep expects. Raises InputError for a name that is no plain file name."""
        if not is_plain_name(manifest.name):
            raise InputError(f"sweep name: expected letters, digits, '_', '.', '-', given {manifest.name!r}")
        self.storage.write_bytes(layout.sweep(manifest.name), dump_manifest(manifest))

    def read_sweep(self, name: str) -> SweepManifest:
        """Which trials a sweep expects.

        Raises InputError when the store knows no such sweep, TrialSchemaError when it is of another schema,
        and DamagedError for a file that is none.
        """
        data = None
        if is_plain_name(name):
            data = self.storage.read_bytes(layout.sweep(name), most=MOST_JSON)
        if data is None:
            known = ", ".join(self.sweep_names()) or "none"
            raise InputError(f"{self.uri}: no sweep {name!r} in this store; known: {known}")
        return load_manifest(data, name, self.storage.where(layout.sweep(name)))

    def read_sweeps(self) -> dict[str, SweepManifest]:
        """Every sweep by name, without those of another trial schema: no trial of theirs is of this one.

        Those that are damaged are left out, too, and told of.
        """
        found = {}
        for name in self.sweep_names():
            try:
                with suppress(TrialSchemaError):
                    found[name] = self.read_sweep(name)
            except DamagedError as error:
                log.warning("%s", error)
        return found

    def check_trial_schema(self, sweep: str | None = None) -> None:
        """Raise TrialSchemaError where the store cannot take this sweep, or else one more trial.

        A sweep that the store knows must be of this program's trial schema. A new sweep, or a trial without
        one, needs a store of which nothing is of another. Damaged files tell nothing.
        """
        names = self.sweep_names()
        if sweep in names and self._check_schema_of(layout.sweep(sweep)):
            return
        for name in names:
            self._check_schema_of(layout.sweep(name))
        # One trial, for those that were trained without a sweep; all others are like it.
        for trial_id in self.trial_ids():
            if self._check_schema_of(layout.config(trial_id)):
                break

    def _check_schema_of(self, relative: str) -> bool:
        """Check a file's trial schema; returns whether there is such a file, and it tells it."""
        where = self.storage.where(relative)
        try:
            content = self.storage.read_json(relative)
            if content is None:
                return False
            check_seal(content, where)
        except DamagedError:
            return False
        schema.check_trial_schema(content, where)
        return True

    # Trials

    def trial_ids(self) -> list[str]:
        """Ids of the trials of which the store holds anything, sorted."""
        return sorted(layout.trial_of(path) for path in self.storage.list_folders(layout.TRIALS))

    def read_config(self, trial_id: str) -> TrialConfig | None:
        """A trial's configuration with default seeds, None where there is none.

        Raises DamagedError for a file that is no configuration, or another trial's, and TrialSchemaError for
        one of another schema.
        """
        content = self.storage.read_json(layout.config(trial_id))
        if content is None:
            return None
        where = self.storage.where(layout.config(trial_id))
        schema.check_trial_schema(content, where)
        content.pop(schema.KEY, None)
        try:
            config = TrialConfig.model_validate_json(json.dumps(content))
        except ValueError as error:
            raise DamagedError(f"{where}: not a trial's configuration: {short_reason(error)}") from error
        if config.trial_id != trial_id:
            raise DamagedError(f"{where}: it is that of trial {config.trial_id}")
        return config

    def write_config(self, config: TrialConfig) -> None:
        """Write a trial's readable configuration; the seeds are the sweep's affair and stand there."""
        fields = config.model_dump(mode="json", exclude={"seeds"})
        self.storage.write_json(layout.config(config.trial_id), schema.labelled(fields))

    def reopen(self, trial_id: str, seed: int) -> None:
        """Forget that a replicate ended, so that it is trained again. Its files stay until overwritten."""
        self.index.drop(trial_id)
        self.replicates.forget(trial_id, seed)

    def write_copies(self, trial_id: str) -> None:
        """Copy what a trial left into its index entry and its joined object. Raises what these raise."""
        self.joined.write(trial_id, self.index.write(trial_id))

    # Many trials at once: through the index where it tells, else from their markers

    def scan(self, wanted: Wanted | None = None) -> dict[str, TrialFiles]:
        """State of the trials in the store, by id.

        Without argument, of all trials, from one listing of every file. With the `wanted` seeds by trial id,
        of these trials only: those whose wanted replicates have all ended are known from the index, and only
        the others are looked at.
        """
        if wanted is None:
            return layout.trial_files(self.storage.list_files(layout.TRIALS, recursive=True))
        scanned: dict[str, TrialFiles] = {}
        unknown = []
        for trial_id, entry in self.index.entries(wanted).items():
            if entry is None:
                unknown.append(trial_id)
            else:
                scanned[trial_id] = TrialFiles(dict(entry.states))
        return {**scanned, **self._listed(unknown)}

    def all_replicates(
        self, wanted: Wanted | None = None, damage: Damage | None = None
    ) -> dict[str, dict[int, Done]]:
        """DONE markers of many trials, by trial id and seed, read concurrently.

        Without argument of all trials. Given the `wanted` seeds by trial id, the index answers for trials
        whose wanted replicates have ended. Damaged markers are left out, and told in `damage`.
        """
        found: dict[str, dict[int, Done]] = {}
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            if wanted is None:
                listed = self.scan()
            else:
                entries = self.index.entries(wanted)
                told = [entry for entry in entries.values() if entry is not None]
                found.update(self._copies(pool, told))
                listed = self._listed([trial_id for trial_id in entries if trial_id not in found])
            markers = []
            for trial_id, files in listed.items():
                markers += [(trial_id, seed, state) for seed, state in files.replicates.items()]
            for marker, done in zip(markers, pool.map(self._marker, markers), strict=True):
                trial_id, seed, _ = marker
                if isinstance(done, Done):
                    found.setdefault(trial_id, {})[seed] = done
                elif done is not None and damage is not None:
                    damage.setdefault(trial_id, {})[seed] = str(done)
        return found

    def _marker(self, place: tuple[str, int, str]) -> Done | DamagedError | None:
        """The marker of a trial's seed in a state, or what is wrong with it; None where it is gone."""
        try:
            return self.replicates.read_done(*place)
        except DamagedError as error:
            return error

    def _copies(self, pool: ThreadPoolExecutor, entries: Sequence[IndexEntry]) -> dict[str, dict[int, Done]]:
        """The markers in index entries by trial id and seed, without entries that are gone."""
        found: dict[str, dict[int, Done]] = {}
        for entry, copies in zip(entries, pool.map(self.index.read, entries), strict=True):
            if copies:
                found[layout.trial_of(entry.path)] = copies
        return found

    def _listed(self, trial_ids: Collection[str]) -> dict[str, TrialFiles]:
        """State of those of these trials of which the store holds files, from their markers."""
        if len(trial_ids) > _MANY_FOLDERS:
            everything = self.scan()
            return {trial_id: everything[trial_id] for trial_id in trial_ids if trial_id in everything}
        found: dict[str, TrialFiles] = {}
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            for paths in pool.map(self._files_of, trial_ids):
                found.update(layout.trial_files(paths))
        return found

    def _files_of(self, trial_id: str) -> list[str]:
        return self.storage.list_files(layout.trial(trial_id), recursive=True)
