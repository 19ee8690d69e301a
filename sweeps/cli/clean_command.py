"""The command that removes what killed processes left: clean."""

from __future__ import annotations

import typer
from rich.console import Console

from search_spaces.words import count, size
from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, Output


def register(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command()(guarded(clean))


def clean(output: Output = DEFAULT_OUTPUT) -> None:
    """Remove what killed runs left in an output folder: temporary files, and results that do not count.

    Only what is older than an hour, and nothing of a trial that a run trains just now.
    """
    from sweeps.driver.claim import busy_trials
    from trainer.store import Store
    from trainer.store.leftovers import find_leftovers

    store = Store(output)
    found = find_leftovers(store, busy_trials(store))
    found.delete(store)
    words = f"removed {count(len(found.temporary), 'temporary file')} and "
    words += f"{count(len(found.attempts), 'file')} of attempts that do not count: {size(found.bytes)}"
    Console().print(words, highlight=False, soft_wrap=True)
