"""How many trials run side by side: what each asks of Ray, from measured memory.

    per node    the least of CPUs / threads, SHARE x free memory / peak memory, GPUs x trials per GPU
    per GPU     SHARE x GPU memory / peak GPU memory, rounded down

Ray keeps to it on every node: a trial asks for its CPUs, a share of a GPU, and, where memory was measured,
for memory. Without a measurement the CPUs decide alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.config import TrialConfig
from search_spaces.errors import InputError
from search_spaces.labels import trial_label
from search_spaces.sizes import roomy_bytes
from search_spaces.words import count
from sweeps.capacity.machine import Room
from sweeps.capacity.probe import Probes
from sweeps.options import RunOptions
from trainer.trial_needs import TrialNeeds

# What of a memory may be given to trials; the rest is for what moves beside the measured peaks.
SHARE = 0.9
# Ray counts resources in ten thousandths.
GRAIN = 10_000


@dataclass(frozen=True)
class Packing:
    """What a trial asks of Ray, how many then run at a time, and why, in words.

    gpus         share of a GPU, 0 on CPUs
    memory       bytes of a node's memory; 0: not asked for
    concurrent   trials at a time on the nodes as they are now
    """

    cpus: int
    gpus: float
    memory: int
    concurrent: int
    reason: str

    @property
    def resources(self) -> dict[str, float]:
        """The trial's resources in Ray's words."""
        found = {"cpu": float(self.cpus), "gpu": self.gpus}
        if self.memory:
            found["memory"] = self.memory
        return found


@dataclass(frozen=True)
class Wanted:
    """What the user says: CPUs per trial, GPUs per trial and most trials at a time (None: not said)."""

    cpus: int
    gpus: float | None = None
    max_concurrent: int | None = None

    @classmethod
    def by(cls, options: RunOptions) -> Wanted:
        """What a run's options say."""
        return cls(options.trial.threads, options.gpus_per_trial, options.max_concurrent)


def largest(trials: Sequence[TrialConfig]) -> TrialConfig | None:
    """The trial that takes the most memory, by arithmetic; None of none."""
    return max(trials, key=lambda t: (roomy_bytes(t), t.constraint is not None), default=None)


def choose_packing(
    trials: Sequence[TrialConfig],
    rooms: Sequence[Room],
    wanted: Wanted,
    probes: Probes,
    *,
    measure: bool = True,
) -> Packing:
    """How to pack these trials: their largest is measured where memory can be what limits them.

    An explicit share of a GPU is taken as it is; the reason warns where it is less than the measured memory
    needs. Without `measure` only cached measurements are looked at. A probe that fails leaves a whole GPU, or
    the CPUs, to each trial, and the reason says so; so do GPUs of which none is there yet.
    """
    config = largest(trials)
    present = any(room.gpus > 0 for room in rooms)
    gpus = present if wanted.gpus is None else wanted.gpus > 0
    if config is None or (gpus and not present):
        return pack(rooms, wanted, None, "")
    if gpus and wanted.gpus is not None and all(room.gpus < 1 for room in rooms):
        measure = False  # a probe would wait for a whole GPU, which others share
    if not gpus and _is_ample(config, rooms, wanted):
        return pack(rooms, wanted, None, "memory is ample")
    try:
        needs = probes.needs(config, memory=True) if measure else probes.known(config)
    except InputError as error:
        return pack(rooms, wanted, None, f"memory is not measured ({error})")
    if needs is None or needs.host_bytes is None:
        return pack(rooms, wanted, None, "memory is not measured")
    return pack(rooms, wanted, needs, f"measured on {trial_label(config)}")


def pack(rooms: Sequence[Room], wanted: Wanted, needs: TrialNeeds | None, basis: str) -> Packing:
    """The packing of trials with these needs (None: not known) into what nodes have free.

    `basis` says on what the needs rest; it ends the packing's reason.
    """
    gpus = _gpus_per_trial(rooms, wanted, needs)
    memory = _memory_per_trial(rooms, needs)
    fitting = sum(_fitting(room, wanted.cpus, gpus, memory) for room in rooms)
    concurrent = max(min(fitting, wanted.max_concurrent or fitting), 1)
    said = _limits(rooms, wanted, needs, gpus, memory)
    if wanted.max_concurrent is not None:
        said.append(f"--max-concurrent is {wanted.max_concurrent}")
    if basis:
        said.append(basis)
    if needs is not None and needs.device_total and 0 < gpus < gpu_share(needs):
        said.append(
            f"TOO MANY for a peak of {_gb(needs.device_bytes)} on GPUs of {_gb(needs.device_total)}, "
            f"which needs --gpus-per-trial {gpu_share(needs):g}"
        )
    reason = f"{count(concurrent, 'trial')} at a time: {', '.join(said)}"
    return Packing(wanted.cpus, gpus, memory, concurrent, reason)


def gpu_share(needs: TrialNeeds) -> float:
    """The least share of a GPU, in Ray's steps, with which trials stay within SHARE of its memory."""
    return min(math.ceil(GRAIN * needs.device_bytes / (SHARE * needs.device_total)) / GRAIN, 1.0)


def _gpus_per_trial(rooms: Sequence[Room], wanted: Wanted, needs: TrialNeeds | None) -> float:
    """What was asked for; else, where there are GPUs, a share by measured memory or a whole one."""
    if wanted.gpus is not None:
        return wanted.gpus
    if not any(room.gpus > 0 for room in rooms):
        return 0.0
    if needs is None or not needs.device_total:
        return 1.0
    return gpu_share(needs)


def _memory_per_trial(rooms: Sequence[Room], needs: TrialNeeds | None) -> int:
    """Bytes to ask of a node, the peak being SHARE of them; 0 where it is not known."""
    if needs is None or needs.host_bytes is None:
        return 0
    # A trial that no node can hold with room to spare still runs, alone on its node.
    largest_node = max((room.memory for room in rooms), default=0.0)
    return int(min(math.ceil(needs.host_bytes / SHARE), largest_node))


def _limits(
    rooms: Sequence[Room], wanted: Wanted, needs: TrialNeeds | None, gpus: float, memory: int
) -> list[str]:
    """How many trials the CPUs, the GPUs and the memory of all nodes would hold, each by itself, in words."""
    by_cpus, by_gpus, by_memory, free = 0, 0, 0, 0.0
    for room in rooms:
        by_cpus += int(room.cpus // wanted.cpus)
        by_gpus += _on_gpus(room.gpus, gpus)
        by_memory += int(room.memory // max(memory, 1))
        free += room.memory
    said = [f"CPUs hold {by_cpus} ({wanted.cpus} per trial)"]
    if gpus:
        said.append(f"GPUs hold {by_gpus} ({gpus:g} per trial{_device_words(needs, wanted)})")
    if memory and needs is not None and needs.host_bytes is not None:
        said.append(f"memory holds {by_memory} (peak {_gb(needs.host_bytes)}, {_gb(free)} free)")
    return said


def _is_ample(config: TrialConfig, rooms: Sequence[Room], wanted: Wanted) -> bool:
    """Whether every node holds as many of the largest trial as its CPUs do, counted generously."""
    need = roomy_bytes(config)
    most = wanted.max_concurrent or math.inf
    for room in rooms:
        trials = min(room.cpus // wanted.cpus, most)
        if room.cpus >= wanted.cpus and trials * need > SHARE * room.memory:
            return False
    return True


def _fitting(room: Room, cpus: int, gpus: float, memory: int) -> int:
    """Trials that a node holds at a time."""
    counts = [int(room.cpus // cpus)]
    if gpus:
        counts.append(_on_gpus(room.gpus, gpus))
    if memory:
        counts.append(int(room.memory // memory))
    return min(counts)


def _on_gpus(gpus: float, share: float) -> int:
    """Trials on a node's GPUs; a share below 1 lies on one GPU, which Ray does not split over two."""
    if not share:
        return 0
    if share >= 1:
        return int(gpus // share)
    return int(gpus) * int(1 / share + 1e-9)


def _device_words(needs: TrialNeeds | None, wanted: Wanted) -> str:
    if needs is None or wanted.gpus is not None or not needs.device_total:
        return ""
    return f": peak {_gb(needs.device_bytes)} of {_gb(needs.device_total)}"


def _gb(count: float) -> str:
    return f"{count / 1000**3:.1f} GB"
