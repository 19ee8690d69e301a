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
    has_bf16            whether the device multiplies bf16 in hardware; None: it was not asked
    bf16_seconds        what `seconds_per_epoch` would be with `precision: bf16`; None: not measured, as for a
                        trial that is bf16 already or a device without such arithmetic
    """

    device: str
    seconds_per_epoch: float
    host_bytes: int | None
    device_bytes: int = 0
    device_total: int = 0
    has_bf16: bool | None = None
    bf16_seconds: float | None = None
