"""Questions to whoever sits at the terminal; where nobody does, an option must have said the answer."""

from __future__ import annotations

import sys

import typer

from search_spaces.errors import InputError


def confirm(question: str, *, unasked: str) -> None:
    """Go on where the person at the terminal agrees; ends the command with exit code 1 where not.

    `unasked` says, where there is no terminal, what is in the way and which option agrees to it: it is the
    message of the InputError that is raised then.
    """
    if not has_terminal():
        raise InputError(unasked)
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def has_terminal() -> bool:
    """Whether somebody can read a question on standard error and answer it on standard input."""
    for stream in (sys.stdin, sys.stderr):
        # A process that was started without one has None in its place.
        if stream is None or stream.closed or not stream.isatty():
            return False
    return True
