"""A trial that was trained a second time beside its results: whether it agrees with them, and why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.mixture import TRAITS
from analysis.records import ReplicateSource
from analysis.replicates import replicate_source
from search_spaces.config import TrialConfig
from trainer.store import Done, Store
from trainer.store.outputs import outputs_of

SAME_SOURCE = "their results name the same machine, versions and data"


@dataclass(frozen=True)
class TrainedAgain:
    """A trial in the sweep's store and in the one beside it, of which `config.seeds` are compared."""

    config: TrialConfig
    store: Store
    beside: Store
    before: dict[int, Done]
    again: dict[int, Done]

    @classmethod
    def of(cls, config: TrialConfig, store: Store, beside: Store) -> TrainedAgain:
        """Read the markers of both."""
        trial_id = config.trial_id
        return cls(config, store, beside, store.replicates.ended(trial_id), beside.replicates.ended(trial_id))

    @property
    def has_ended(self) -> bool:
        """Whether every seed was trained to its end a second time."""
        return set(self.config.seeds) <= set(self.again)

    def difference(self) -> str | None:
        """How the new scores differ from the stored ones, and from what cause; None where no bit does."""
        largest = 0.0
        for seed in self.config.seeds:
            state = self.again[seed].state
            if state != "completed":
                return f"seed {seed} {state} this time; {self._causes()}"
            apart = self._largest_difference(seed)
            if apart is None:
                return f"other examples were scored; {self._causes()}"
            largest = max(largest, apart)
        if largest == 0:
            return None
        return f"scores differ by up to {largest:.1g}; {self._causes()}"

    def take_over_weights(self) -> None:
        """Add the new weights to the stored replicates.

        Neither index nor joined object tells of the trial until all of its markers list them.
        """
        self.store.index.drop(self.config.trial_id)
        for seed in self.config.seeds:
            weights = self.beside.replicates.read_file(self.again[seed], "weights")
            self.store.replicates.add_weights(self.before[seed], weights, self.again[seed].attempt)
        self.store.write_copies(self.config.trial_id)

    def _largest_difference(self, seed: int) -> float | None:
        """The largest difference of a replicate's scores, 0 where all bits agree; None of other examples."""
        stored = self.store.replicates.read_scores(self.before[seed])
        new = self.beside.replicates.read_scores(self.again[seed])
        largest = 0.0
        for split in ("val", "test"):
            then, now = outputs_of(stored, split), outputs_of(new, split)
            if then.outputs.shape != now.outputs.shape or not np.array_equal(then.ids, now.ids):
                return None
            if then.outputs.tobytes() == now.outputs.tobytes():
                continue
            apart = np.abs(then.outputs.astype(np.float64) - now.outputs)
            # An undefined score, or a zero of the other sign, differs too.
            least = float(np.finfo(np.float32).tiny)
            largest = max(largest, least, float(np.nan_to_num(apart, nan=np.inf).max()))
        return largest

    def _causes(self) -> str:
        """What the two trainings' results say of machine, versions and data, where that differs."""
        origin = f"trial {self.config.trial_id}"
        causes: dict[str, None] = {}
        for seed in self.config.seeds:
            if self.again[seed].state == "completed":
                then = replicate_source(self.store, self.config, self.before[seed], origin)
                now = replicate_source(self.beside, self.config, self.again[seed], origin)
                causes.update(dict.fromkeys(_told_apart(then, now)))
        return "; ".join(causes) or SAME_SOURCE


def _told_apart(then: ReplicateSource, now: ReplicateSource) -> list[str]:
    """What two results say differently, a text each: "CPU threads: 4, now 1"."""
    values: dict[str, tuple[str | None, str | None]] = {}
    for trait in TRAITS:
        values[trait.name] = (trait.value(then), trait.value(now))
    for library in sorted({*then.versions, *now.versions}):
        values[library] = (then.versions.get(library), now.versions.get(library))
    values["data"] = (then.data_sha256[:12], now.data_sha256[:12])
    found = []
    for name, (before, after) in values.items():
        if before is not None and after is not None and before != after:
            found.append(f"{name}: {before}, now {after}")
    return found
