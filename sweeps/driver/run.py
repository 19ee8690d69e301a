"""Run what a sweep lacks on Ray Tune.

The result store decides what is missing, so a relaunch is the same call. Every trial is a Ray Tune trial;
Ray's own state is scratch and goes to a temporary folder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from rich.console import Console

from analysis.cells import check_seeds
from analysis.confirmed import settled_rule
from analysis.select import check_rule
from search_spaces.config import Targets, check_installed
from search_spaces.errors import (
    AlmsweepError,
    DamagedError,
    InputError,
    Interrupted,
    LeaseError,
    SweepStopped,
)
from sweeps.driver.data import RunData
from sweeps.driver.lease import Lease
from sweeps.driver.opened import OpenedSweep
from sweeps.driver.training import Training
from sweeps.driver.work import Work, find_work
from sweeps.options import RunOptions
from sweeps.plan import Plan, make_plan
from trainer.store import SweepManifest, stored_space

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepOutcome:
    """How a run ended.

    manifest      the sweep's trials, with those that a search has suggested
    plan          how they stand
    started       how many trials were started
    interrupted   whether the user interrupted the run
    untracked     trials that MLflow does not show yet
    stopped       why the sweep gave up early; None where it did not
    """

    manifest: SweepManifest
    plan: Plan
    started: int
    interrupted: bool
    untracked: int
    stopped: str | None = None


def run_sweep(
    sweep: OpenedSweep,
    options: RunOptions,
    console: Console,
    *,
    retry: Collection[str] = (),
    show: Callable[[SweepOutcome], None] = lambda outcome: None,
) -> SweepOutcome:
    """Run the trials of a sweep that have replicates missing.

    `show` is called with the outcome once the results are there, before MLflow is told what it has not been
    told yet: a slow one holds nothing back, and is waited for no longer than TRACKING_SECONDS.

    With `retry` only its trials of these statuses are run ("failed", "pruned"), and their replicates that did
    not complete are trained again too. A search's study takes the place of the manifest's trials, and makes
    new ones until there are the manifest's `samples`. With the option `changed_data` trials are run of which
    results are of other data than there are now.

    Blocks whose data cannot be trained on are left out, and their trials noted as failed.

    Raises TrialSchemaError, before anything is written, when the store holds this sweep under another trial
    schema (of a new sweep: anything), LeaseError when another driver runs this sweep, and InputError when the
    cluster cannot be reached or has not the resources for one trial, when a plug-in of a trial that is to run
    is not installed, when trials of one cell want different seeds, when a task has not the selection rule, or
    when a scheduler is to judge a search's trials and the search is not given, or they are to race.
    DataError is raised when the data of no trial that is to run can be trained on, and when they are not
    those of stored results.
    One signal, such as Ctrl-C or TERM, lets the running epochs end and be checkpointed; a second raises
    KeyboardInterrupt.
    """
    _check(sweep, options)
    options = _at_rates(options, sweep.manifest.reading.targets)
    data = RunData(sweep, options, console)
    data.check_hope(retry)
    with Lease(sweep.store, sweep.name, take_over=options.take_over) as lease:
        _check_not_replaced(sweep)
        work = find_work(sweep, console, retry, only_changed=options.trial.changed_data)
        check_installed(tuple(work.configs()))
        is_looked_at = data.is_looked_at_here(work)
        if is_looked_at:
            work = data.check(work, data.look(work))
            _check_first_weights(work, options)
        training = Training(work, options, console, lease, data)
        try:
            outcome = _trained(training, sweep.name, data, is_wanted=work.is_any or not is_looked_at)
        except BaseException:
            training.close_tracking()
            raise
        try:
            show(outcome)
        finally:
            seconds = training.close_tracking()
            untracked = _bring_tracking_level(training.work, options, seconds)
        return replace(outcome, untracked=untracked)


def _trained(training: Training, name: str, data: RunData, *, is_wanted: bool) -> SweepOutcome:
    """Train where that is wanted; how the sweep of that name stands then. MLflow is not told of here."""
    plan, interrupted, stopped = training.work.plan, False, None
    if is_wanted:
        interrupted, stopped = train(training)
        plan = make_plan(name, training.work.manifest.trials, training.work.store)
    else:
        data.note(training.work)
    return SweepOutcome(
        manifest=training.work.manifest,
        plan=plan,
        started=len(training.started),
        interrupted=interrupted,
        untracked=0,
        stopped=stopped,
    )


def _check(sweep: OpenedSweep, options: RunOptions) -> None:
    """Raise InputError or TrialSchemaError for what could not end in a table, before anything is written."""
    reading = sweep.manifest.reading
    check_seeds(sweep.manifest.trials, reading.rows)
    check_rule(settled_rule(sweep.manifest, options.rule), sweep.tasks, reading.targets)
    _check_scheduler(sweep, options)
    sweep.store.check_trial_schema(sweep.name)


def _check_first_weights(work: Work, options: RunOptions) -> None:
    """Raise DataError where this machine trains, and networks are to begin with files that are not here."""
    wanted = [config.model for config in work.configs() if config.model.first_weights is not None]
    if wanted and options.cluster_address is None:
        from trainer.models.first_weights import check_first_weights

        check_first_weights(wanted, options.trial.data_dir, download=options.trial.download)


def _check_not_replaced(sweep: OpenedSweep) -> None:
    """Raise LeaseError where another driver ran another space under this name since the sweep was opened."""
    try:
        found = stored_space(sweep.store.storage, sweep.name)
    except DamagedError:  # was told of when the sweep was opened; it is written again
        return
    if found not in (None, sweep.known, sweep.manifest.space):
        raise LeaseError(
            f"sweep {sweep.name!r} was run with another space by another driver while this one waited; "
            "start it again to see what changes"
        )


def _at_rates(options: RunOptions, rates: Targets) -> RunOptions:
    """The options, by which trials tell their curves at these rates."""
    trial = options.trial.model_copy(update={"targets": rates})
    return options.model_copy(update={"trial": trial})


def _check_scheduler(sweep: OpenedSweep, options: RunOptions) -> None:
    """Raise InputError where a scheduler or a race would judge trials by nobody knows what."""
    if options.racing:
        _check_racing(sweep)
    if options.scheduler != "none" and not all(task.validates for task in sweep.tasks):
        raise InputError(
            f"--scheduler {options.scheduler}: expected data with a validation split, by which trials fall "
            "behind, given data with validation_per_class 0"
        )
    is_search = sweep.manifest.samples is not None
    if is_search and sweep.search is None and options.scheduler != "none":
        raise InputError(
            f"--scheduler {options.scheduler}: expected the search's space, whose first objective judges its "
            f"trials, given only the name of the stored sweep {sweep.name}"
        )


def _check_racing(sweep: OpenedSweep) -> None:
    if sweep.manifest.samples is not None:
        raise InputError(
            "--racing: expected a space whose trials are known, as they race within a table cell, given a "
            "search"
        )
    if not all(task.validates for task in sweep.tasks):
        raise InputError(
            "--racing: expected data with a validation split, by which trials fall behind, given data with "
            "validation_per_class 0"
        )


def train(training: Training) -> tuple[bool, str | None]:
    """Train; whether the user interrupted it, and why it gave up early (None: it did not)."""
    try:
        training.run()
    except Interrupted:
        return True, None
    except SweepStopped as error:
        return False, str(error)
    return False, None


def _bring_tracking_level(work: Work, options: RunOptions, seconds: float) -> int:
    """Make MLflow say what the store says; returns the number of trials for which it could not be done.

    That takes a little longer than `seconds` at most.
    """
    if options.no_tracking:
        return 0
    from sweeps.tracking.reconcile import reconcile_in_time

    try:
        counts = reconcile_in_time(work.store, work.manifest, options.tracking_uri, seconds)
    except AlmsweepError as error:
        log.warning("MLflow is not level with the store: %s", error)
        return len(work.manifest.trials)
    return counts.untold
