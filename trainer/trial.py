"""One trial from configuration to result files: load, resume, train, store."""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from search_spaces.config import TrialConfig
from search_spaces.errors import Interrupted, StoreError
from trainer import checkpoint, metrics
from trainer.data import BinaryTask, load_task
from trainer.environment import (
    device_name,
    git_commit,
    library_versions,
    node_name,
    peak_memory_bytes,
)
from trainer.fit import Round, fit
from trainer.replicate import Replicate
from trainer.store import Store, new_attempt
from trainer.trial_setup import TrialSetup

log = logging.getLogger(__name__)

FAILURE_TAIL_LINES = 15
STOPPED = "stopped on request; what was under way goes on from its checkpoint"


class StopTrial(Exception):
    """Raised by `on_round` to end a trial: its replicates under way are stored as pruned, for this reason."""


@dataclass(frozen=True)
class TrialOptions:
    """How a trial is run, as opposed to what it computes; nothing here can change a score.

    data_dir            where data sets lie
    download            whether a missing data set may be downloaded
    keep_weights        whether the best epoch's weights are stored
    checkpoint_seconds  least time between two checkpoints
    """

    data_dir: Path | None = None
    download: bool = False
    keep_weights: bool = True
    checkpoint_seconds: float = 60.0


@dataclass
class _Attempt:
    """One attempt at a trial: what it needs to write result files."""

    config: TrialConfig
    store: Store
    task: BinaryTask
    device: torch.device
    options: TrialOptions
    name: str = field(default_factory=new_attempt)
    last_checkpoint: float = field(default_factory=time.monotonic)


def run_trial(
    config: TrialConfig,
    store: Store,
    device: torch.device,
    options: TrialOptions,
    on_round: Callable[[Round], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[int, str]:
    """Train the replicates of a trial that the store lacks, from their last checkpoint where there is one.

    Returns the state of every wanted replicate by seed ("completed", "diverged", "pruned"). An exception
    leaves its traceback's tail in the trial's `failure.json`, keeps the checkpoint, and is raised again. When
    `should_stop`, asked after every epoch, says so, a checkpoint is written and Interrupted raised.
    """
    ended = {seed: done.state for seed, done in store.replicates(config.trial_id).items()}
    missing = [seed for seed in config.seeds if seed not in ended]
    try:
        if missing:
            if should_stop():
                raise Interrupted(STOPPED)
            task = load_task(config.data, options.data_dir, download=options.download)
            store.write_config(config)
            attempt = _Attempt(config, store, task, device, options)
            ended.update(_train_missing(attempt, missing, on_round, should_stop))
            _tidy_up(store, config.trial_id)
    except Interrupted:
        raise
    except Exception as error:
        _record_failure(store, config, missing, error)
        raise
    return {seed: ended[seed] for seed in config.seeds}


def _train_missing(
    attempt: _Attempt,
    missing: list[int],
    on_round: Callable[[Round], None] | None,
    should_stop: Callable[[], bool],
) -> dict[int, str]:
    setup = TrialSetup(attempt.config, attempt.task, attempt.device)
    replicates = [Replicate(setup, seed) for seed in missing]
    trial_id, data_sha256 = attempt.config.trial_id, attempt.task.sha256
    saved = attempt.store.read_checkpoint(trial_id)
    if saved is not None:
        seeds = checkpoint.restore_replicates(saved, replicates, trial_id=trial_id, data_sha256=data_sha256)
        log.info("trial %s: seeds %s go on from their checkpoint", trial_id, seeds)
    for replicate in replicates:  # ended before the interruption, but not yet stored
        if replicate.state != "running":
            _store_replicate(attempt, replicate)
    by_seed = {r.seed: r for r in replicates}
    for round_ in fit(replicates, _ended_scores(attempt)):
        unstored = [r for r in replicates if r.state == "running" or r.seed in round_.ended]
        for seed in round_.ended:
            try:
                _store_replicate(attempt, by_seed[seed])
            except StoreError:
                _write_checkpoint(attempt, unstored)
                raise
            unstored.remove(by_seed[seed])
        is_stopping = bool(unstored) and should_stop()
        is_due = time.monotonic() - attempt.last_checkpoint >= attempt.options.checkpoint_seconds
        if unstored and (is_due or is_stopping):
            _write_checkpoint(attempt, unstored)
        if on_round is not None:
            try:
                on_round(round_)
            except StopTrial as stop:
                _prune(attempt, unstored, str(stop))
                break
        if is_stopping:
            raise Interrupted(STOPPED)
    return {r.seed: r.state for r in replicates}


def _write_checkpoint(attempt: _Attempt, replicates: list[Replicate]) -> None:
    """Store replicates as they stand. Storage that fails costs this checkpoint, not the training."""
    trial_id = attempt.config.trial_id
    data = checkpoint.dump_replicates(replicates, trial_id=trial_id, data_sha256=attempt.task.sha256)
    try:
        attempt.store.write_checkpoint(trial_id, data)
    except StoreError as error:
        log.warning("trial %s: no checkpoint was written, the next is another try: %s", trial_id, error)
    attempt.last_checkpoint = time.monotonic()


def _tidy_up(store: Store, trial_id: str) -> None:
    """Forget what a trial needed while running, and index it. Its results stand: nothing here can fail it."""
    for step in (store.delete_checkpoint, store.clear_failure, store.write_index):
        try:
            step(trial_id)
        except StoreError as error:
            log.warning("trial %s is complete, but: %s", trial_id, error)


def _prune(attempt: _Attempt, running: list[Replicate], reason: str) -> None:
    for replicate in running:
        replicate.state, replicate.reason = "pruned", reason
        _store_replicate(attempt, replicate)


def _ended_scores(attempt: _Attempt) -> dict[int, NDArray[np.float32]]:
    """Validation scores of the trial's completed replicates, by seed, in the validation split's order."""
    scores = {}
    for seed, done in attempt.store.replicates(attempt.config.trial_id).items():
        if seed in attempt.config.seeds and done.state == "completed":
            table = attempt.store.read_scores(done)
            scores[seed] = table.filter(pa.compute.equal(table["split"], "val"))["score"].to_numpy()
    return scores


def _store_replicate(attempt: _Attempt, replicate: Replicate) -> None:
    completed = replicate.state == "completed"
    task = attempt.task
    scores, summary = None, {}
    if completed and replicate.best is not None:
        by_split = {"val": replicate.best.validation_scores, "test": replicate.test_scores()}
        scores = pa.concat_tables(
            _score_table(name, split.ids, split.targets.cpu().numpy(), by_split[name])
            for name, split in (("val", task.validation), ("test", task.test))
        )
        summary = {
            **_summary("val", task.validation.targets.cpu().numpy(), by_split["val"]),
            **_summary("test", task.test.targets.cpu().numpy(), by_split["test"]),
        }
    weights = None
    if completed and attempt.options.keep_weights:
        weights = checkpoint.dump_weights(replicate, trial_id=attempt.config.trial_id)
    attempt.store.write_replicate(
        attempt.config.trial_id,
        replicate.seed,
        state=replicate.state,
        attempt=attempt.name,
        epochs=pa.Table.from_pylist(replicate.records),
        scores=scores,
        result=_result(attempt, replicate, summary),
        weights=weights,
    )


def _result(attempt: _Attempt, replicate: Replicate, summary: Mapping[str, float | None]) -> dict[str, Any]:
    task = attempt.task
    return {
        "state": replicate.state,
        "reason": replicate.reason,
        "chosen_epoch": None if replicate.best is None else replicate.best.epoch,
        "epochs": replicate.epoch,
        "metrics": summary,
        "wall_seconds": replicate.seconds,
        "node": node_name(),
        "device": device_name(attempt.device),
        "threads": torch.get_num_threads(),
        "versions": library_versions(),
        "commit": git_commit(),
        "data_sha256": task.sha256,
        "counts": {
            "train_negatives": replicate.negatives,
            "train_positives": replicate.positives,
            "validation": len(task.validation.targets),
            "test": len(task.test.targets),
        },
    }


def _summary(prefix: str, targets: NDArray[np.uint8], scores: NDArray[np.float32]) -> dict[str, float | None]:
    """Metrics of a split; one that is undefined stands as None, which JSON can hold, unlike NaN."""
    values = metrics.summarize(targets, scores)
    return {f"{prefix}/{name}": None if math.isnan(value) else value for name, value in values.items()}


def _score_table(split: str, ids: Any, targets: NDArray[np.uint8], scores: NDArray[np.float32]) -> pa.Table:
    return pa.table(
        {
            "split": pa.array([split] * len(scores)),
            "example_id": pa.array([str(i) for i in ids]),
            "target": pa.array(targets.astype(np.int8)),
            "score": pa.array(scores.astype(np.float32)),
        }
    )


def _record_failure(store: Store, config: TrialConfig, seeds: list[int], error: Exception) -> None:
    """Leave the reason of a failed attempt beside the trial; a store that cannot take it is only logged."""
    lines = traceback.format_exception(error)
    failure = {
        "error": type(error).__name__,
        "message": str(error),
        "peak_memory_bytes": peak_memory_bytes(),
        "traceback": "".join(lines).splitlines()[-FAILURE_TAIL_LINES:],
        "seeds": seeds,
    }
    try:
        store.write_config(config)
        store.write_failure(config.trial_id, failure)
    except StoreError as reason:
        log.warning("trial %s: its failure could not be stored: %s", config.trial_id, reason)
