"""What one trial takes of a machine: time, memory, GPU memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrialNeeds:
    """What one trial takes, measured.

    device              "cuda" or "cpu"
    seconds_per_epoch   of each replicate, validation included: a trial's epoch divided by its replicates
    host_bytes          peak resident memory of the trial's process; None: not measured
    device_bytes        peak memory of the GPU, with the CUDA context and all else that held it; 0 without GPU
    device_total        the GPU's whole memory; 0 without GPU
    """

    device: str
    seconds_per_epoch: float
    host_bytes: int | None
    device_bytes: int = 0
    device_total: int = 0
