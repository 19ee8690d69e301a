"""The machine of a measurement in words, and the energy that it takes where that can be read."""

from __future__ import annotations

import importlib
import os
import platform
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import usable_cores
from trainer.device.environment import git_commit, gpu_driver, library_versions, processor_model, versions_of
from trainer.device.precision import has_bf16

POWERCAP = Path("/sys/class/powercap")


def describe(device: str) -> dict[str, Any]:
    """Processor or GPU, cores, bf16, versions and commit, as JSON holds them."""
    facts: dict[str, Any] = {
        "device": device,
        "cores": usable_cores(),
        "processor": processor_model(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16_instructions": has_bf16(torch.device(device)),
        "system": platform.platform(),
        "versions": {**library_versions(), **versions_of("torchvision", "pillow")},
        "cuda": torch.version.cuda,
        "commit": git_commit(),
    }
    if device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
        facts["gpu_memory_bytes"] = torch.cuda.get_device_properties(0).total_memory
        facts["driver"] = gpu_driver()
    return facts


def load_average() -> float:
    """Processes that wanted to run, in the mean of the last minute: what else a machine did."""
    return os.getloadavg()[0]


class EnergyMeter:
    """Joules since some moment, of the first GPU (NVML) or of all processor packages (RAPL).

    `source` says which, or why there is no reading.
    """

    def __init__(self, device: str) -> None:
        self._nvml: Any = None
        self._domains: list[Path] = []
        if device == "cuda":
            self.source = self._open_nvml()
        else:
            # Below "intel-rapl:0" lie its parts, "intel-rapl:0:1", which it holds already.
            found = sorted(POWERCAP.glob("*rapl:[0-9]*")) if POWERCAP.is_dir() else []
            packages = [domain for domain in found if domain.name.count(":") == 1]
            self._domains = [domain for domain in packages if os.access(domain / "energy_uj", os.R_OK)]
            self.source = "RAPL, all packages" if self._domains else "unknown: no readable RAPL counter"

    def _open_nvml(self) -> str:
        try:
            self._nvml = importlib.import_module("pynvml")
            self._nvml.nvmlInit()
            # By identity: NVML knows nothing of CUDA_VISIBLE_DEVICES.
            name = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(name)
            self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except Exception as error:  # NVML's own exception types come with the module that may be missing
            self._nvml = None
            return f"unknown: NVML cannot be read ({type(error).__name__}: {error})"
        return "NVML, the whole GPU"

    def read(self) -> list[float]:
        """The counters now, in joules; none where there is nothing to read."""
        if self._nvml is not None:
            return [self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1e3]
        return [int((domain / "energy_uj").read_text()) / 1e6 for domain in self._domains]

    def since(self, before: list[float]) -> float | None:
        """Joules since `read` gave `before`; a counter that has wrapped meanwhile gives None."""
        after = self.read()
        if not after or any(b > a for b, a in zip(before, after, strict=True)):
            return None
        return sum(after) - sum(before)
