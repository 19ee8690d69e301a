"""The command that writes a sweep's report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, Output, Replicates, Rule, Sweep
from sweeps.cli.result_commands import LogFpr
from sweeps.cli.written_tables import why_no_table

To = Annotated[
    Path | None,
    typer.Option("--to", help="Write this file, by default reports/<sweep>.html in the output folder."),
]


def register(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command()(guarded(report))


def report(
    space: Sweep,
    output: Output = DEFAULT_OUTPUT,
    to: To = None,
    replicates: Replicates = None,
    rule: Rule = None,
    log_fpr: LogFpr = False,
) -> None:
    """Write one HTML file with a sweep's tables, figures and provenance, to send to a colleague."""
    from analysis.crew import crew_for
    from analysis.report import report as report_of
    from analysis.tables import make_tables, write_whole
    from sweeps.driver.opened import open_stored
    from trainer.store import Store

    console = Console()
    store = Store(output)
    manifest = open_stored(space, store, replicates).manifest
    with crew_for(len(manifest.trials)) as crew:
        crew.be_ready("analysis.statistics.bands", "analysis.pictures")
        made = make_tables(store, manifest, rule=rule, crew=crew)
        if all(cell.chosen is None for cell in made.cells):
            console.print(Text(f"{manifest.name}: {why_no_table(made)}"), soft_wrap=True)
            raise typer.Exit(1)
        page = report_of(made, manifest.name, log_fpr=log_fpr, crew=crew)
    root = Path(store.storage.root) if store.storage.is_local else Path()
    path = root / "reports" / f"{manifest.name}.html" if to is None else to
    write_whole(path, page.encode(), root if to is None else None)
    console.print(Text(f"report: {path}"), soft_wrap=True)
