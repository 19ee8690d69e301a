"""Commands that a message advises: each can be pasted as it stands.

An advised command has the space, the result store, the data and the addresses of the command that runs now,
as they were given to it, quoted for a shell. What the environment gives holds for the advised command too.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

PROGRAM = "almsweep"
# Where results, data and servers are, and how trials are run; not what was asked for once, like --yes.
CARRIED = (
    "output",
    "data_dir",
    "download",
    "address",
    "tracking_uri",
    "no_tracking",
    "threads",
    "gpus_per_trial",
    "max_concurrent",
    "hang_seconds",
    "compile",
    "keep_weights",
    "rule",
)
# Of these an address is that of a cluster's dashboard, of the others that of a Ray that trains.
AT_A_DASHBOARD = ("logs", "cancel", "status")

# The context of the command that runs now: typer's, which knows what was given.
_running: ContextVar[Any] = ContextVar("running", default=None)


@contextmanager
def running(context: Any) -> Iterator[None]:
    """Advise like the command of this context, while the block runs."""
    token = _running.set(context)
    try:
        yield
    finally:
        _running.reset(token)


def advised(command: str, *words: object, space: str | None = None, address: str | None = None) -> str:
    """A command to paste: `almsweep COMMAND`, its words, and what was given to the command that runs now.

    command   a command's name, like "retry"
    words     its own arguments and options, like "--failed"
    space     a sweep's name, for the argument SPACE: the file or name that was given to the running command
              stands in its place, where one was
    address   that of a cluster's dashboard, for a command that asks it
    """
    context = _running.get()
    found = [program(), command]
    if space is not None:
        found.append(_space_of(context, space))
    found += [str(word) for word in words]
    if address is not None:
        found += ["--address", address]
    if context is not None:
        found += _carried(context, command, found)
    return shlex.join(found)


def program() -> str:
    """What to type for this program: its name where a shell finds it, else the path that was typed."""
    started = Path(sys.argv[0])
    if started.name != PROGRAM or shutil.which(PROGRAM) is not None:
        return PROGRAM
    return str(started)


def _space_of(context: Any, sweep: str) -> str:
    given = None if context is None else context.params.get("space")
    if given is None or _is_output(context, given):
        return sweep
    return str(given)


def is_output(space: str, *, output_is_given: bool) -> bool:
    """Whether an argument SPACE-OR-OUTPUT names an output folder.

    A mere word does where a folder of that name holds results, unless `output_is_given`: an output by its
    option, in which the word names a sweep.
    """
    if "://" in space:
        return True
    folder = Path(space)
    if not folder.is_dir():
        return False
    if space in (".", "..") or "/" in space:
        return True
    return not output_is_given and holds_results(folder)


def holds_results(folder: Path) -> bool:
    """Whether a folder is a result store with a sweep in it."""
    return any(folder.glob("sweeps/*.json"))


def _is_output(context: Any, space: str) -> bool:
    return is_output(space, output_is_given=is_given(context, "output"))


def is_given(context: Any, name: str) -> bool:
    """Whether a parameter stands on the command line of this context, not in the environment or nowhere."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def option_words(parameter: Any, value: Any) -> list[str]:
    """An option as it is typed: its name before each of its values; of a flag that is set its name alone."""
    name = parameter.opts[0]
    if isinstance(value, bool):
        return [name] if value else []
    several = value if isinstance(value, list | tuple) else [value]
    words: list[str] = []
    for one in several:
        words += [name, str(one)]
    return words


def _carried(context: Any, command: str, said: list[str]) -> list[str]:
    """Options of the running command that the advised one has too, and that it does not name already."""
    commands = context.find_root().command.commands
    known = {parameter.name for parameter in commands[command].params}
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name
        if name not in CARRIED or name not in known or parameter.opts[0] in said:
            continue
        if name == "address" and command in AT_A_DASHBOARD:
            continue
        if is_given(context, name):
            words += option_words(parameter, context.params[name])
    space = context.params.get("space")
    if space is not None and _is_output(context, space) and "output" in known:  # `tables OUTPUT`
        words += ["--output", space]
    return words
