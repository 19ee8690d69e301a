"""How a trial came out, read from the result store: what a search learns from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.curves import curves
from analysis.load import load_trial
from search_spaces.config import TrialConfig
from search_spaces.search import Search
from trainer.store import Done, Store, standing, states_of

RUNNING = "running"


@dataclass(frozen=True)
class Outcome:
    """A trial's state and, where it has them, its values.

    state    "running" (replicates are missing), "completed", "pruned", or "failed" (a replicate diverged, or
             an objective is undefined)
    values   of the objectives: of the ensemble's chosen checkpoints when completed, else of the last epoch
    curve    the first objective by epoch (from 0), of the ensemble
    lacks    whether it was pruned without a curve of all objectives: trained at other rates than the search's
    """

    state: str
    values: tuple[float, ...] = ()
    curve: Mapping[int, float] = field(default_factory=dict)
    lacks: bool = False


def read_outcome(store: Store, config: TrialConfig, done: Mapping[int, Done], search: Search) -> Outcome:
    """The outcome of a trial, given its DONE markers by seed. Raises StoreError for damaged results.

    A pruned trial is one with a pruned replicate, whatever the others did: it was stopped as a whole.
    """
    objectives = search.objectives
    ended = {seed: done[seed] for seed in config.seeds if seed in done}
    found = standing(config.seeds, states_of(ended))
    if found.status == "pruned":
        return _pruned(store, ended, objectives)
    if found.missing:
        return Outcome(RUNNING)
    if found.status != "done":
        return Outcome("failed")
    record = load_trial(store, config, search.reading.targets, done)
    if record.validation is None:
        return Outcome("failed")
    values = tuple(record.validation.metrics[goal.name] for goal in search.goals)
    if not all(map(math.isfinite, values)):
        return Outcome("failed", values)
    return Outcome("completed", values)


def ensemble_curves(store: Store, done: Mapping[int, Done]) -> dict[int, dict[str, float]]:
    """The ensemble's validation metrics by epoch (from 0), from the curves of ended replicates."""
    records: list[dict[str, Any]] = []
    for marker in done.values():
        records += store.replicates.read_epochs(marker).to_pylist()
    return curves(records, constrained=False)


def _pruned(store: Store, ended: Mapping[int, Done], objectives: Sequence[str]) -> Outcome:
    """A pruned trial, with its values after the last epoch in which all objectives are defined."""
    curve: dict[int, float] = {}
    values: tuple[float, ...] = ()
    for epoch, point in sorted(ensemble_curves(store, ended).items()):
        if all(name in point for name in objectives):
            values = tuple(point[name] for name in objectives)
            curve[epoch] = values[0]
    if not curve:
        return Outcome("failed", lacks=True)
    return Outcome("pruned", values, curve)
