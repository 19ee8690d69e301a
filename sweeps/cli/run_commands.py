"""The commands that train a sweep's trials: run, retry."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from search_spaces.errors import InputError
from search_spaces.limits import MOST_REPLICATES, MOST_SEED
from sweeps.cli import cluster_commands
from sweeps.cli.given import run_options, with_options
from sweeps.cli.guard import guarded
from sweeps.cli.large_run import agree
from sweeps.cli.options import (
    DEFAULT_OUTPUT,
    ChangedData,
    ForRetry,
    ForRun,
    NumSamples,
    Output,
    Replicates,
    Space,
    Sweep,
)
from sweeps.cli.replacing import agree_to_change, say_change
from sweeps.cli.train_sweep import train_sweep
from sweeps.cli.weights import retry_weights
from sweeps.hints import advised

if TYPE_CHECKING:
    from sweeps.driver.opened import OpenedSweep
    from sweeps.options import RunOptions

Seed = Annotated[int | None, typer.Option("--seed", min=0, max=MOST_SEED, help="Seed of a search's sampler.")]
Failed = Annotated[bool, typer.Option("--failed", help="Failed trials, diverged replicates included.")]
Pruned = Annotated[
    bool, typer.Option("--pruned", help="Trials that were stopped early; this time to their end.")
]
Weights = Annotated[
    bool,
    typer.Option(
        "--weights",
        help="Trials whose weights were not kept: the table's choices, or with --keep-weights all every one. "
        "They are trained beside their results; weights stay where all scores come out the same.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--trial", metavar="ID", help="With --weights: this trial; its first digits; repeatable."),
]
Job = Annotated[
    bool, typer.Option("--job", help="Run as a Ray job of a running cluster; it outlives this terminal.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, however large the run.")]
FreshSeeds = Annotated[
    int | None,
    typer.Option(
        "--replicates",
        min=1,
        max=MOST_REPLICATES,
        help="So many fresh seeds; by default as many as the sweep has, at least 6.",
    ),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Take this space in place of another of its name, in the output.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (run, retry):
        app.command()(guarded(command))


@with_options(ForRun)
def run(
    context: typer.Context,
    space: Space,
    output: Output = DEFAULT_OUTPUT,
    replicates: Replicates = None,
    num_samples: NumSamples = None,
    seed: Seed = None,
    job: Job = False,
    yes: Yes = False,
    replace: Replace = False,
) -> None:
    """Run what is missing of a space on Ray Tune, then write and print the table of best configurations."""
    from sweeps.driver.opened import open_sweep
    from trainer.store import Store

    options = run_options(context)
    sweep = open_sweep(space, Store(output), replicates, samples=num_samples, seed=seed)
    if sweep.search is not None and sweep.manifest.samples is None:
        raise InputError("--num-samples: expected a number of trials for this search, given none")
    _go(context, sweep, options, job=job, yes=yes, replace=replace)


@with_options(ForRetry)
def retry(
    context: typer.Context,
    space: Sweep,
    failed: Failed = False,
    pruned: Pruned = False,
    weights: Weights = False,
    only: Only = None,
    changed_data: ChangedData = False,
    output: Output = DEFAULT_OUTPUT,
    replicates: Replicates = None,
    job: Job = False,
    yes: Yes = False,
) -> None:
    """Run a sweep's failed trials again (or its pruned ones, or those of other data), and nothing else.

    Or train chosen trials again for their weights.
    """
    from sweeps.driver.opened import open_stored
    from trainer.store import Store

    asked = {"failed": failed, "pruned": pruned}
    statuses = [status for status, is_asked in asked.items() if is_asked]
    if not statuses and not weights and not changed_data:
        raise InputError(
            "retry: expected --failed, --pruned, --changed-data or --weights, given none; what is missing is "
            f"run by: {advised('run', space=space)}"
        )
    if weights and (statuses or changed_data):
        given = statuses[0] if statuses else "changed-data"
        raise InputError(f"--weights: expected it alone, given --{given} too")
    if only and not weights:
        raise InputError("--trial: expected --weights too, given none")
    options = run_options(context)
    sweep = open_stored(space, Store(output), replicates)
    if weights:
        retry_weights(context, sweep, options, only or (), job=job, yes=yes)
        return
    _go(context, sweep, options, statuses, job=job, yes=yes)


def _go(
    context: typer.Context,
    sweep: OpenedSweep,
    options: RunOptions,
    retry: Collection[str] = (),
    *,
    job: bool,
    yes: bool,
    replace: bool = False,
) -> None:
    """Train here, or submit this command as a job; what has to be agreed to is asked where it is typed."""
    from analysis.select import check_rule
    from sweeps.plan import STATUSES

    check_rule(options.rule, sweep.tasks, sweep.manifest.reading.targets)
    answers = []
    if _replaces(sweep, options, replace=replace, job=job):
        answers.append("--replace")
    # Of which trials the data have changed is not known before they are looked at: it may be all of them.
    asked = STATUSES if options.trial.changed_data else retry
    if yes or agree(sweep, options, asked):
        answers.append("--yes")
    if job:
        cluster_commands.submit(context, sweep, options.address, answers)
    else:
        train_sweep(sweep, options, retry=retry)


def _replaces(sweep: OpenedSweep, options: RunOptions, *, replace: bool, job: bool) -> bool:
    """Say what the space changes in the stored sweep, and have it agreed to; returns whether it is.

    A job elsewhere has another store than a folder here: the job itself says and refuses it.
    """
    console = Console()
    is_elsewhere = job and cluster_commands.is_far(options.address) and sweep.store.storage.is_local
    if is_elsewhere:
        return replace
    if replace:
        say_change(console, sweep)
        return True
    return agree_to_change(console, sweep, take_over=options.take_over)
