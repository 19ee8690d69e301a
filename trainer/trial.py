"""One trial from configuration to result files: load, resume, train, store."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import TrialConfig
from search_spaces.errors import Interrupted, StoreError
from trainer import resume
from trainer.changed_data import to_replace
from trainer.device.environment import peak_memory_bytes, reset_peak_memory
from trainer.fit import Round, fit
from trainer.options import TrialOptions
from trainer.replicate import Replicate
from trainer.results import Attempt, store_replicate
from trainer.setup import TrialSetup, held_setup
from trainer.store import Done, Store
from trainer.store.outputs import outputs_of
from trainer.writer import Writer

log = logging.getLogger(__name__)

FAILURE_TAIL_LINES = 15
STOPPED = "stopped on request; what was under way goes on from its checkpoint"


class StopTrial(Exception):
    """Raised by `on_round` to end a trial: its replicates under way are stored as pruned, for this reason.

    `metric` names the metric by which the trial fell behind ("val/auroc"); it is stored with them.
    """

    def __init__(self, reason: str, metric: str | None = None) -> None:
        super().__init__(reason)
        self.metric = metric


def run_trial(
    config: TrialConfig,
    store: Store,
    device: torch.device,
    options: TrialOptions,
    on_round: Callable[[Round], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_resume: Callable[[list[float]], None] | None = None,
) -> dict[int, str]:
    """Train the replicates of a trial that the store lacks, from their last checkpoint where there is one.

    Returns the state of every wanted replicate by seed ("completed", "diverged", "pruned"). An exception
    leaves its traceback's tail in the trial's `failure.json`, keeps the checkpoint, and is raised again. When
    `should_stop`, asked after every epoch, says so, a checkpoint is written and Interrupted raised. Before
    the first epoch after a checkpoint `on_resume` is given the seconds of each one before it.

    Results and checkpoints are written by a thread beside the training; all are written, or the error that
    kept them from it is raised, before this returns.
    """
    reset_peak_memory()
    missing = list(config.seeds)
    try:
        before = store.replicates.ended(config.trial_id)
        ended = {seed: done.state for seed, done in before.items()}
        missing = [seed for seed in config.seeds if seed not in ended]
        if missing or options.changed_data:
            # One of an earlier attempt is no reason for how this one ends.
            store.notes.clear_failure(config.trial_id)
            if should_stop():
                raise Interrupted(STOPPED)
            setup = held_setup(config, device, options)
            stale = to_replace(store, config, before, setup.data.sha256, allowed=options.changed_data)
            before = {seed: done for seed, done in before.items() if seed not in stale}
            missing = [seed for seed in config.seeds if seed not in before]
        if missing:
            with Writer() as writer:
                attempt = Attempt(config, store, setup.data, device, writer, options, replaced=stale)
                writer.submit(lambda: store.write_config(config))
                if options.changed_data:
                    resume.drop_other_checkpoint(attempt)
                with _made(setup, missing) as replicates:
                    resume.restore(attempt, replicates, before)
                    if on_resume is not None and (epochs := resume.epoch_seconds(replicates)):
                        on_resume(epochs)
                    ended_scores = _ended_scores(store, config, before)
                    ended.update(_train_missing(attempt, replicates, ended_scores, on_round, should_stop))
            _tidy_up(attempt)
    except Interrupted:
        raise
    except Exception as error:
        _record_failure(store, config, missing, error)
        raise
    return {seed: ended[seed] for seed in config.seeds}


@contextmanager
def _made(setup: TrialSetup, seeds: list[int]) -> Iterator[list[Replicate]]:
    """Replicates, whose memory on a GPU is free for others after the block."""
    replicates = [Replicate(setup, seed) for seed in seeds]
    try:
        yield replicates
    finally:
        for replicate in replicates:
            replicate.close()
        replicates.clear()  # the caller's list: their tensors would stay until the next trial
        if setup.device.type == "cuda":
            with suppress(RuntimeError):  # a broken device must not hide the error that came before
                torch.cuda.empty_cache()


def _train_missing(
    attempt: Attempt,
    replicates: list[Replicate],
    ended_scores: dict[int, NDArray[np.float32]],
    on_round: Callable[[Round], None] | None,
    should_stop: Callable[[], bool],
) -> dict[int, str]:
    """Train replicates to their end and store them; their state by seed.

    When results cannot be stored, a checkpoint of all that is not stored is tried before the error goes on.
    """
    try:
        for replicate in replicates:  # ended before the interruption, but not yet stored
            if replicate.state != "running":
                store_replicate(attempt, replicate)
        _train(attempt, replicates, ended_scores, on_round, should_stop)
        attempt.writer.flush()
    except StoreError:
        attempt.writer.settle()
        content = resume.capture(attempt, [r for r in replicates if r.seed not in attempt.stored])
        resume.write_checkpoint(attempt, content)
        raise
    return {r.seed: r.state for r in replicates}


def _train(
    attempt: Attempt,
    replicates: list[Replicate],
    ended_scores: dict[int, NDArray[np.float32]],
    on_round: Callable[[Round], None] | None,
    should_stop: Callable[[], bool],
) -> None:
    by_seed = {r.seed: r for r in replicates}
    attempt.pace.begin()
    for round_ in fit(replicates, ended_scores):
        for seed in round_.ended:
            store_replicate(attempt, by_seed[seed])
        running = [r for r in replicates if r.state == "running"]
        is_stopping = bool(running) and should_stop()
        if running and (attempt.pace.is_due() or is_stopping):
            resume.ask_for_checkpoint(attempt, running)
        attempt.writer.check()
        if on_round is not None:
            try:
                on_round(round_)
            except StopTrial as stop:
                _prune(attempt, running, stop)
                break
        if is_stopping:
            attempt.writer.flush()
            raise Interrupted(STOPPED)


def _tidy_up(attempt: Attempt) -> None:
    """Forget what a trial needed while running, and index it. Its results stand: nothing here can fail it.

    The checkpoint goes, unless it holds replicates that were not wanted this time: those can go on later.
    """
    store, trial_id = attempt.store, attempt.config.trial_id
    if attempt.unasked:
        resume.write_checkpoint(attempt, resume.capture(attempt, []))
    forget = [] if attempt.unasked else [store.notes.delete_checkpoint]
    for step in (*forget, store.notes.clear_failure, store.write_copies):
        try:
            step(trial_id)
        except StoreError as error:
            log.warning("trial %s is complete, but: %s", trial_id, error)


def _prune(attempt: Attempt, running: list[Replicate], stop: StopTrial) -> None:
    for replicate in running:
        replicate.state, replicate.reason = "pruned", str(stop)
        store_replicate(attempt, replicate, pruned_by=stop.metric)


def _ended_scores(
    store: Store, config: TrialConfig, ended: Mapping[int, Done]
) -> dict[int, NDArray[np.float32]]:
    """Validation scores of the trial's completed replicates, by seed, in the validation split's order."""
    scores = {}
    for seed, done in ended.items():
        if seed in config.seeds and done.state == "completed":
            scores[seed] = outputs_of(store.replicates.read_scores(done), "val").outputs
    return scores


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
        store.notes.write_failure(config.trial_id, failure)
    except StoreError as reason:
        log.warning("trial %s: its failure could not be stored: %s", config.trial_id, reason)
