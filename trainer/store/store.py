"""The result store: the files that a sweep leaves behind, and the only truth about what is done.

    <output>/store.json                                  the store's identity, which moves with it
             sweeps/<name>.json                          the trials that a sweep expects
             studies/<name>/<number>.json                what a search suggested (see `sweeps.search.study`)
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
states, so that thousands of trials are known from a short listing (see `indexed_store`).

Manifests, configurations and results name the trial schema that they were made under. All of a store is of
one: `check_trial_schema` is asked before a command reads or adds anything (see `trial_schema`).

The store is reached through `pyarrow.fs`: a local path or a URI such as `s3://bucket/sweeps` (see `storage`).
"""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass

from search_spaces.config import TrialConfig
from search_spaces.errors import InputError, StoreError, TrialSchemaError
from trainer.store import schema as trial_schema
from trainer.store.index import IndexedStore
from trainer.store.markers import STORE_SCHEMA
from trainer.store.notes import TrialNotes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class SweepManifest:
    """What a sweep expects: its name and its trials, each with the replicate seeds that it wants.

    Of a search these are the trials suggested so far, and `samples` is how many are wanted in all.
    """

    name: str
    trials: tuple[TrialConfig, ...]
    samples: int | None = None


class Store(IndexedStore, TrialNotes):
    """A folder of results, local or remote. Safe to use from several threads and processes.

    Every method raises StoreError when the storage fails for longer than the retries last.
    """

    def identity(self) -> str:
        """A random name of 8 hexadecimal digits, which the store gets when it is first asked for it."""
        if self.read_json("store.json") is None:
            self.write_json("store.json", {"schema": STORE_SCHEMA, "id": secrets.token_hex(4)})
        content = self.read_json("store.json") or {}  # of two that wrote it at once the later one counts
        self.check_schema(content, "store.json")
        identity = content.get("id")
        if not isinstance(identity, str) or not re.fullmatch(r"[0-9a-f]{8}", identity):
            raise StoreError(f"{self.where('store.json')}: expected an id, given {identity!r}")
        return identity

    def sweep_names(self) -> list[str]:
        """Names of the sweeps that the store knows, sorted."""
        names = (p.removeprefix("sweeps/") for p in self.list_files("sweeps", recursive=False))
        found = (n.removesuffix(".json") for n in names if n.endswith(".json"))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def write_sweep(self, manifest: SweepManifest) -> None:
        """Write which trials a sweep expects. Raises InputError for a name that is no plain file name."""
        if not _NAME.fullmatch(manifest.name):
            raise InputError(f"sweep name: expected letters, digits, '_', '.', '-', given {manifest.name!r}")
        trials = [c.model_dump(mode="json") for c in manifest.trials]
        content = trial_schema.labelled({"schema": STORE_SCHEMA, "name": manifest.name, "trials": trials})
        if manifest.samples is not None:
            content["samples"] = manifest.samples
        self.write_bytes(f"sweeps/{manifest.name}.json", json.dumps(content).encode())

    def read_sweep(self, name: str) -> SweepManifest:
        """Which trials a sweep expects.

        Raises InputError when the store knows no such sweep, TrialSchemaError when it is of another schema.
        """
        content = self.read_json(f"sweeps/{name}.json") if _NAME.fullmatch(name) else None
        if content is None:
            known = ", ".join(self.sweep_names()) or "none"
            raise InputError(f"{self.uri}: no sweep {name!r} in this store; known: {known}")
        self.check_schema(content, f"sweeps/{name}.json")
        trial_schema.check_trial_schema(content, self.where(f"sweeps/{name}.json"))
        try:
            trials = tuple(TrialConfig.model_validate_json(json.dumps(t)) for t in content["trials"])
        except (ValueError, TypeError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            raise StoreError(
                f"{self.where(f'sweeps/{name}.json')}: not a sweep's trials: {reason}"
            ) from error
        return SweepManifest(name=name, trials=trials, samples=content.get("samples"))

    def read_sweeps(self) -> dict[str, SweepManifest]:
        """Every sweep by name, without those of another trial schema: no trial of theirs is of this one."""
        found = {}
        for name in self.sweep_names():
            with suppress(TrialSchemaError):
                found[name] = self.read_sweep(name)
        return found

    def check_trial_schema(self, sweep: str | None = None) -> None:
        """Raise TrialSchemaError where the store cannot take this sweep, or else one more trial.

        A sweep that the store knows must be of this program's trial schema. A new sweep, or a trial without
        one, needs a store of which nothing is of another.
        """
        names = self.sweep_names()
        for name in [sweep] if sweep in names else names:
            content = self.read_json(f"sweeps/{name}.json") or {}
            trial_schema.check_trial_schema(content, self.where(f"sweeps/{name}.json"))
        if sweep not in names:
            self._check_a_config()

    def _check_a_config(self) -> None:
        """Check one trial, for those that were trained without a sweep; all others are like it."""
        for trial_id in self.trial_ids():
            content = self.read_json(f"trials/{trial_id}/config.json")
            if content is not None:
                trial_schema.check_trial_schema(content, self.where(f"trials/{trial_id}/config.json"))
                return

    def read_config(self, trial_id: str) -> TrialConfig | None:
        """A trial's configuration with default seeds, None where there is none.

        Raises StoreError for a file that is no configuration, or another trial's, and TrialSchemaError for
        one of another schema.
        """
        relative = f"trials/{trial_id}/config.json"
        content = self.read_json(relative)
        if content is None:
            return None
        trial_schema.check_trial_schema(content, self.where(relative))
        content.pop(trial_schema.KEY, None)
        try:
            config = TrialConfig.model_validate_json(json.dumps(content))
        except ValueError as error:
            reason = " ".join(str(error).split())[:300]
            raise StoreError(f"{self.where(relative)}: not a trial's configuration: {reason}") from error
        if config.trial_id != trial_id:
            raise StoreError(f"{self.where(relative)}: it is that of trial {config.trial_id}")
        return config

    def write_config(self, config: TrialConfig) -> None:
        """Write a trial's readable configuration; the seeds are the sweep's affair and stand there."""
        fields = config.model_dump(mode="json", exclude={"seeds"})
        self.write_json(f"trials/{config.trial_id}/config.json", trial_schema.labelled(fields))
