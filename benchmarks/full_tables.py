"""What `almsweep tables` takes over a store as the paper's sweep leaves it.

    python -m benchmarks.full_tables FOLDER [--cores 2] [--trials 300]

Makes the store in the folder where there is none (`benchmarks.full_store`), then runs the command in
processes of their own that may use so many cores: with `--quick`, and whole. Prints a table in Markdown. CPU
seconds and memory are those of the command and the processes that it starts; memory is the largest sum of
their proportional set sizes that was seen, twice a second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.full_store import SWEEP, make_store

_EVERY = 0.5  # seconds
_COMMANDS = {"without intervals, tests and figures (`--quick`)": ["--quick"], "whole": []}


@dataclass(frozen=True)
class Taken:
    """What a command took: wall and CPU seconds, and bytes."""

    wall: float
    cpu: float
    memory: int


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_tables")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--trials", type=int, help="of a store that is made: these so many, spread over all")
    given = parser.parse_args(arguments)
    if not (given.folder / "sweeps").is_dir():
        make_store(given.folder, given.trials, processes=given.cores)
    print("| `almsweep tables` | wall, s | CPU, s | memory, MiB |\n|---|---:|---:|---:|")
    for name, options in _COMMANDS.items():
        taken = measured(["tables", SWEEP, "--output", str(given.folder), *options], given.cores)
        print(f"| {name} | {taken.wall:.0f} | {taken.cpu:.0f} | {taken.memory / 2**20:.0f} |", flush=True)
    return 0


def measured(command: Sequence[str], cores: int) -> Taken:
    """What an almsweep command takes on the first so many cores. Raises CalledProcessError where it fails."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    start, most = time.perf_counter(), 0
    cpu_before = os.times()
    program = [sys.executable, "-m", "sweeps.cli", *command]
    process = subprocess.Popen(
        program,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    while process.poll() is None:
        most = max(most, _memory(process.pid))
        time.sleep(_EVERY)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, program)
    wall, cpu = time.perf_counter() - start, os.times()
    used = cpu.children_user - cpu_before.children_user + cpu.children_system - cpu_before.children_system
    return Taken(wall, used, most)


def _memory(pid: int) -> int:
    """Bytes of a process and of those that it started; 0 where it has ended."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.Error:
        return total
    return total


if __name__ == "__main__":
    raise SystemExit(main())
