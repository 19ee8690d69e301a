"""Turns errors of ours and Ctrl-C into one line and an exit code."""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec

import typer

from search_spaces.errors import AlmsweepError, Interrupted
from search_spaces.redaction import printable, redacted

INTERRUPTED = Interrupted.exit_code
P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The command, ending with an error's `exit_code` when it raises one of ours and with 130 on Ctrl-C."""

    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            command(*arguments, **options)
        except AlmsweepError as error:
            print(f"almsweep: error: {shown(str(error))}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as interrupt:
            print("almsweep: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from interrupt
        except (typer.Exit, typer.Abort):
            raise
        except Exception:  # a fault of ours; its traceback is told without secrets
            print(shown(traceback.format_exc()), file=sys.stderr)
            raise typer.Exit(1) from None

    return run


def shown(text: str) -> str:
    """A text as it may stand on a terminal: no secret, nothing that commands it."""
    return printable(redacted(text))


class ShownFilter(logging.Filter):
    """Lets every record pass, its text as `shown` gives it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record."""
        record.msg, record.args = shown(record.getMessage()), ()
        return True
