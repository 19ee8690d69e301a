"""What there is of a trial before its scores are read: sound replicates, damaged ones, and their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.records import ReplicateSource
from analysis.replicates import replicate_source, told_damage
from search_spaces.config import TrialConfig
from search_spaces.errors import DamagedError
from search_spaces.labels import trial_label
from trainer.store import Damage, Done, Store
from trainer.tasks.base import task_arrays


@dataclass(frozen=True)
class Called:
    """What errors call a trial, or a replicate of it, as text that is made where it is asked for."""

    config: TrialConfig
    seed: int | None = None

    def replicate(self, done: Done) -> Called:
        """What they call this replicate of the trial."""
        return Called(self.config, done.seed)

    def __str__(self) -> str:
        name = f"{self.config.trial_id} ({trial_label(self.config)})"
        return name if self.seed is None else f"trial {name} seed {self.seed}"


@dataclass(frozen=True)
class Found:
    """What there is of a trial before its scores are read.

    name      what errors call it
    done      the markers of its wanted replicates that are sound, by seed
    sources   what each of those that completed was trained on, and by what, by ascending seed
    damage    why its other wanted replicates that ended are not, by seed
    """

    config: TrialConfig
    trial_id: str
    name: Called
    done: dict[int, Done]
    sources: dict[int, ReplicateSource]
    damage: dict[int, str]

    def leave_out(self, store: Store, seed: int, error: DamagedError) -> None:
        """A replicate is damaged: it is missing from now on."""
        self.damage[seed] = told_damage(store, error)
        self.done.pop(seed)
        self.sources.pop(seed, None)


def find_results(
    store: Store, config: TrialConfig, done: Mapping[int, Done], damage: Mapping[int, str]
) -> Found:
    """What the store holds of a trial's wanted replicates, given their DONE markers by seed.

    `damage` tells of markers that are damaged. Raises StoreError for a result that does not tell its data.
    """
    wanted = {seed: done[seed] for seed in sorted(config.seeds) if seed in done}
    lost = {seed: reason for seed, reason in damage.items() if seed in config.seeds}
    found = Found(config, config.trial_id, Called(config), wanted, {}, lost)
    arrays = task_arrays(config.data)
    for seed, replicate in list(wanted.items()):
        try:
            if replicate.state == "completed":
                origin = found.name.replicate(replicate)
                found.sources[seed] = replicate_source(store, config, replicate, origin, arrays)
            else:
                store.replicates.read_result(replicate)
        except DamagedError as error:
            found.leave_out(store, seed, error)
    return found


def told_markers(store: Store, damage: Damage, config: TrialConfig) -> dict[int, str]:
    """Why markers of a trial are damaged, by seed, as tables tell it."""
    found = damage.get(config.trial_id, {})
    return {seed: told_damage(store, DamagedError(reason)) for seed, reason in found.items()}
