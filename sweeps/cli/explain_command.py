"""The command that traces a table's cell back to its trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import InputError
from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, Output, Replicates, Rule, Sweep, TrackingUri
from sweeps.hints import advised

Block = Annotated[
    str | None, typer.Option("--block", help="A block's label, as its table has it; by default all.")
]
Row = Annotated[str | None, typer.Option("--row", help="A row's label, as the table has it; by default all.")]


def register(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command()(guarded(explain))


def explain(
    space: Sweep,
    block: Block = None,
    row: Row = None,
    output: Output = DEFAULT_OUTPUT,
    replicates: Replicates = None,
    rule: Rule = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Trace a table's cell back: rule, candidates in order, chosen trial, replicates, files, MLflow run."""
    from analysis.explain import chosen_cells, explanation
    from analysis.tables import make_tables
    from search_spaces.labels import BlockLabels
    from sweeps.driver.opened import open_stored
    from sweeps.tracking.found import find_runs
    from trainer.store import Store

    console = Console()
    store = Store(output)
    manifest = open_stored(space, store, replicates).manifest
    made = make_tables(store, manifest, rule=rule)
    if not made.cells:
        raise InputError(f"{manifest.name}: expected a sweep with a trial, found none")
    labels = BlockLabels(config.data for config in manifest.trials)
    cells = chosen_cells(made.cells, block, row)
    runs = find_runs(store, manifest.name, tracking_uri, [cell.chosen_id for cell in cells if cell.chosen_id])
    where = str(Path(store.storage.root)) if store.storage.is_local else store.uri
    for number, cell in enumerate(cells):
        if number:
            console.print()
        for line in explanation(cell, made.columns[cell.block], made.statistics, labels):
            console.print(Text(line), soft_wrap=True)
        if cell.chosen_id:
            console.print(Text(f"files: below {where}"), soft_wrap=True)
            console.print(
                Text(_run_words(runs.get(cell.chosen_id), cell.chosen_id, manifest.name)), soft_wrap=True
            )


def _run_words(run: str | None, trial_id: str, sweep: str) -> str:
    if run is not None:
        return f"MLflow: {run}"
    again = advised("reconcile", space=sweep)
    return f"MLflow: no run with the tag trial_id = {trial_id} was found; {again} brings it level"
