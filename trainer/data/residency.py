"""Whether a trial's images stay on its device: one rule, by what they take and what the device has."""

from __future__ import annotations

import torch

from trainer.data.task import TaskData
from trainer.data.where import ImagesWhere
from trainer.limits import whole_memory

# What of the memory of a GPU, or of the machine, the images of one trial may take.
SHARE = 0.25


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
    return whole_memory()
