"""What this machine, or a cluster's nodes, have free for trials."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sweeps.compat import free_resources
from trainer.limits import allowed_cpus, free_memory


@dataclass(frozen=True)
class Room:
    """What one node has free: CPUs, GPUs, and bytes of memory."""

    cpus: float
    gpus: float
    memory: float


def local_room() -> Room:
    """What this machine has: CPUs that this process may use, GPUs, memory that is free now."""
    return Room(float(allowed_cpus()), float(len(gpu_names())), float(free_memory()))


def cluster_rooms() -> list[Room]:
    """What each living node of the connected cluster has free. Ray counts what it has given away itself."""
    import ray

    free, rooms = free_resources(), []
    for node in ray.nodes():
        if node["Alive"]:
            found = free.get(node["NodeID"], {})
            rooms.append(Room(found.get("CPU", 0.0), found.get("GPU", 0.0), found.get("memory", 0.0)))
    return rooms


def node_resources() -> list[dict[str, float]]:
    """All resources of each living node of the connected cluster, free or not, as Ray names them."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


@cache
def machine_kind() -> str:
    """What the time and memory of a trial depend on here: processor, and GPUs where there are any."""
    return " ".join([platform.machine(), _processor(), *sorted(set(gpu_names()))])


@cache
def gpu_names() -> tuple[str, ...]:
    """Name and memory of every NVIDIA GPU that this process may use, told by the driver without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return ()
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    names = tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
    if visible is not None:
        names = names[: len(visible.split(","))]
    return names


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""
