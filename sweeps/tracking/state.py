"""How a trial stands, in MLflow's words, and by what it is known that a run is level with the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.config import TrialConfig
from search_spaces.reading import DEFAULT_READING, Reading
from trainer.store import Done, Store, standing, states_of

# Raise it when this file or the ROC picture changes what is shown: finished runs are then brought up to date.
VIEW_VERSION = 6

STATUS = {
    "running": "RUNNING",
    "completed": "FINISHED",
    "pruned": "FINISHED",
    "diverged": "FAILED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
# A trial's state in MLflow's words, where they are others than those of `trainer.store.Standing`.
_WORDS = {"done": "completed", "partial": "interrupted", "pending": "interrupted"}


@dataclass(frozen=True)
class TrialState:
    """How a trial stands in the store, from markers alone.

    reading       how the sweep says that its results are read
    state         a key of STATUS
    is_complete   whether a relaunch would train nothing
    fingerprint   changes whenever something that MLflow shows may have changed
    """

    config: TrialConfig
    reading: Reading
    replicates: Mapping[int, Done]
    failure: Mapping[str, Any] | None
    state: str
    is_complete: bool
    fingerprint: str


def trial_state(
    config: TrialConfig,
    replicates: Mapping[int, Done],
    failure: Mapping[str, Any] | None,
    reading: Reading = DEFAULT_READING,
) -> TrialState:
    """How a trial stands, given its DONE markers by seed and its `failure.json`."""
    wanted = {seed: replicates[seed] for seed in config.seeds if seed in replicates}
    found = standing(config.seeds, states_of(wanted), failed=failure is not None)
    state = _WORDS.get(found.status, found.status)
    files = []
    for done in wanted.values():
        hashes = sorted(file.sha256 for file in done.files.values())
        files.append([done.seed, done.state, done.attempt, hashes])
    content = {
        "view": VIEW_VERSION,
        "seeds": sorted(config.seeds),
        "state": state,
        "reading": reading.as_keys(),
        "failure": failure if state == "failed" else None,
        "files": files,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return TrialState(config, reading, wanted, failure, state, not found.missing, digest[:16])


def read_trial_state(store: Store, config: TrialConfig, reading: Reading = DEFAULT_READING) -> TrialState:
    """How a trial stands now; a failure is read only where replicates are missing."""
    done = store.replicates.ended(config.trial_id)
    found = standing(config.seeds, states_of(done))
    failure = store.notes.read_failure(config.trial_id) if found.missing else None
    return trial_state(config, done, failure, reading)
