"""The command that trains a sweep's choices again on fresh seeds."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from sweeps.cli.given import run_options, with_options
from sweeps.cli.guard import guarded
from sweeps.cli.large_run import agree
from sweeps.cli.options import DEFAULT_OUTPUT, ForRetry, Output, Sweep
from sweeps.cli.run_commands import FreshSeeds, Yes
from sweeps.cli.train_sweep import train_sweep


def register(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command()(guarded(confirm))


@with_options(ForRetry)
def confirm(
    context: typer.Context,
    space: Sweep,
    output: Output = DEFAULT_OUTPUT,
    replicates: FreshSeeds = None,
    yes: Yes = False,
) -> None:
    """Train each cell's winner and runner-up again on fresh seeds, as the sweep NAME-confirm, and compare.

    The choice stands, whichever leads then. The same command goes on with what is missing.
    """
    from analysis.select import check_rule
    from sweeps.driver.confirming import confirming
    from sweeps.driver.opened import OpenedSweep, open_stored
    from trainer.store import Store

    options, store = run_options(context), Store(output)
    manifest = open_stored(space, store).manifest
    check_rule(options.rule, [config.data for config in manifest.trials], manifest.reading.targets)
    found = confirming(store, manifest, options.rule, replicates)
    for line in found.lines:
        Console().print(Text(line), soft_wrap=True)
    sweep = OpenedSweep(store, found.manifest)
    if not yes:
        agree(sweep, options)
    train_sweep(sweep, options)
