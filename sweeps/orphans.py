"""Processes that a command has started, and what becomes of them when it was killed.

They carry marks in their environment: of the command's process, and of a Ray of its own. A process whose
command is gone is an orphan. Ray's agents, for one, live on for a while, and make their log folders anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from sweeps.processes import is_in_ours

COMMAND = "ALMSWEEP_COMMAND_PROCESS"
OWN_RAY = "ALMSWEEP_OWN_RAY"
# How long killed processes are waited for.
_LEAVE_SECONDS = 10.0
# A process that is killed may just have started another one.
_MOST_ROUNDS = 5


def this_command() -> str:
    """The mark of this process: its number and when it began."""
    return f"{os.getpid()} {_began(os.getpid())}"


def end_orphans() -> None:
    """Kill this user's processes of commands that are gone, as far as their numbers mean the same to us."""
    _kill([process for process, command in _marked(COMMAND) if not _lives(command)])


def end_ray(folder: Path) -> None:
    """Kill all processes of the Ray of our own that lies in this folder, and what they start meanwhile."""
    for _ in range(_MOST_ROUNDS):
        found = [process for process, place in _marked(OWN_RAY) if place == str(folder)]
        if not found:
            return
        _kill(found)


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=_LEAVE_SECONDS)


def _marked(name: str) -> Iterator[tuple[psutil.Process, str]]:
    """This user's other processes that carry a mark, each with it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            is_ours = process.pid != os.getpid() and process.uids().real == os.getuid()
            if is_ours and is_in_ours(process.pid):
                mark = process.environ().get(name)
                if mark:
                    yield process, mark


def _lives(command: str) -> bool:
    """Whether the process of a mark lives; so it does where the mark cannot be understood."""
    number, _, began = command.partition(" ")
    return not number.isdecimal() or _began(int(number)) == began


def _began(pid: int) -> str:
    """When a process began, by a clock that nobody sets; "" of one that is gone."""
    try:
        if os.path.exists("/proc/self/stat"):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return str(psutil.Process(pid).create_time())
    except (psutil.Error, OSError):
        return ""
