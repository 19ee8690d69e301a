"""Drivers of sweeps among the processes of this machine: found, and asked to end.

For machines that go, as the head of a compose stack does: a sweep that is a Ray job and one that somebody
started in a shell are both there, and no Ray has to answer.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from sweeps.cluster.job import Commands, sweep_of_entrypoint
from sweeps.processes import is_in_ours

# Hands a sweep to a Ray job: a process with this option drives none.
_HANDS_ON = "--job"


@dataclass(frozen=True)
class LocalDriver:
    """A process of this machine that drives a sweep."""

    process: psutil.Process
    sweep: str

    @property
    def words(self) -> str:
        """The driver in a message."""
        return f"sweep {self.sweep} (process {self.process.pid})"


def drivers_here(commands: Commands, sweep: str | None = None) -> list[LocalDriver]:
    """This user's drivers, of one sweep or of all; those of other containers count as elsewhere.

    `commands` are those of the command line, which tell which sweep a process runs.
    """
    found = {}
    for process in psutil.process_iter():
        name = _driven(process, commands)
        if name is not None and sweep in (None, name):
            found[process.pid] = LocalDriver(process, name)
    return [driver for driver in found.values() if _parent(driver.process) not in found]


def end(drivers: Collection[LocalDriver], seconds: float) -> list[LocalDriver]:
    """Send each TERM once, which a sweep takes as one Ctrl-C; those that still run after so many seconds."""
    for driver in drivers:
        try:
            driver.process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, left = psutil.wait_procs([driver.process for driver in drivers], timeout=seconds)
    return [driver for driver in drivers if driver.process in left]


def _driven(process: psutil.Process, commands: Commands) -> str | None:
    """The sweep that a process drives; None where it is no driver, or not this user's, or not of here."""
    try:
        words = process.cmdline()
        if not words or not Path(words[0]).name.startswith("python") or _HANDS_ON in words:
            return None
        is_ours = process.uids().effective == os.geteuid()
        if not is_ours or process.status() == psutil.STATUS_ZOMBIE or not is_in_ours(process.pid):
            return None
    except psutil.Error:
        return None
    return sweep_of_entrypoint(shlex.join(words), commands)


def _parent(process: psutil.Process) -> int | None:
    """The parent's process number; a copy of a driver, made by a fork, has the driver's command."""
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None
