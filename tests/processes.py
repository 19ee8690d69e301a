"""Processes that tests start: waiting for what they do, and ending them with all their children."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

# How long a test waits for something to happen on a busy machine. Nothing is measured against it.
PATIENCE = 500.0


def wait_until(
    what: str,
    happened: Callable[[], object],
    *,
    process: subprocess.Popen[Any] | None = None,
    log: Path | None = None,
    seconds: float = PATIENCE,
) -> None:
    """Wait for an event. Raises AssertionError when it does not come, or when the process ends first."""
    deadline = time.monotonic() + seconds
    while not happened():
        ended = process is not None and process.poll() is not None
        if ended and happened():
            return
        if ended or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-4000:] if log is not None else ""
            raise AssertionError(f"{'ended before' if ended else 'did not happen'}: {what}\n{said}")
        time.sleep(0.1)


def kill_family(pid: int) -> None:
    """SIGKILL a process and all its descendants; one that is gone is no error."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def end_family(process: subprocess.Popen[Any]) -> None:
    """SIGKILL a process that a test started and all its descendants, and take its exit code."""
    kill_family(process.pid)
    process.wait()
