"""The checkpoint of a trial: written while it trains, and gone on from after an interruption."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from search_spaces.errors import CheckpointError, DamagedError, StoreError
from trainer import checkpoint
from trainer.replicate import Replicate
from trainer.results import Attempt
from trainer.store import Done

log = logging.getLogger(__name__)


def drop_other_checkpoint(attempt: Attempt) -> None:
    """Delete a checkpoint of other data, or one that cannot be read."""
    try:
        _saved_states(attempt)
    except CheckpointError:
        attempt.store.notes.delete_checkpoint(attempt.config.trial_id)


def restore(attempt: Attempt, replicates: list[Replicate], ended: Mapping[int, Done]) -> None:
    """Set replicates to their checkpoint; the states of others under way are kept for the next checkpoint."""
    trial_id = attempt.config.trial_id
    try:
        states = _saved_states(attempt)
        if states is None:
            return
        seeds = checkpoint.load_states(states, replicates, trial_id=trial_id)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} (file {attempt.store.notes.checkpoint_name(trial_id)}; a retry of failed trials "
            "deletes it, and the trial starts afresh)"
        ) from error
    known = {str(seed) for seed in [*attempt.config.seeds, *ended]}
    attempt.unasked = {seed: state for seed, state in states.items() if seed not in known}
    log.info("trial %s: seeds %s go on from their checkpoint", trial_id, seeds)


def _saved_states(attempt: Attempt) -> dict[str, Any] | None:
    """The states in a trial's checkpoint by seed; None without one. Raises CheckpointError."""
    trial_id = attempt.config.trial_id
    try:
        saved = attempt.store.notes.read_checkpoint(trial_id)
    except DamagedError as error:
        raise CheckpointError(f"checkpoint of trial {trial_id}: {error}") from error
    if saved is None:
        return None
    return checkpoint.saved_states(saved, trial_id=trial_id, data_sha256=attempt.data.sha256)


def epoch_seconds(replicates: list[Replicate]) -> list[float]:
    """Seconds of every epoch so far: the sum over the replicates that trained in it."""
    seconds: dict[float, float] = {}
    for record in (record for replicate in replicates for record in replicate.records):
        seconds[record["epoch"]] = seconds.get(record["epoch"], 0.0) + record["seconds"]
    return [seconds[epoch] for epoch in sorted(seconds)]


def ask_for_checkpoint(attempt: Attempt, replicates: list[Replicate]) -> None:
    """Have replicates written as they stand now. Of two checkpoints the second waits for the first."""
    attempt.writer.settle()
    content = capture(attempt, replicates)
    attempt.writer.submit(lambda: write_checkpoint(attempt, content))
    attempt.pace.written()


def capture(attempt: Attempt, replicates: list[Replicate]) -> dict[str, Any]:
    """The content of a checkpoint of these replicates as they stand now."""
    return checkpoint.capture_replicates(
        replicates, attempt.unasked, trial_id=attempt.config.trial_id, data_sha256=attempt.data.sha256
    )


def write_checkpoint(attempt: Attempt, content: Mapping[str, Any]) -> None:
    """Store a checkpoint. Storage that fails costs this checkpoint, not the training."""
    trial_id = attempt.config.trial_id
    try:
        attempt.store.notes.write_checkpoint(trial_id, checkpoint.dump(content))
    except StoreError as error:
        log.warning("trial %s: no checkpoint was written, the next is another try: %s", trial_id, error)
