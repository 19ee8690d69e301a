"""The commands about where a sweep stands: plan, status."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import InputError
from sweeps.cli import cluster_commands
from sweeps.cli.given import run_options, with_options
from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, ForPlan, NumSamples, Output, Replicates, Space
from sweeps.cli.replacing import say_change

Probe = Annotated[
    bool, typer.Option("--probe", help="Measure time and memory of trials where that is not known yet.")
]
Concurrent = Annotated[
    int | None,
    typer.Option("--concurrent", min=1, help="Trials at a time; default: as many as `run` would start."),
]
Trials = Annotated[bool, typer.Option("--trials", help="List every trial.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (plan, status):
        app.command()(guarded(command))


@with_options(ForPlan)
def plan(
    context: typer.Context,
    space: Space,
    output: Output = DEFAULT_OUTPUT,
    probe: Probe = False,
    replicates: Replicates = None,
    num_samples: NumSamples = None,
    max_concurrent: Concurrent = None,
    trials: Trials = False,
) -> None:
    """Show a space's trials: how many are done, partial, failed and pending, and what the rest costs.

    Time is told from measurements, of this machine or, with --probe and --address, of the cluster's nodes.
    Where the data are here, their labels tell which blocks cannot be trained: exit code 1, or 2 of all.
    """
    from sweeps.capacity.forecast import forecast
    from sweeps.cli import report
    from sweeps.driver.data_words import planned_data
    from sweeps.driver.opened import open_sweep
    from sweeps.driver.two_stage import expected
    from sweeps.plan import disk_need, make_plan
    from trainer.store import Store

    options = run_options(context)
    sweep = open_sweep(space, Store(output), replicates, samples=num_samples)
    whole = expected(sweep.manifest)
    made = make_plan(whole.name, whole.trials, sweep.store)
    console = Console()
    found = forecast(made, sweep.store, options, console, measure=probe)
    at_a_time, policy = max_concurrent or found.packing.concurrent, options.trial.keep_weights
    rows = whole.reading.rows
    disk = disk_need(made, sweep.store, keep_weights=policy, concurrent=at_a_time, rows=rows)
    say_change(console, sweep)
    report.print_plan(console, made)
    report.print_samples(console, sweep.manifest)
    report.print_stages(console, sweep.manifest, whole)
    data = planned_data(sweep.tasks, options.trial)
    for line in data.lines:
        console.print(Text(line), soft_wrap=True)
    report.print_disk(console, disk)
    report.print_time(console, found, sweep.manifest.unchosen)
    if trials:
        numbers = {config.trial_id: number for number, config in enumerate(sweep.manifest.trials, start=1)}
        report.print_trials(console, made, numbers)
    if data.exit_code:
        raise typer.Exit(data.exit_code)


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
    """Show how far the sweeps of an output folder are, which trials run now, and who runs them.

    Sweeps of another trial schema are not counted: the others are shown, then they are an error.
    """
    if address is not None:
        cluster_commands.remote_status(context, address)
        return
    from sweeps.cli import report
    from sweeps.cli.driver_report import print_driver
    from sweeps.driver.lease import holder_of
    from sweeps.driver.opened import Refused, each_stored
    from sweeps.plan import make_plan
    from trainer.store import Store

    store = Store(output)
    names = [space] if space is not None else store.sweep_names()
    if not names:
        store.check_trial_schema()
        raise InputError(f"{output}: expected a result store with a sweep in it, found none")
    console = Console()
    refused = Refused()
    for sweep in each_stored(names, store, refused):
        with refused.of(sweep.name):
            made = make_plan(sweep.name, sweep.manifest.trials, store)
            report.print_plan(console, made)
            report.print_samples(console, sweep.manifest)
            print_driver(console, holder_of(store, sweep.name), sweep.manifest)
            if failed:
                report.print_failed(console, made, store)
    refused.check()
