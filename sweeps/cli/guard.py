"""Turns errors of ours and Ctrl-C into one line and an exit code."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import typer

from search_spaces.errors import AlmsweepError, Interrupted
from search_spaces.redaction import printable, redacted
from sweeps.cli.display import check_shown
from sweeps.hints import running
from sweeps.temp import check_temp, own_temp

INTERRUPTED = Interrupted.exit_code
# What these print tells of their work, and their exit code of the work alone.
_WORKING = ("run", "retry", "train", "reconcile", "ui")
# Others that load torch, which wants a temp folder.
_COMPUTING = ("plan", "evaluate", "export", "predict")
# The parameter by which a command is given its context.
CONTEXT = "context"


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, ending with an error's `exit_code` when it raises one of ours and with 130 on Ctrl-C.

    While it runs, messages advise commands with what was given to this one (`sweeps.hints`).
    """
    own = inspect.signature(command, eval_str=True)
    wants_context = CONTEXT in own.parameters

    @functools.wraps(command)
    def run(**given: Any) -> None:
        context = given[CONTEXT] if wants_context else given.pop(CONTEXT)
        is_working = context.command.name in _WORKING
        try:
            if context.command.name in _COMPUTING:
                check_temp()
            with running(context), own_temp() if is_working else nullcontext():
                command(**given)
            if not is_working:
                check_shown()
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

    parameters = list(own.parameters.values())
    if not wants_context:
        context = inspect.Parameter(CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        parameters.append(context)
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
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
