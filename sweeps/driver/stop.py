"""How a sweep is asked to stop: a flag in the cluster, raised after a signal, read by the workers.

It also names trials that are given up: those of a block whose first trials all failed alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sweeps.signals import on_signals

ASK_SECONDS = 1.0


def new_stop_flag() -> Any:
    """A flag on the driver's node, as a Ray actor that takes no CPU. Ray must be initialised.

    There it lives as long as its driver: the loss of another node takes no flag with it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(_Flag).remote()


class _Flag:
    def __init__(self) -> None:
        self._raised = False
        self._given_up: frozenset[str] = frozenset()

    def give_up(self, trial_ids: Collection[str]) -> None:
        """Let trials that come to a worker from now on end there at once."""
        self._given_up |= frozenset(trial_ids)

    def is_given_up(self, trial_id: str) -> bool:
        """Whether a trial is to end at once."""
        return trial_id in self._given_up

    def raise_flag(self) -> None:
        """Ask every worker that looks here to stop."""
        self._raised = True

    def is_raised(self) -> bool:
        """Whether it was."""
        return self._raised


class StopQuestion:
    """Asks a flag whether to stop, at most once in ASK_SECONDS. A flag that does not answer says no."""

    def __init__(self, flag: Any) -> None:
        self._flag = flag
        self._answer = False
        self._asked = float("-inf")

    def __call__(self) -> bool:
        """True once the flag is raised."""
        import ray

        if not self._answer and time.monotonic() - self._asked >= ASK_SECONDS:
            self._asked = time.monotonic()
            try:
                self._answer = ray.get(self._flag.is_raised.remote(), timeout=10)
            except ray.exceptions.RayError:
                return False
        return self._answer


def is_given_up(flag: Any, trial_id: str) -> bool:
    """Whether a trial is not to be begun. A flag that does not answer says no."""
    import ray

    try:
        return bool(ray.get(flag.is_given_up.remote(trial_id), timeout=10))
    except ray.exceptions.RayError:
        return False


@contextmanager
def stop_on_signal(on_first: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Call `on_first` on the first signal that ends a program; a second one raises KeyboardInterrupt at once.

    Which signals these are, which are the same request, and what the block gets, `sweeps.signals` says.
    """
    seen = 0

    def handle() -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            raise KeyboardInterrupt
        on_first()

    with on_signals(handle) as listen:
        yield listen
