"""What a sweep will cost in time: measured seconds per epoch, and as many trials at a time as would run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sweeps.capacity.machine import Room, cluster_rooms, local_room
from sweeps.capacity.packing import Packing, Wanted, choose_packing
from sweeps.capacity.probe import Probes, TimeEstimate, estimate, probe, probes_for
from sweeps.cluster.ray_session import ray_session
from sweeps.options import RunOptions
from sweeps.plan import Plan
from trainer.store import Store

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
    where: str = "this machine"

    @property
    def device_seconds(self) -> float:
        """GPU-seconds, or core-seconds. Trials that share a GPU share its seconds."""
        if self.time.device == "cuda":
            return self.time.seconds
        return self.time.seconds * self.packing.cpus

    @property
    def wall_seconds(self) -> float:
        """Seconds to the end. Trials that share a GPU are taken to be no faster than one after another."""
        side_by_side = self.gpus if self.time.device == "cuda" else self.packing.concurrent
        return self.time.seconds / max(side_by_side, 1)

    @property
    def bf16_gain(self) -> float | None:
        """How many times as fast the missing replicates would be in bf16; None where that is not known."""
        seconds = self.time.bf16_seconds
        if seconds is None or seconds <= 0:
            return None
        return self.time.seconds / seconds


def forecast(plan: Plan, store: Store, options: RunOptions, console: Console, *, measure: bool) -> Forecast:
    """Forecast a plan on this machine, or on the cluster of `options` when there is something to `measure`.

    With `measure`, kinds of trials without a cached measurement are measured now, a line printed about each;
    without, nothing is started and no cluster is joined. Raises InputError where a measurement fails.
    """
    if measure and options.cluster_address is not None:
        with ray_session(options):
            probes = probes_for(store, options, joined=True, bf16=True)
            found = _forecast(plan, options, console, cluster_rooms(), probes, measure=True)
        return replace(found, where="the cluster")
    probes = probes_for(store, options, joined=False, bf16=measure)
    return _forecast(plan, options, console, [local_room()], probes, measure=measure)


def _forecast(
    plan: Plan,
    options: RunOptions,
    console: Console,
    rooms: Sequence[Room],
    probes: Probes,
    *,
    measure: bool,
) -> Forecast:
    missing = plan.to_run()
    configs = [trial.config for trial in missing]
    packing = choose_packing(configs, rooms, Wanted.by(options), probes, measure=measure)
    if measure:
        for line in probe(missing, probes):
            console.print(Text(line), soft_wrap=True)
    return Forecast(estimate(missing, probes), packing, _gpus_in_use(rooms, packing))


def _gpus_in_use(rooms: Sequence[Room], packing: Packing) -> int:
    if not packing.gpus:
        return 0
    whole = sum(int(room.gpus) for room in rooms)
    # A trial of a share takes a GPU of its own as long as there are enough of them.
    needed = int(packing.concurrent * max(packing.gpus, 1.0))
    return max(1, min(whole, needed))
