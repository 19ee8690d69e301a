"""A question to a process of its own, so that what it takes of memory is its own and nothing stays behind.

The process runs a module of ours: it reads a request as JSON from standard input and answers in a line of
JSON, which is an error's text under "error" where that came of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from search_spaces.config.base import Frozen
from search_spaces.errors import InputError

KILLED = 9


def ask(module: str, request: Frozen, what: str) -> dict[str, Any]:
    """The answer of a module in a new process on this machine.

    Raises InputError, its text beginning with `what`, where the process gives none, or an error.
    """
    # A Ray worker finds our packages by its own path, which a child would not know.
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-P", "-m", module],  # -P: the current folder is no place for modules
        input=request.model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode == -KILLED:
        raise InputError(f"{what}: its process was killed, most likely for want of memory")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no word"]
        raise InputError(f"{what}: {lines[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "error" in found:
        raise InputError(f"{what}: {found['error']}")
    return found


def answer(content: dict[str, Any]) -> None:
    """Give the answer, as the last line of standard output."""
    sys.stdout.write(json.dumps(content) + "\n")
