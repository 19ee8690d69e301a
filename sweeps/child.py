"""A question to a process of its own, so that what it takes of memory is its own and nothing stays behind.

The process runs a module of ours: it reads a request as JSON from standard input and answers in a line of
JSON, which is an error's text under "error" where that came of it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from search_spaces.config.base import Frozen
from search_spaces.errors import InputError
from trainer.interpreter import start_module

KILLED = 9
# Before what a process tells while it works, on standard error.
_TOLD = "told: "


def ask(module: str, request: Frozen, what: str, hear: Callable[[str], None] | None = None) -> dict[str, Any]:
    """The answer of a module in a new process on this machine; `hear` is given what it tells meanwhile.

    Raises InputError, its text beginning with `what`, where the process gives none, or an error.
    """
    process = start_module(module, stderr=subprocess.PIPE)
    said: list[str] = []
    listener = threading.Thread(target=_listen, args=(process.stderr, said, hear), daemon=True)
    with process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("a process without pipes")
        listener.start()
        with contextlib.suppress(BrokenPipeError):  # its end says why
            process.stdin.write(request.model_dump_json())
            process.stdin.close()
        try:
            out = process.stdout.read()
        except BaseException:
            process.kill()
            raise
        process.wait()
        listener.join()
    if process.returncode == -KILLED:
        raise InputError(f"{what}: its process was killed, most likely for want of memory")
    if process.returncode != 0:
        raise InputError(f"{what}: {said[-1] if said else 'no word'}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    if "error" in found:
        raise InputError(f"{what}: {found['error']}")
    return found


def _listen(errors: IO[str], said: list[str], hear: Callable[[str], None] | None) -> None:
    """Hand on what is told, and keep all other lines."""
    for line in errors:
        words = line.strip()
        if words.startswith(_TOLD):
            if hear is not None:
                hear(words.removeprefix(_TOLD))
        elif words:
            said.append(words)


def tell(words: str) -> None:
    """Tell whoever asked how far the work is."""
    sys.stderr.write(f"{_TOLD}{words}\n")
    sys.stderr.flush()


def answer(content: dict[str, Any]) -> None:
    """Give the answer, as the last line of standard output."""
    sys.stdout.write(json.dumps(content) + "\n")
