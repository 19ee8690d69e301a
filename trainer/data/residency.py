"""Whether a trial's images stay on its device: one rule, by what they take and what the device has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch

from trainer.data.task import TaskData
from trainer.data.where import ImagesWhere

# What of the memory of a GPU, or of the machine, the images of one trial may take.
SHARE = 0.25
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def streams(data: TaskData, device: torch.device, where: ImagesWhere) -> bool:
    """Whether a trial's images are read batch by batch: where they do not fit, or `where` says so."""
    if where != "auto":
        return where == "streamed"
    return resident_bytes(data) > SHARE * memory_of(device)


def resident_bytes(data: TaskData) -> int:
    """What images take that stay: those of the pool, and those of validation, normalised too."""
    return data.pool.pixels.nbytes + 5 * data.validation.pixels.nbytes


def memory_of(device: torch.device) -> int:
    """Bytes of memory of a GPU; of a CPU those of the machine, or what the control group allows."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([memory, *_limits()])


def _limits() -> list[int]:
    """The limits of memory of the control groups that hold this process, of either version."""
    files = [_CGROUPS / "memory.max", _CGROUPS / "memory" / "memory.limit_in_bytes"]
    try:
        lines = _OWN_CGROUPS.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            files.append(_CGROUPS / "memory" / path.strip("/") / "memory.limit_in_bytes")
        elif not controllers:
            files.append(_CGROUPS / path.strip("/") / "memory.max")
    found = []
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(file.read_text()))
    return found
