"""The command about what other packages bring: plugins."""

from __future__ import annotations

import typer

from sweeps.cli.guard import guarded


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command()(guarded(plugins))


def plugins() -> None:
    """List the losses, models, sources and augmentations that installed packages bring.

    A line each: its name in a space, the package, and what is wrong with it where anything is.
    """
    from search_spaces.config import REGISTRIES

    lines = []
    for registry in REGISTRIES:
        for offer, fault in registry.offered():
            line = f"{registry.base.kind} {offer.name} of {offer.package}"
            lines.append(f"{line}: cannot be used: {fault}" if fault else line)
    typer.echo("\n".join(lines or ["no installed package brings anything"]))
