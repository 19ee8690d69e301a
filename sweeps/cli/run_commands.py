"""The commands that train a sweep's trials: run, retry."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from search_spaces.errors import InputError
from sweeps.cli import cluster_commands
from sweeps.cli.guard import INTERRUPTED, guarded
from sweeps.cli.named_sweep import open_stored, open_sweep, search_of
from sweeps.cli.options import (
    DEFAULT_OUTPUT,
    DEFAULT_RULE,
    Address,
    Compile,
    Cpus,
    DataDir,
    Download,
    Gpus,
    KeepWeights,
    Output,
    Replicates,
    Rule,
    Space,
    Sweep,
    TrackingUri,
    check_choices,
)
from sweeps.cli.result_commands import write_tables_of

if TYPE_CHECKING:
    from search_spaces.search import Search
    from sweeps.options import RunOptions
    from trainer.store import Store, SweepManifest

SCHEDULERS = ("none", "asha", "median")
# A run that trains more replicates than this asks first, where there is somebody to answer.
LARGE_RUN = 1000

MaxConcurrent = Annotated[int | None, typer.Option("--max-concurrent", min=1, help="Most trials at a time.")]
NoTracking = Annotated[bool, typer.Option("--no-tracking", help="Do not write to MLflow.")]
NumSamples = Annotated[
    int | None, typer.Option("--num-samples", min=1, help="Trials of a search in all, earlier ones included.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of a search's sampler.")]
Scheduler = Annotated[
    str, typer.Option("--scheduler", help="Early stopping of trials that fall behind: none, asha, median.")
]
GraceEpochs = Annotated[
    int | None,
    typer.Option("--grace-epochs", min=1, help="Epochs before a trial may be stopped; default: a tenth."),
]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take the sweep from a driver that holds its lease.")
]
Job = Annotated[
    bool, typer.Option("--job", help="Run as a Ray job of a running cluster; it outlives this terminal.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, however large the run.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (run, retry):
        app.command()(guarded(command))


def run(
    context: typer.Context,
    space: Space,
    output: Output = DEFAULT_OUTPUT,
    data_dir: DataDir = None,
    download: Download = False,
    replicates: Replicates = None,
    address: Address = None,
    cpus_per_trial: Cpus = 1,
    gpus_per_trial: Gpus = None,
    max_concurrent: MaxConcurrent = None,
    compile: Compile = False,
    keep_weights: KeepWeights = "selected",
    tracking_uri: TrackingUri = None,
    no_tracking: NoTracking = False,
    take_over: TakeOver = False,
    rule: Rule = DEFAULT_RULE,
    num_samples: NumSamples = None,
    seed: Seed = None,
    scheduler: Scheduler = "none",
    grace_epochs: GraceEpochs = None,
    job: Job = False,
    yes: Yes = False,
) -> None:
    """Run what is missing of a space on Ray Tune, then write and print the table of best configurations."""
    from sweeps.driver.two_stage import expected
    from sweeps.options import RunOptions
    from sweeps.plan import make_plan

    check_choices(keep_weights, rule)
    options = RunOptions(
        output=output,
        data_dir=data_dir,
        download=download,
        address=address,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        max_concurrent=max_concurrent,
        compile=compile,
        keep_weights=keep_weights,
        rule=rule,
        tracking_uri=tracking_uri,
        track=not no_tracking,
        take_over=take_over,
        scheduler=scheduler,
        grace_epochs=grace_epochs,
    )
    if scheduler not in SCHEDULERS:
        raise InputError(f"--scheduler: expected one of {', '.join(SCHEDULERS)}, given {scheduler!r}")
    search, samples = search_of(space, replicates, num_samples, seed)
    store, manifest = open_sweep(space, output, replicates)
    if not yes and _may_ask():
        _confirm(make_plan(manifest.name, expected(manifest).trials, store).missing_replicates())
    if job:
        cluster_commands.submit(context, manifest, output, address)
    else:
        _run_and_report(store, manifest, options, search=search, samples=samples)


def retry(
    context: typer.Context,
    space: Sweep,
    failed: Annotated[
        bool, typer.Option("--failed", help="Failed trials, diverged replicates included.")
    ] = False,
    pruned: Annotated[
        bool, typer.Option("--pruned", help="Trials that were stopped early; this time to their end.")
    ] = False,
    output: Output = DEFAULT_OUTPUT,
    data_dir: DataDir = None,
    download: Download = False,
    replicates: Replicates = None,
    address: Address = None,
    cpus_per_trial: Cpus = 1,
    gpus_per_trial: Gpus = None,
    max_concurrent: MaxConcurrent = None,
    compile: Compile = False,
    keep_weights: KeepWeights = "selected",
    tracking_uri: TrackingUri = None,
    no_tracking: NoTracking = False,
    take_over: TakeOver = False,
    rule: Rule = DEFAULT_RULE,
    job: Job = False,
    yes: Yes = False,
) -> None:
    """Run a sweep's failed trials again (or its pruned ones, or both), and nothing else."""
    from sweeps.options import RunOptions
    from sweeps.plan import make_plan

    if not (failed or pruned):
        raise InputError(
            "retry: say --failed to run failed trials again; `almsweep run` runs what is missing"
        )
    check_choices(keep_weights, rule)
    options = RunOptions(
        output=output,
        data_dir=data_dir,
        download=download,
        address=address,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        max_concurrent=max_concurrent,
        compile=compile,
        keep_weights=keep_weights,
        rule=rule,
        tracking_uri=tracking_uri,
        track=not no_tracking,
        take_over=take_over,
    )
    store, manifest = open_stored(space, output, replicates)
    if not yes and _may_ask():
        again = make_plan(manifest.name, manifest.trials, store).of(
            *["failed"] * failed, *["pruned"] * pruned
        )
        _confirm(sum(len(trial.config.seeds) for trial in again))
    if job:
        cluster_commands.submit(context, manifest, output, address)
    else:
        _run_and_report(store, manifest, options, retry_failed=failed, retry_pruned=pruned)


def _may_ask() -> bool:
    """Whether a person sits at the terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _confirm(replicates: int) -> None:
    """Ask before a large run; exits with 1 when the answer is no."""
    if replicates > LARGE_RUN and not typer.confirm(f"Train {replicates:,} replicates?"):
        raise typer.Exit(1)


def _run_and_report(
    store: Store,
    manifest: SweepManifest,
    options: RunOptions,
    *,
    retry_failed: bool = False,
    retry_pruned: bool = False,
    search: Search | None = None,
    samples: int | None = None,
) -> None:
    """Run, write the tables, print them, and exit with the code that tells how it went."""
    from sweeps.cli import report
    from sweeps.driver.run import run_sweep

    console = Console()
    if search is not None:
        manifest = replace(manifest, samples=samples or manifest.samples)
        if manifest.samples is None:
            raise InputError("--num-samples: expected a number of trials for this search, given none")
    outcome = run_sweep(
        manifest, options, console, retry_failed=retry_failed, retry_pruned=retry_pruned, search=search
    )
    report.print_outcome(console, outcome)
    if not (retry_failed or retry_pruned or outcome.interrupted or outcome.stopped):
        later = _second_stage(console, store, manifest, options.rule)
        if later is not None:
            manifest = later
            outcome = run_sweep(manifest, options, console)
            report.print_outcome(console, outcome)
    if search is not None:
        manifest = store.read_sweep(manifest.name)
        report.print_samples(console, manifest)
    write_tables_of(console, store, manifest, options.rule)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    counts = outcome.plan.counts()
    if counts["done"] + counts["pruned"] < len(outcome.plan.trials):
        raise typer.Exit(1)


def _second_stage(console: Console, store: Store, manifest: SweepManifest, rule: str) -> SweepManifest | None:
    """A two-stage study with its second stage, when the first has ended; None for any other sweep."""
    from sweeps.driver.two_stage import is_first_stage, unfinished, with_second_stage

    if not is_first_stage(manifest):
        return None
    if waiting := unfinished(store, manifest):
        console.print(f"stage 2 waits for {waiting} trial(s) of stage 1", highlight=False)
        return None
    later = with_second_stage(store, manifest, rule)
    added = len(later.trials) - len(manifest.trials)
    console.print(f"stage 2: {added:,} trials on the losses that {rule} chose in stage 1", highlight=False)
    return later
