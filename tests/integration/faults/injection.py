"""Faults inside a trial's process, injected when an epoch of one replicate begins.

Every epoch that a replicate begins is noted in a journal and takes PACE seconds at least, so that a sweep
has a middle, and its tests know where it is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import sweeps.driver.watchdog
import trainer.store.local
from sweeps.driver.worker import train_trial
from trainer.replicate import Replicate

PACE = 0.15
FAULTY_EPOCH = 2
# The watchdog's least limit where a trial hangs; an epoch takes PACE, and more on a busy machine.
HANG_SECONDS = 20.0
# How long the victim's storage fails: longer than it may hang.
OUTAGE_SECONDS = 2 * HANG_SECONDS
# On a disk that is nearly full small files still find a place.
SMALL_FILE_BYTES = 4096


@dataclass(frozen=True)
class Injection:
    """Which fault hits the trial `victim`, and the folder of the journal and of the mark that it happened."""

    fault: str
    victim: str
    folder: str


def faulty_trial(params: dict[str, Any], injection: Injection, **rest: Any) -> None:
    """`train_trial`, paced, noted in the journal, with the fault in the victim."""
    plain_epoch, plain_write = Replicate.begin_epoch, trainer.store.local.write_below
    mark = Path(injection.folder) / "fault-happened"
    trial_id = params["trial_id"]
    strike = STRIKES.get(injection.fault)
    repeats = injection.fault.endswith("always")

    def begin_epoch(self: Replicate) -> None:
        _note(injection.folder, f"{os.getpid()} {trial_id} {self.seed} {self.epoch}\n")
        time.sleep(PACE)
        if injection.fault == "same-error":
            raise ZeroDivisionError("injected")
        hit = trial_id == injection.victim and self.seed == self.setup.config.seeds[0]
        if strike and hit and self.epoch == FAULTY_EPOCH and (repeats or not mark.exists()):
            mark.touch()
            strike(self)
        plain_epoch(self)

    Replicate.begin_epoch = begin_epoch  # type: ignore[method-assign]
    try:
        with _impatient_watchdog(injection.fault):
            train_trial(params, **rest)
    finally:
        Replicate.begin_epoch = plain_epoch  # type: ignore[method-assign]
        trainer.store.local.write_below = plain_write


def _note(folder: str, line: str) -> None:
    """Append a line in one write, so that lines of several processes do not mix."""
    handle = os.open(Path(folder) / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


@contextmanager
def _impatient_watchdog(fault: str) -> Iterator[None]:
    names = ("LEAST_SECONDS", "TIMES_MEDIAN", "HARD_EXIT_SECONDS")
    plain = {name: getattr(sweeps.driver.watchdog, name) for name in names}
    if fault.startswith("hang") or fault == "storage-fails":
        sweeps.driver.watchdog.LEAST_SECONDS, sweeps.driver.watchdog.TIMES_MEDIAN = HANG_SECONDS, 2.0
        sweeps.driver.watchdog.HARD_EXIT_SECONDS = 5.0
    try:
        yield
    finally:
        for name, value in plain.items():
            setattr(sweeps.driver.watchdog, name, value)


def _hang(replicate: Replicate) -> None:
    time.sleep(600)


def _hang_holding_the_lock(replicate: Replicate) -> None:
    """As native code that never returns: no other thread of Python runs in the meantime."""
    ctypes.PyDLL(None).sleep(600)


def _gpu_memory(replicate: Replicate) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory (injected)")


def _cpu_memory(replicate: Replicate) -> None:
    torch.empty(1 << 52, dtype=torch.uint8)


def _error(replicate: Replicate) -> None:
    raise ZeroDivisionError("injected")


def _diverge(replicate: Replicate) -> None:
    with torch.no_grad():
        for parameter in replicate.model.parameters():
            parameter.fill_(float("nan"))


def _storage_fails(replicate: Replicate) -> None:
    _fail_writes(until=time.monotonic() + OUTAGE_SECONDS, least=0)


def _storage_full(replicate: Replicate) -> None:
    _fail_writes(until=float("inf"), least=SMALL_FILE_BYTES)


def _fail_writes(until: float, least: int) -> None:
    plain = trainer.store.local.write_below

    def write(root: str, relative: str, data: bytes, *, lasting: bool = True) -> None:
        if time.monotonic() < until and len(data) >= least:
            raise OSError(errno.ENOSPC, "No space left on device", relative)
        plain(root, relative, data, lasting=lasting)

    trainer.store.local.write_below = write


# Those whose name ends in "always" hit every attempt, the others the first one only.
STRIKES: dict[str, Callable[[Replicate], None]] = {
    "hang": _hang,
    "hang-holding-the-lock": _hang_holding_the_lock,
    "hang-always": _hang,
    "gpu-memory": _gpu_memory,
    "gpu-memory-always": _gpu_memory,
    "cpu-memory": _cpu_memory,
    "cpu-memory-always": _cpu_memory,
    "error": _error,
    "error-always": _error,
    "diverge": _diverge,
    "storage-fails": _storage_fails,
    "storage-full": _storage_full,
}
