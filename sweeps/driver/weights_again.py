"""Weights that were not kept: trials are trained again beside their results, which stay as they are.

They are trained in a store of their own inside the sweep's, with which a later call goes on after a kill.
Weights of a trial are taken over when its scores are equal to the stored ones bit for bit: they are then
those that the table's numbers come from. Else they are thrown away, and the sweep's store is as before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from analysis.cells import best, by_cell
from analysis.load import load_sweep
from analysis.select import rule_of
from search_spaces.config import TrialConfig, check_installed
from sweeps.driver.lease import Lease
from sweeps.driver.opened import OpenedSweep
from sweeps.driver.run import train
from sweeps.driver.trained_again import TrainedAgain
from sweeps.driver.training import Training
from sweeps.driver.work import find_work
from sweeps.options import RunOptions
from trainer.evaluate import without_weights
from trainer.store import Store, SweepManifest, layout


@dataclass
class WeightsOutcome:
    """What became of trials whose weights were wanted again.

    kept          their weights are stored now
    differing     they were trained to other scores: the trial, and what differs, in words
    unfinished    they have not been trained to their end
    """

    interrupted: bool = False
    stopped: str | None = None
    kept: list[TrialConfig] = field(default_factory=list)
    differing: list[tuple[TrialConfig, str]] = field(default_factory=list)
    unfinished: list[TrialConfig] = field(default_factory=list)


def trials_without_weights(
    sweep: OpenedSweep, options: RunOptions, only: Collection[str] = ()
) -> list[TrialConfig]:
    """Trials whose weights can be had again, each with those of its seeds that completed and have none.

    Those are the trials that the sweep's table chooses, or all under the policy "all", or those whose ids
    stand in `only`.
    """
    candidates: Sequence[TrialConfig] = sweep.manifest.trials
    if only:
        candidates = [config for config in candidates if config.trial_id in only]
    elif options.trial.keep_weights != "all":
        candidates = _chosen(sweep, options.rule)
    found = []
    for config in candidates:
        lacking = without_weights(config, sweep.store)
        seeds = tuple(seed for seed in config.seeds if seed in lacking)
        if seeds:
            found.append(config.model_copy(update={"seeds": seeds}))
    return found


def train_weights_again(
    sweep: OpenedSweep, trials: Sequence[TrialConfig], options: RunOptions, console: Console
) -> WeightsOutcome:
    """Train these trials, as `trials_without_weights` gives them, and keep the weights of those that agree.

    Raises LeaseError when another driver runs the sweep, and InputError as `run_sweep` does for a cluster.
    """
    check_installed(tuple(trials))
    store = sweep.store
    beside = store_beside(sweep)
    with Lease(store, sweep.name, take_over=options.take_over) as lease:
        manifest = SweepManifest(sweep.name, tuple(trials), reading=sweep.manifest.reading)
        interrupted, stopped = _train(OpenedSweep(beside, manifest), options, console, lease)
        lease.check()
        outcome = WeightsOutcome(interrupted, stopped)
        for config in trials:
            _settle(outcome, TrainedAgain.of(config, store, beside))
        if not outcome.unfinished:
            store.storage.delete_folder(layout.again(sweep.name))
    return outcome


def store_beside(sweep: OpenedSweep) -> Store:
    """The store in which a sweep's trials are trained again."""
    storage = sweep.store.storage
    return Store(storage.below(layout.again(sweep.name)), retry=storage.retry)


def _chosen(sweep: OpenedSweep, rule: str | None) -> list[TrialConfig]:
    """The trials that the sweep's table chooses."""
    reading = sweep.manifest.reading
    records = load_sweep(sweep.store, sweep.manifest)
    chosen = []
    for candidates in by_cell(records.trials, reading.rows).values():
        winner = best(candidates, rule_of(candidates[0].config.data, rule, reading.targets))
        if winner is not None:
            chosen.append(winner.config)
    return chosen


def _train(
    beside: OpenedSweep, options: RunOptions, console: Console, lease: Lease
) -> tuple[bool, str | None]:
    """Train what the store beside the results lacks; whether it was interrupted, and why it was given up."""
    trial = options.trial.model_copy(
        update={"keep_weights": "all", "targets": beside.manifest.reading.targets}
    )
    work = find_work(beside, console)
    if not work.is_any:
        return False, None
    beside.store.write_sweep(work.manifest)
    apart = options.model_copy(update={"trial": trial, "no_tracking": True})
    return train(Training(work, apart, console, lease))


def _settle(outcome: WeightsOutcome, trial: TrainedAgain) -> None:
    """Decide about a trial, and forget what was trained beside it."""
    if not trial.has_ended:
        outcome.unfinished.append(trial.config)
        return
    reason = trial.difference()
    if reason is None:
        trial.take_over_weights()
        outcome.kept.append(trial.config)
    else:
        outcome.differing.append((trial.config, reason))
    trial.beside.index.drop(trial.config.trial_id)
    trial.beside.storage.delete_folder(layout.trial(trial.config.trial_id))
