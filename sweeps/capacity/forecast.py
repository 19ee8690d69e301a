"""What a sweep will cost in time: measured seconds per epoch, and as many trials at a time as would run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sweeps.capacity.machine import Room, cluster_rooms, local_room
from sweeps.capacity.packing import Packing, Wanted, choose_packing
from sweeps.capacity.probe import TimeEstimate, estimate, probe, probes_for
from sweeps.cluster.ray_session import ray_session
from sweeps.options import RunOptions
from sweeps.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Forecast:
    """What a plan's missing replicates take.

    time     seconds measured on trials that had their GPU, or their CPUs, for themselves
    gpus     GPUs that trials use at a time
    where    "this machine" or "the cluster"
    """

    time: TimeEstimate
    packing: Packing
    gpus: int
    where: str

    @property
    def device_seconds(self) -> float:
        """GPU-seconds, or core-seconds. Trials that share a GPU share its seconds."""
        return self.time.seconds * (1 if self.time.device == "cuda" else self.packing.cpus)

    @property
    def wall_seconds(self) -> float:
        """Seconds to the end. Trials that share a GPU are taken to be no faster than one after another."""
        side_by_side = self.gpus if self.time.device == "cuda" else self.packing.concurrent
        return self.time.seconds / max(side_by_side, 1)

    @property
    def bf16_gain(self) -> float | None:
        """How many times as fast the missing replicates would be in bf16; None where that is not known."""
        seconds = self.time.bf16_seconds
        return None if seconds is None or seconds <= 0 else self.time.seconds / seconds


def forecast(plan: Plan, options: RunOptions, console: Console, *, measure: bool) -> Forecast:
    """Forecast a plan on this machine, or on the cluster of `options` when there is something to `measure`.

    With `measure`, kinds of trials without a cached measurement are measured now, a line printed about each;
    without, nothing is started and no cluster is joined. Raises InputError where a measurement fails.
    """
    if measure and options.cluster_address is not None:
        with ray_session(options):
            found = _forecast(plan, options, console, cluster_rooms(), joined=True, measure=True)
        return found
    return _forecast(plan, options, console, [local_room()], joined=False, measure=measure)


def _forecast(
    plan: Plan, options: RunOptions, console: Console, rooms: Sequence[Room], *, joined: bool, measure: bool
) -> Forecast:
    probes = probes_for(options, joined=joined, bf16=measure)
    wanted = Wanted(options.cpus_per_trial, options.gpus_per_trial, options.max_concurrent)
    missing = plan.to_run()
    packing = choose_packing([t.config for t in missing], rooms, wanted, probes, measure=measure)
    if measure:
        for line in probe(missing, probes):
            console.print(Text(line), soft_wrap=True)
    return Forecast(
        estimate(missing, probes),
        packing,
        _gpus_in_use(rooms, packing),
        "the cluster" if joined else "this machine",
    )


def _gpus_in_use(rooms: Sequence[Room], packing: Packing) -> int:
    if not packing.gpus:
        return 0
    whole = sum(int(room.gpus) for room in rooms)
    needed = packing.concurrent * packing.gpus if packing.gpus >= 1 else packing.concurrent
    return max(1, min(whole, int(needed)))
