"""A sweep's manifest: which trials it expects, and how that is written down.

schema         of the store's files
trial_schema   what a configuration means
name           the sweep's
trials         configurations, each with the seeds that are wanted
samples        of a search: how many trials in all
space          fingerprint of the space that it was last run with
tpr_targets    how its results are read, where that is not the default; likewise the next two
fpr_targets    false positive rates
rows           what makes a row of the table
sha256         of the rest
confirms       of a sweep that confirms another's choices: its name, the rule that chose, and of each cell the
               ids of the trial that was chosen and of the runner-up
labels         what a person calls the data of a block, where that was said: `label`, `data`
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pydantic import BaseModel

import trainer.store.layout as layout
import trainer.store.schema as schema
from search_spaces.config import DataConfig, Frozen, TrialConfig
from search_spaces.errors import DamagedError
from search_spaces.labels import relabelled
from search_spaces.problem import Problem
from search_spaces.reading import DEFAULT_READING, Reading, parse_reading
from trainer.store.seal import check_seal, sealed
from trainer.store.storage import Storage, json_object

_REASON_LENGTH = 300


class ConfirmedChoice(Frozen):
    """The trial that a cell chose, and the one that came second; None where there was no second.

    raced_after   after how many replicates a race left the second behind; None where none did
    """

    winner: str
    runner_up: str | None = None
    raced_after: int | None = None


class Confirms(Frozen):
    """Whose choices a sweep trains again on fresh seeds: the sweep's name, the rule given, its choices."""

    sweep: str
    rule: str | None = None
    cells: tuple[ConfirmedChoice, ...]


@dataclass(frozen=True)
class SweepManifest:
    """What a sweep expects: its name and its trials, each with the replicate seeds that it wants.

    Of a search these are the trials suggested so far, and `samples` is how many are wanted in all. `reading`
    says how its results are read. `space` is the fingerprint of the space that it was run with; None where
    that is not known, as of sweeps that were stored before there were any. `confirms` says whose choices it
    trains again; None of every other sweep.
    """

    name: str
    trials: tuple[TrialConfig, ...]
    samples: int | None = None
    reading: Reading = DEFAULT_READING
    space: str | None = None
    confirms: Confirms | None = None

    @property
    def unchosen(self) -> int:
        """How many trials a search has still to choose; 0 for a grid."""
        return max((self.samples or 0) - len(self.trials), 0)


class _Labelled(BaseModel):
    """What a person calls the data of a block, and allows, of which trials' configurations hold nothing."""

    label: str | None = None
    replace_splits: bool = False
    data: DataConfig


class _Content(BaseModel):
    """What counts of a manifest's file, once its schemas are known."""

    trials: tuple[TrialConfig, ...]
    samples: int | None = None
    space: str | None = None
    confirms: Confirms | None = None
    labels: tuple[_Labelled, ...] = ()


def dump_manifest(manifest: SweepManifest) -> bytes:
    """The content of a manifest's file."""
    trials = [config.model_dump(mode="json") for config in manifest.trials]
    content = {"schema": schema.STORE_SCHEMA, "name": manifest.name, "trials": trials}
    if manifest.samples is not None:
        content["samples"] = manifest.samples
    if manifest.space is not None:
        content["space"] = manifest.space
    if manifest.confirms is not None:
        content["confirms"] = manifest.confirms.model_dump(mode="json")
    content |= manifest.reading.as_keys()
    labels = []
    for data in dict.fromkeys(config.data for config in manifest.trials):
        said: dict[str, object] = {}
        if data.label is not None:
            said["label"] = data.label
        if data.replace_splits:
            said["replace_splits"] = True
        if said:
            labels.append({**said, "data": data.model_dump(mode="json")})
    if labels:
        content["labels"] = labels
    return json.dumps(sealed(schema.labelled(content))).encode()


def load_manifest(data: bytes, name: str, where: str) -> SweepManifest:
    """The manifest of a sweep from its file's content; `where` names the file.

    Raises TrialSchemaError when it is of another trial schema, DamagedError when it is no manifest.
    """
    content = json_object(data, where)
    check_seal(content, where)
    schema.check_store_schema(content, where)
    schema.check_trial_schema(content, where)
    try:
        found = _Content.model_validate_json(data)
        reading = parse_reading(content)
    except (ValueError, Problem) as error:
        raise DamagedError(f"{where}: not a sweep's trials: {short_reason(error)}") from error
    tasks = []
    for one in found.labels:
        tasks.append(one.data.model_copy(update={"label": one.label, "replace_splits": one.replace_splits}))
    trials = relabelled(found.trials, tasks)
    return SweepManifest(name, trials, found.samples, reading, found.space, found.confirms)


def stored_space(storage: Storage, name: str) -> str | None:
    """The fingerprint of the space that a stored sweep was run with, without reading its trials.

    None where the sweep does not say it, or is not stored. Raises DamagedError for a file that is no
    manifest.
    """
    content = storage.read_json(layout.sweep(name)) or {}
    check_seal(content, storage.where(layout.sweep(name)))
    space = content.get("space")
    return space if isinstance(space, str) else None


def short_reason(error: Exception) -> str:
    """The front of what is wrong with a configuration, on one line."""
    return " ".join(str(error).split())[:_REASON_LENGTH]
