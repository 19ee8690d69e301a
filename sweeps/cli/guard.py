"""Turns errors of ours and Ctrl-C into one line and an exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from search_spaces.errors import AlmsweepError

INTERRUPTED = 130
P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The command, ending with an error's `exit_code` when it raises one of ours and with 130 on Ctrl-C."""

    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            command(*arguments, **options)
        except AlmsweepError as error:
            print(f"almsweep: error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as interrupt:
            print("almsweep: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from interrupt

    return run
