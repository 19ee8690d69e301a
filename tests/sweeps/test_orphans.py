"""Processes of commands that were killed are ended by the next one, those of living ones are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from sweeps.orphans import COMMAND, OWN_RAY, end_orphans, end_ray, this_command
from tests.processes import wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]


def marked(**marks: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(SLEEP, env={**os.environ, **marks})


def test_an_orphan_is_ended_and_a_living_command_s_process_is_not() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    orphan = marked(**{COMMAND: f"{gone.pid} 1"})
    reused = marked(**{COMMAND: f"{os.getpid()} 1"})  # by another process that has the number now
    ours = marked(**{COMMAND: this_command()})
    unmarked = marked()
    try:
        for child in (orphan, reused, ours, unmarked):
            wait_until("it runs", lambda child=child: COMMAND in _environment(child) or child is unmarked)  # type: ignore[misc]
        end_orphans()
        assert not _lives(orphan)
        assert not _lives(reused)
        assert _lives(ours)
        assert _lives(unmarked)
    finally:
        for child in (orphan, reused, ours, unmarked):
            child.kill()
            child.wait()


def _lives(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is None


def _environment(child: subprocess.Popen[bytes]) -> dict[str, str]:
    return psutil.Process(child.pid).environ()


def test_all_processes_of_a_ray_of_our_own_are_ended(tmp_path: Path) -> None:
    of_it, other = (marked(**{OWN_RAY: str(tmp_path / name)}) for name in ("r", "q"))
    try:
        for child in (of_it, other):
            wait_until("it runs", lambda child=child: OWN_RAY in _environment(child))  # type: ignore[misc]
        end_ray(tmp_path / "r")
        assert not _lives(of_it)
        assert _lives(other)
    finally:
        for child in (of_it, other):
            child.kill()
            child.wait()
