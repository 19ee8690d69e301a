"""A large run is agreed to before it begins: at the terminal, or by --yes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from search_spaces.words import count
from sweeps.cli.confirm import confirm
from sweeps.hints import advised

if TYPE_CHECKING:
    from sweeps.driver.opened import OpenedSweep
    from sweeps.options import RunOptions
    from sweeps.plan import Plan

# A run that trains more replicates than this is agreed to first.
LARGE_RUN = 1000


def agree(sweep: OpenedSweep, options: RunOptions, retry: Collection[str] = ()) -> bool:
    """Have a large run agreed to, as `confirm` does; returns whether it is one. Nothing has been written yet.

    `retry` says which of the sweep's trials are run again. The store is read only where the run can be large.
    """
    from sweeps.driver.two_stage import expected
    from sweeps.plan import make_plan

    whole = expected(sweep.manifest)
    if sum(len(config.seeds) for config in whole.trials) + _unsuggested(sweep) <= LARGE_RUN:
        return False
    to_train = _to_train(make_plan(sweep.name, whole.trials, sweep.store), retry)
    replicates = to_train.missing_replicates()
    if not retry:
        replicates += _unsuggested(sweep)
    return agree_to(sweep.name, replicates, lambda: _time(sweep, options, to_train))


def agree_to(sweep: str, replicates: int, time: Callable[[], str] = str) -> bool:
    """Have the training of so many replicates agreed to, likewise; `time` says how long it takes."""
    if replicates <= LARGE_RUN:
        return False
    confirm(
        f"Train {count(replicates, 'replicate')}{time()}?",
        unasked=f"{sweep}: expected --yes for a run of more than {LARGE_RUN:,} replicates where nobody "
        f"can be asked; this one trains {replicates:,}",
    )
    return True


def _to_train(plan: Plan, retry: Collection[str]) -> Plan:
    """The plan of what a run trains."""
    if not retry:
        return plan
    again = [replace(trial, missing=trial.config.seeds) for trial in plan.of(*retry)]
    return replace(plan, trials=tuple(again))


def _unsuggested(sweep: OpenedSweep) -> int:
    """Replicates of the trials that a search has still to suggest."""
    if sweep.search is None:
        return 0
    return sweep.manifest.unchosen * len(sweep.search.seeds)


def _time(sweep: OpenedSweep, options: RunOptions, to_train: Plan) -> str:
    """How long a run takes on this machine, in words, where every kind of its trials has been measured."""
    from sweeps.capacity.forecast import forecast
    from sweeps.driver.progress import duration

    if options.cluster_address is not None or _unsuggested(sweep):
        return ""
    found = forecast(to_train, sweep.store, options, Console(), measure=False)
    if found.time.unknown:
        return f" (time unknown; measured by: {advised('plan', '--probe', space=sweep.name)})"
    return f", for at most {duration(found.wall_seconds)} on {found.where}"
