"""Who holds a sweep's lease, and whether that driver lives, as far as can be known from here."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil

from sweeps.processes import namespace_of

STALE_SECONDS = 60.0
_LARGEST_PID = 2**31 - 1

Life = Literal["alive", "dead", "silent"]


@dataclass(frozen=True)
class Holder:
    """The driver that a lease names, and what it last said. Times are seconds since 1970.

    token       of the driver
    host        its machine's name
    machine     which boot of which machine, and which namespace of process numbers in it: two containers may
                share a name; "" where that was not told
    pid         its process there
    since       when its process began
    heartbeat   its last sign of life
    under_way   the trials that ran then: epochs that had ended, and of how many, by trial id
    """

    token: str
    host: str
    machine: str
    pid: int
    since: float
    heartbeat: float
    under_way: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        """Whether it lives, for all that is known without waiting for its next heartbeat."""
        return self.life == "alive"

    @property
    def life(self) -> Life:
        """Whether it lives.

        A process of this machine can be looked at. One elsewhere is alive while its last heartbeat is from
        this minute; else it is silent, or its clock is another: its next heartbeat would tell.
        """
        is_recent = abs(time.time() - self.heartbeat) <= STALE_SECONDS
        if not self._is_here:
            return "alive" if is_recent else "silent"
        return "alive" if self._has_process and time.time() - self.heartbeat <= STALE_SECONDS else "dead"

    @property
    def _is_here(self) -> bool:
        """Whether its process number is one of this machine's, as this process sees them."""
        return self.host == socket.gethostname() and self.machine in ("", this_machine())

    @property
    def _has_process(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.since) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@cache
def this_machine() -> str:
    """The boot of this machine, and this process's namespace of process numbers; "" where neither is told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    namespace = namespace_of("self")
    return f"{boot} {namespace}" if namespace else ""


def parse_holder(data: bytes) -> Holder | None:
    """Who a lease names; None where that cannot be understood: damaged, or somebody else's file."""
    try:
        content = json.loads(data)
        under_way = {}
        for trial_id, (epoch, epochs) in content.get("under_way", {}).items():
            under_way[str(trial_id)] = (int(epoch), int(epochs))
        holder = Holder(
            token=_text(content["token"]),
            host=_text(content["host"]),
            machine=_text(content.get("machine", "")),
            pid=int(content["pid"]),
            since=float(content["started"]),
            heartbeat=float(content["heartbeat"]),
            under_way=under_way,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None
    is_possible = 0 < holder.pid <= _LARGEST_PID and math.isfinite(holder.since + holder.heartbeat)
    return holder if is_possible else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, given {value!r}")
    return value
