"""The command that looks at a space's data before anything trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from sweeps.cli.given import trial_options, with_options
from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, ForData, Output, Space, folder

if TYPE_CHECKING:
    from search_spaces.config import AugmentationConfig, Task
    from sweeps.driver.opened import OpenedSweep

Augmented = Annotated[
    bool, typer.Option("--augmented", help="A sheet more for each augmentation policy of the space.")
]
Sheets = Annotated[
    Path | None,
    typer.Option(
        "--sheets",
        parser=folder,
        metavar="FOLDER",
        help="Where contact sheets of examples are written; default: SWEEP-data in this folder.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command()(guarded(data))


@with_options(ForData)
def data(
    context: typer.Context,
    space: Space,
    augmented: Augmented = False,
    sheets: Sheets = None,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Look at a space's data before anything trains: counts, files, copies, groups, warnings, examples.

    All images are decoded, and stay in the node's cache for the trials. Exit code 1 where some blocks cannot
    be trained, 2 where none can.
    """
    from search_spaces.errors import AlmsweepError, DataError
    from sweeps.driver.data import shown_progress
    from sweeps.driver.data_check import faults_of
    from sweeps.driver.data_look import look_long
    from sweeps.driver.data_words import data_lines, disk_lines
    from sweeps.driver.look_words import look_lines
    from sweeps.driver.opened import open_sweep
    from trainer.data.survey import by_data_set
    from trainer.store import Store

    console = Console()
    options = trial_options(context)
    sweep = open_sweep(space, Store(output))
    data_sets = list(by_data_set(sweep.tasks))
    policies = [_policies(sweep, tasks) if augmented else [] for _, tasks in data_sets]
    where = Path(f"{sweep.name}-data") if sheets is None else sheets
    with shown_progress(console, "looking at the data") as show:
        told = look_long(sweep.tasks, policies, where, options, show)
    findings = dict(zip(sweep.tasks, told.findings, strict=True))
    faults = faults_of(findings)
    details = {}
    for (_, tasks), seen in zip(data_sets, told.seen, strict=True):
        rates = sweep.manifest.reading.targets.tpr
        details[tasks[0]] = look_lines(tasks, findings, seen.look, seen.sheets, rates)
    for line in [*data_lines(findings, faults, details), *disk_lines(findings)]:
        console.print(Text(line), soft_wrap=True)
    if augmented and not any(policies):
        console.print("no trial is chosen yet, and so no augmentation policy")
    if faults:
        raise typer.Exit(DataError.exit_code if len(faults) == len(findings) else AlmsweepError.exit_code)


def _policies(sweep: OpenedSweep, tasks: list[Task]) -> list[AugmentationConfig]:
    """The augmentations of the trials on a data set; of a search those of the trials chosen so far."""
    found = [config.augmentation for config in sweep.manifest.trials if config.data in tasks]
    return list(dict.fromkeys(found))
