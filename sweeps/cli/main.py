"""The command line, `almsweep`. Each command imports what it needs when it is called.

Exit codes: 0 all well; 1 some trials failed or are incomplete, Ray did not start, or what was to be printed
could not be; 2 bad input; 3 the result store cannot be used; 4 another driver runs the sweep;
130 interrupted.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import version as version_of

import typer
from rich.console import Console
from rich.logging import RichHandler

from sweeps.cli import (
    clean_command,
    cluster_commands,
    confirm_command,
    data_command,
    evaluate_command,
    explain_command,
    export_command,
    plan_commands,
    plugin_commands,
    report_command,
    result_commands,
    run_commands,
    train_command,
)
from sweeps.cli.display import open_streams
from sweeps.cli.guard import ShownFilter
from sweeps.cli.help import WholeSentences
from sweeps.signals import interrupt_on_signals

_NO_HOME = "/nonexistent"  # Debian's word for the home of a user who has none

app = typer.Typer(
    name="almsweep",
    cls=WholeSentences,
    help="Hyper-parameter sweeps for classifiers on critical, under-represented classes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
plan_commands.register(app)
data_command.register(app)
run_commands.register(app)
result_commands.register(app)
confirm_command.register(app)
cluster_commands.register(app)
train_command.register(app)
evaluate_command.register(app)
export_command.register(app)
explain_command.register(app)
report_command.register(app)
plugin_commands.register(app)
clean_command.register(app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"almsweep {version_of('almsweep')}")
        raise typer.Exit


@app.callback()
def configure(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Say more, on standard error."),
) -> None:
    """Hyper-parameter sweeps for classifiers on critical, under-represented classes."""
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=Console(stderr=True), show_path=False, show_time=verbose)
    handler.addFilter(ShownFilter())
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _settle_home() -> None:
    """Have a home folder named where the system knows none, as of any user's number in a container.

    Ray's modules cannot be imported without; nothing is written to this one.
    """
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = _NO_HOME


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console command, by default with the arguments of this process."""
    open_streams()
    _settle_home()
    interrupt_on_signals()
    app(arguments)
