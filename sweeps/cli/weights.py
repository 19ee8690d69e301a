"""`retry --weights`: trains trials again beside their results, for the weights that were not kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import InputError
from search_spaces.labels import trial_label
from search_spaces.words import count
from sweeps.cli import cluster_commands
from sweeps.cli.guard import INTERRUPTED
from sweeps.cli.large_run import agree_to
from sweeps.cli.one_trial import one_id

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig
    from sweeps.driver.opened import OpenedSweep
    from sweeps.driver.weights_again import WeightsOutcome
    from sweeps.options import RunOptions


def retry_weights(
    context: typer.Context,
    sweep: OpenedSweep,
    options: RunOptions,
    only: Sequence[str],
    *,
    job: bool,
    yes: bool,
) -> None:
    """Train again what has lost its weights, here or as a job, and say what became of it.

    `only` are trial ids, or their beginnings. Exits with 1 where weights of a trial were not kept.
    """
    from sweeps.driver.weights_again import train_weights_again, trials_without_weights

    if options.trial.keep_weights == "none":
        raise InputError("--weights: expected --keep-weights selected or all, given none")
    console = Console()
    trials = trials_without_weights(sweep, options, ids_of(sweep, only))
    if not trials:
        whose = "of those named" if only else "of its trials"
        if not only and options.trial.keep_weights == "selected":
            whose = "that its table chooses"
        console.print(Text(f"sweep {sweep.name}: nothing to train, no trial {whose} lacks weights"))
        return
    replicates = sum(len(config.seeds) for config in trials)
    agreed = yes or agree_to(sweep.name, replicates)
    if job:
        cluster_commands.submit(context, sweep, options.address, ["--yes"] if agreed else [])
        return
    outcome = train_weights_again(sweep, trials, options, console)
    print_weights(console, sweep.name, outcome)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.differing or outcome.unfinished:
        raise typer.Exit(1)


def ids_of(sweep: OpenedSweep, given: Sequence[str]) -> set[str]:
    """Ids of the sweep's trials, by their beginnings. Raises InputError for one of none or of several."""
    known = [config.trial_id for config in sweep.manifest.trials]
    found = set()
    for begin in given:
        wanted = f"--trial: expected one trial of the sweep {sweep.name} whose id starts with {begin!r}"
        found.add(one_id(begin, known, wanted))
    return found


def print_weights(console: Console, sweep: str, outcome: WeightsOutcome) -> None:
    """How many trials have weights now, and a line for each that has none, with the reason."""
    kept = len(outcome.kept)
    of_all = kept + len(outcome.differing) + len(outcome.unfinished)
    console.print(
        f"sweep {sweep}: weights of {kept:,} of {count(of_all, 'trial')} kept, "
        "whose scores are the stored ones bit for bit",
        highlight=False,
        soft_wrap=True,
    )
    for config, reason in outcome.differing:
        console.print(Text(f"not kept  {_name(config)}: {reason}"), soft_wrap=True)
    for config in outcome.unfinished:
        console.print(Text(f"unfinished  {_name(config)}: the same command goes on"), soft_wrap=True)
    if outcome.stopped is not None:
        console.print(Text(f"stopped early: {outcome.stopped}", style="red"), soft_wrap=True)


def _name(config: TrialConfig) -> str:
    return f"{config.trial_id} ({trial_label(config)})"
