"""Train a sweep, tell how it went, and write its tables: what `run` and `retry` do in this process."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import StoreError
from search_spaces.words import count
from sweeps.cli.guard import INTERRUPTED
from sweeps.cli.result_commands import write_tables_of

if TYPE_CHECKING:
    from sweeps.driver.opened import OpenedSweep
    from sweeps.options import RunOptions
    from sweeps.plan import Plan


def train_sweep(
    sweep: OpenedSweep,
    options: RunOptions,
    *,
    retry: Collection[str] = (),
) -> None:
    """Run, write the tables, print them, and exit with the code that tells how it went.

    `retry` as `run_sweep` takes it. A two-stage study goes on with its second stage.
    """
    from sweeps.cli import report
    from sweeps.driver.run import run_sweep

    console = Console()
    outcome = run_sweep(sweep, options, console, retry=retry)
    report.print_outcome(console, outcome)
    only_again = retry or options.trial.changed_data
    if not (only_again or outcome.interrupted or outcome.stopped):
        later = _second_stage(console, sweep, outcome.plan, options.rule)
        if later is not None:
            outcome = run_sweep(later, options, console)
            report.print_outcome(console, outcome)
    if sweep.search is not None:
        report.print_samples(console, outcome.manifest)
    try:
        write_tables_of(console, sweep.store, outcome.manifest, options.rule)
    except StoreError as error:  # half of the trials may be of other data than the rest
        if not outcome.interrupted:
            raise
        console.print(Text(f"no table: {error}"), soft_wrap=True)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    counts = outcome.plan.counts()
    if counts["done"] + counts["pruned"] < len(outcome.plan.trials):
        raise typer.Exit(1)


def _second_stage(console: Console, sweep: OpenedSweep, plan: Plan, rule: str | None) -> OpenedSweep | None:
    """A two-stage study with its second stage, when the first has ended; None for any other sweep.

    `plan` says how the first stage stands.
    """
    from analysis.select import rule_of
    from sweeps.driver.two_stage import is_first_stage, with_second_stage

    if not is_first_stage(sweep.manifest):
        return None
    waiting = len(plan.to_run())
    if waiting:
        console.print(f"stage 2 waits for {count(waiting, 'trial')} of stage 1", highlight=False)
        return None
    later = with_second_stage(sweep.store, sweep.manifest, rule)
    added = len(later.trials) - len(sweep.manifest.trials)
    by = rule_of(sweep.tasks[0], rule, sweep.manifest.reading.targets).name
    console.print(
        f"stage 2: {count(added, 'trial')} on the losses that {by} chose in stage 1", highlight=False
    )
    return replace(sweep, manifest=later)
