"""The commands about sweeps: plan, run, status, retry, tables, ui, reconcile."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import InputError
from sweeps.cli import cluster_commands
from sweeps.cli.guard import INTERRUPTED, guarded
from sweeps.cli.options import (
    Cpus,
    DataDir,
    Download,
    KeepWeights,
    Output,
    Replicates,
    Space,
    TrackingUri,
)

if TYPE_CHECKING:
    from search_spaces.search import Search
    from sweeps.run import RunOptions
    from trainer.store import Store, SweepManifest

DEFAULT_OUTPUT = "results"
DEFAULT_RULE = "ensemble-val-auroc"
KEEP_WEIGHTS = ("selected", "all", "none")
SCHEDULERS = ("none", "asha", "median")
# A run that trains more replicates than this asks first, where there is somebody to answer.
LARGE_RUN = 1000

Sweep = Annotated[
    str, typer.Argument(metavar="SPACE", help="A named space, a .yaml file, or a sweep in the output.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="A running Ray cluster; default: RAY_ADDRESS, else Ray on this machine."),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-trial", min=0, help="Share of a GPU per trial; default: one where there is one."
    ),
]
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
Rule = Annotated[str, typer.Option("--rule", help="Selection rule; it reads validation results only.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (plan, run, status, retry, tables, reconcile, ui):
        app.command()(guarded(command))


def plan(
    space: Space,
    output: Output = DEFAULT_OUTPUT,
    probe: Annotated[
        bool, typer.Option("--probe", help="Measure the time per epoch of every kind of trial.")
    ] = False,
    data_dir: DataDir = None,
    download: Download = False,
    replicates: Replicates = None,
    cpus_per_trial: Cpus = 1,
    keep_weights: KeepWeights = "selected",
    concurrent: Annotated[
        int, typer.Option("--concurrent", min=1, help="Trials at a time, for the estimates.")
    ] = 1,
    trials: Annotated[bool, typer.Option("--trials", help="List every trial.")] = False,
) -> None:
    """Show a space's trials: how many are done, partial, failed and pending, and what the rest costs."""
    from sweeps.cli import report
    from sweeps.plan import disk_need, make_plan
    from sweeps.probe import estimate
    from sweeps.probe import probe as measure

    _check_keep_weights(keep_weights)
    store, manifest = _open(space, output, replicates)
    made = make_plan(manifest.name, manifest.trials, store)
    console = Console()
    if probe:
        for line in measure(made, store, data_dir, threads=cpus_per_trial, download=download):
            console.print(line, highlight=False)
    report.print_plan(console, made)
    report.print_samples(console, manifest)
    report.print_disk(console, disk_need(made, store, keep_weights=keep_weights, concurrent=concurrent))
    report.print_time(console, estimate(made, store, threads=cpus_per_trial), concurrent)
    if trials:
        report.print_trials(console, made.trials)


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
    from sweeps.run import RunOptions

    _check_choices(keep_weights, rule)
    options = RunOptions(
        output=output,
        data_dir=data_dir,
        download=download,
        address=address,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        max_concurrent=max_concurrent,
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
    search, samples = _search(space, replicates, num_samples, seed)
    store, manifest = _open(space, output, replicates)
    if not yes:
        _confirm(manifest, store)
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
    replicates: Replicates = None,
    address: Address = None,
    cpus_per_trial: Cpus = 1,
    gpus_per_trial: Gpus = None,
    keep_weights: KeepWeights = "selected",
    tracking_uri: TrackingUri = None,
    rule: Rule = DEFAULT_RULE,
    job: Job = False,
) -> None:
    """Run a sweep's failed trials again (or its pruned ones, or both), and nothing else."""
    from sweeps.run import RunOptions

    if not (failed or pruned):
        raise InputError(
            "retry: say --failed to run failed trials again; `almsweep run` runs what is missing"
        )
    _check_choices(keep_weights, rule)
    options = RunOptions(
        output=output,
        data_dir=data_dir,
        address=address,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        keep_weights=keep_weights,
        rule=rule,
        tracking_uri=tracking_uri,
    )
    store, manifest = _open(space, output, replicates)
    if job:
        cluster_commands.submit(context, manifest, output, address)
    else:
        _run_and_report(store, manifest, options, retry_failed=failed, retry_pruned=pruned)


def status(
    context: typer.Context,
    space: Annotated[
        str | None, typer.Argument(metavar="[SPACE]", help="One sweep; default: all in the output.")
    ] = None,
    output: Output = DEFAULT_OUTPUT,
    failed: Annotated[bool, typer.Option("--failed", help="List failed trials with their errors.")] = False,
    address: Annotated[
        str | None, typer.Option("--address", help="Ask this cluster's head, like http://head:8265.")
    ] = None,
) -> None:
    """Show how far the sweeps of an output folder are."""
    if address is not None:
        cluster_commands.remote_status(context, address)
        return
    from sweeps.cli import report
    from sweeps.plan import make_plan
    from trainer.store import Store

    store = Store(output)
    names = [space] if space is not None else store.sweep_names()
    if not names:
        raise InputError(f"{output}: expected a result store with a sweep in it, found none")
    console = Console()
    for name in names:
        _, manifest = _open(name, output, None)
        made = make_plan(manifest.name, manifest.trials, store)
        report.print_plan(console, made)
        report.print_samples(console, manifest)
        if failed:
            report.print_failed(console, made, store)


def tables(
    space: Annotated[
        str, typer.Argument(metavar="SPACE-OR-OUTPUT", help="A space, a sweep, or an output folder.")
    ],
    output: Output = DEFAULT_OUTPUT,
    replicates: Replicates = None,
    rule: Rule = DEFAULT_RULE,
) -> None:
    """Select the best configuration per cell on validation, and write the tables again."""
    from trainer.store import Store

    console = Console()
    names = Store(space).sweep_names() if _is_folder(space) else []
    if _is_folder(space) and not names:
        raise InputError(f"{space}: expected a result store with a sweep in it, found none")
    complete = True
    for name in names or [space]:
        store, manifest = _open(name, space if names else output, replicates)
        complete &= _write_tables(console, store, manifest, rule)
    if not complete:
        raise typer.Exit(1)


def reconcile(space: Sweep, output: Output = DEFAULT_OUTPUT, tracking_uri: TrackingUri = None) -> None:
    """Bring MLflow level with the result store."""
    from sweeps.lease import is_held
    from sweeps.tracking import reconcile as bring_level

    store, manifest = _open(space, output, None)
    counts = bring_level(store, manifest.name, tracking_uri, is_running=is_held(store, manifest.name))
    words = f"{counts.created} runs created, {counts.updated} brought level, {counts.unchanged} were level"
    Console().print(
        f"sweep {manifest.name}: {words}, {counts.ended} ended, {counts.failed} failed", highlight=False
    )
    if counts.failed:
        raise typer.Exit(1)


def ui(
    output: Output = DEFAULT_OUTPUT,
    tracking_uri: TrackingUri = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Open MLflow's own UI on a sweep's results, until Ctrl-C."""
    from sweeps.mlflow_ui import serve

    serve(output, tracking_uri, host=host, port=port)


def _open(space: str, output: str, replicates: int | None) -> tuple[Store, SweepManifest]:
    """The store, and the trials that a space wants; a name may also be that of a sweep in the store."""
    from search_spaces.catalog import load_space
    from trainer.store import Store, SweepManifest

    store = Store(output)
    try:
        found = load_space(space)
        manifest = SweepManifest(found.name, found.trials)
        if found.search is not None:
            manifest = replace(manifest, samples=found.search.samples)
            if found.name in store.sweep_names():
                manifest = store.read_sweep(found.name)
    except InputError:
        if space not in store.sweep_names():
            raise
        manifest = store.read_sweep(space)
    if replicates is not None:
        seeds = tuple(range(1, replicates + 1))
        trials = tuple(config.model_copy(update={"seeds": seeds}) for config in manifest.trials)
        manifest = replace(manifest, trials=trials)
    return store, manifest


def _confirm(manifest: SweepManifest, store: Store) -> None:
    """Ask before a large run, where a person sits at the terminal; exits with 1 when the answer is no."""
    from sweeps.plan import make_plan

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    missing = make_plan(manifest.name, manifest.trials, store).missing_replicates()
    if missing > LARGE_RUN and not typer.confirm(f"Train {missing:,} replicates?"):
        raise typer.Exit(1)


def _search(
    space: str, replicates: int | None, samples: int | None, seed: int | None
) -> tuple[Search | None, int | None]:
    """The search of a space with these replicates and this seed, and the number of samples that was asked."""
    from search_spaces.catalog import load_space

    try:
        search = load_space(space).search
    except InputError:  # the name of a sweep in the store, or of nothing at all
        search = None
    if search is None:
        for option, value in (("--num-samples", samples), ("--seed", seed)):
            if value is not None:
                raise InputError(f"{option}: expected a space with a search, given {space}")
        return None, None
    if seed is not None:
        search = replace(search, seed=seed)
    if replicates is not None:
        search = search.with_seeds(tuple(range(1, replicates + 1)))
    return search, samples


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
    from sweeps.run import run_sweep

    console = Console()
    if search is not None:
        manifest = replace(manifest, samples=samples or manifest.samples)
        if manifest.samples is None:
            raise InputError("--num-samples: expected a number of trials for this search, given none")
    outcome = run_sweep(
        manifest, options, console, retry_failed=retry_failed, retry_pruned=retry_pruned, search=search
    )
    report.print_outcome(console, outcome)
    if search is not None:
        manifest = store.read_sweep(manifest.name)
        report.print_samples(console, manifest)
    _write_tables(console, store, manifest, options.rule)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    counts = outcome.plan.counts()
    if counts["done"] + counts["pruned"] < len(outcome.plan.trials):
        raise typer.Exit(1)


def _write_tables(console: Console, store: Store, manifest: SweepManifest, rule: str) -> bool:
    """Write and print a sweep's tables; returns whether every cell is complete."""
    from analysis.figures import write_figures
    from analysis.tables import write_tables

    if not manifest.trials:
        console.print(Text(f"{manifest.name}: no trial has been chosen yet, so there is no table"))
        return False
    root = Path(store.root) if store.is_local else Path()
    written = write_tables(store, manifest, root / "tables" / manifest.name, rule=rule)
    write_figures(written, root / "figures" / manifest.name)
    console.print(Text(written.text), soft_wrap=True)
    console.print(Text(f"tables: {written.files[0].parent}/"), soft_wrap=True)
    return bool(written.frame["complete"].all())


def _is_folder(space: str) -> bool:
    return "://" in space or Path(space).is_dir()


def _check_keep_weights(policy: str) -> None:
    if policy not in KEEP_WEIGHTS:
        raise InputError(f"--keep-weights: expected one of {', '.join(KEEP_WEIGHTS)}, given {policy!r}")


def _check_choices(policy: str, rule: str) -> None:
    from analysis.select import rule_by_name

    _check_keep_weights(policy)
    rule_by_name(rule)
