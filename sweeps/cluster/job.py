"""A Ray job that runs a sweep: what Ray tells of it, and which sweep its command means."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from search_spaces.errors import Interrupted

SWEEP_KEY = "almsweep.sweep"
OUTPUT_KEY = "almsweep.output"
LOST_CODE = 1
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
_PROGRAMS = ("almsweep", "almsweep-entrypoint", "sweeps.cli", "sweeps.launch", "launch.py")

# The commands of the command line by name: each can tell what its arguments mean (`make_context`).
Commands: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class SweepJob:
    """A Ray job that runs a sweep. Times are seconds since 1970; `output` is None where it was not told."""

    job_id: str
    sweep: str
    status: str
    output: str | None
    started: float | None
    ended: float | None
    exit_code: int | None

    @property
    def is_running(self) -> bool:
        """Whether it waits or runs."""
        return self.status not in _ENDED

    def code(self) -> int:
        """The exit code to pass on: the driver's own, 130 for a stopped job, 1 where Ray does not know it."""
        if self.status == "SUCCEEDED":
            return 0
        if self.status == "STOPPED":
            return Interrupted.exit_code
        return self.exit_code or LOST_CODE


def sweep_job(details: Any, commands: Commands, *, anything: bool = False) -> SweepJob | None:
    """A job of Ray's as a sweep job, or None when it runs no sweep (unless `anything`)."""
    metadata = details.metadata or {}
    sweep = metadata.get(SWEEP_KEY) or sweep_of_entrypoint(details.entrypoint or "", commands)
    if details.submission_id is None or (sweep is None and not anything):
        return None
    return SweepJob(
        job_id=details.submission_id,
        sweep=sweep or "",
        status=str(details.status.value),
        output=metadata.get(OUTPUT_KEY),
        started=_seconds(details.start_time),
        ended=_seconds(details.end_time),
        exit_code=details.driver_exit_code,
    )


def _seconds(milliseconds: float | None) -> float | None:
    """Ray's time in seconds; None where it has not come."""
    if not milliseconds:
        return None
    return milliseconds / 1000


def sweep_of_entrypoint(entrypoint: str, commands: Commands) -> str | None:
    """The sweep that a job's shell command runs, None where it runs none; for jobs of `ray job submit`.

    "almsweep run --gpus-per-trial 0.5 spaces/margins.yaml" runs margins; "almsweep status paper" runs none.
    """
    try:
        words = shlex.split(entrypoint)
    except ValueError:
        return None
    for place in range(len(words) - 2):
        program, command, *rest = words[place:]
        if Path(program).name in _PROGRAMS and command in ("run", "retry"):
            context = commands[command].make_context(command, rest, resilient_parsing=True)
            space = context.params.get("space")
            if space is None:
                return None
            return Path(space).name.removesuffix(".yaml").removesuffix(".yml")
    return None
