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
from sweeps.cli.written_tables import write_tables_of

if TYPE_CHECKING:
    from sweeps.driver.opened import OpenedSweep
    from sweeps.driver.run import SweepOutcome
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
    shown = _Shown(console, sweep, options, is_last=bool(retry or options.trial.changed_data))
    outcome = run_sweep(sweep, options, console, retry=retry, show=shown)
    report.print_untracked(console, outcome)
    if shown.later is not None:
        outcome = run_sweep(
            shown.later, options, console, show=_Shown(console, shown.later, options, is_last=True)
        )
        report.print_untracked(console, outcome)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    counts = outcome.plan.counts()
    if counts["done"] + counts["pruned"] < len(outcome.plan.trials):
        raise typer.Exit(1)


class _Shown:
    """Tells how a run went, and writes and prints its table, unless another stage follows.

    later   the sweep with the second stage that follows; None where none does
    """

    def __init__(self, console: Console, sweep: OpenedSweep, options: RunOptions, *, is_last: bool) -> None:
        self._console, self._sweep, self._options, self._is_last = console, sweep, options, is_last
        self.later: OpenedSweep | None = None

    def __call__(self, outcome: SweepOutcome) -> None:
        from sweeps.cli import report

        console, sweep, rule = self._console, self._sweep, self._options.rule
        report.print_outcome(console, outcome)
        if not (self._is_last or outcome.interrupted or outcome.stopped):
            self.later = _second_stage(console, sweep, outcome.plan, rule)
            if self.later is not None:
                return
        if sweep.search is not None:
            report.print_samples(console, outcome.manifest)
        try:
            write_tables_of(console, sweep.store, outcome.manifest, rule)
        except StoreError as error:  # half of the trials may be of other data than the rest
            if not outcome.interrupted:
                raise
            console.print(Text(f"no table: {error}"), soft_wrap=True)


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
