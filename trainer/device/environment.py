"""Where a result came from: node, device, library versions, git commit."""

from __future__ import annotations

import errno
import os
import platform
import re
import resource
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from trainer.device.precision import bf16_instructions

# How torch says, in a plain RuntimeError, that memory ran out: its CPU allocator, and CUDA's libraries.
_NO_MEMORY = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    # what is left of an OutOfMemoryError when every algorithm of a convolution asked for too much
    "unable to find an engine to execute this computation",
)
CPUINFO = Path("/proc/cpuinfo")
LIBRARIES = ("almsweep", "torch", "numpy", "pyarrow", "scikit-learn")


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a number."""
    return {"python": platform.python_version(), **versions_of(*LIBRARIES)}


def versions_of(*names: str) -> dict[str, str]:
    """Versions of installed distributions by name; "not installed" for the others."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def git_commit() -> str:
    """Commit of the code that runs: ALMSWEEP_COMMIT, else git's word on this file, else "unknown".

    A trailing "-dirty" says that the source differs from the commit. Git is believed only where it tracks
    this file: a package installed inside somebody's repository is no part of that repository's commit.
    """
    if commit := os.environ.get("ALMSWEEP_COMMIT"):
        return commit
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    tracked = _answer([*git, "ls-files", "--error-unmatch", here.name], seconds=10)
    described = _answer([*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], seconds=10)
    return described if tracked and described else "unknown"


def _answer(command: list[str], *, seconds: float) -> str | None:
    """What a program answers within this time, None where it is missing, fails, or says nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def node_name() -> str:
    """The host name of the machine, container or pod."""
    return socket.gethostname()


def device_name(device: torch.device) -> str:
    """The device in words: the GPU's name, or the processor's architecture."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def machine_facts(device: torch.device) -> dict[str, str | None]:
    """What a result's rounding depends on beside device, threads and library versions; None: unknown.

    processor        the processor's model, or its architecture where the system does not tell the model
    cpu_capability   the vector instructions that torch's own kernels use ("AVX2", "AVX512", "DEFAULT", ...);
                     behind them those for bf16 that the processor has beside ("AVX512, avx512_bf16"), and the
                     limit that was set for oneDNN, where one was ("AVX512, oneDNN AVX2")
    gpu_driver       the NVIDIA driver's version where the device is a GPU
    """
    return {
        "processor": processor_model(),
        "cpu_capability": cpu_capability(),
        "gpu_driver": gpu_driver() if device.type == "cuda" else None,
    }


@cache
def processor_model() -> str:
    """The processor's model by Linux's word ("AMD EPYC 7763 64-Core Processor"), else its architecture."""
    return " ".join(cpuinfo("model name").split()) or platform.processor() or platform.machine()


def cpuinfo(*names: str) -> str:
    """Linux's word on the first processor: the first entry of one of these names, "" where there is none."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:  # no Linux
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def cpu_capability() -> str:
    """The vector instructions of torch's kernels, those for bf16, and oneDNN's limit where one is set."""
    found = ", ".join([torch.backends.cpu.get_cpu_capability(), *bf16_instructions()])
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    # Whatever else stands there is no name of instructions, and none of a result's business.
    if re.fullmatch(r"[A-Za-z0-9_]{1,40}", limit):
        return f"{found}, oneDNN {limit.upper()}"
    return found


@cache
def gpu_driver() -> str | None:
    """The version of the NVIDIA driver, by its own tool; None where that gives no answer."""
    return _answer(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"], seconds=20
    )


def reset_peak_memory() -> None:
    """Count peaks from now on, as far as the system can: a process trains one trial after another."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # where there is no Linux, or no leave, the process's own peak stays
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes() -> int:
    """Most memory that this process has held since `reset_peak_memory`: on the GPU if used, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return torch.cuda.max_memory_allocated()
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """The most memory that this process has had resident, pages that it shares with others included."""
    try:
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        # Elsewhere the kernel's own account, which on Linux would start at the parent's size.
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on the CPU or on a GPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def default_device() -> torch.device:
    """The first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
