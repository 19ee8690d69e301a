"""A sweep's space was changed: what leaves its table is said, and agreed to before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sweeps.cli.confirm import confirm

if TYPE_CHECKING:
    from sweeps.driver.opened import OpenedSweep


def say_change(console: Console, sweep: OpenedSweep) -> None:
    """Say what running the space changes in the stored sweep of its name, where it changes anything."""
    change = sweep.change
    if change is None:
        return
    line = f"sweep {sweep.name} was run with other trials: now {change.words()}"
    if change.leaving:
        line += "; results stay stored, in no table of this sweep"
    console.print(Text(line), soft_wrap=True)


def agree_to_change(console: Console, sweep: OpenedSweep, *, take_over: bool) -> bool:
    """Say what changes, and have it agreed to where trials leave; returns whether that was needed.

    Raises LeaseError before it asks, unless `take_over`, where another driver runs the sweep.
    """
    from sweeps.driver.lease import check_free

    say_change(console, sweep)
    change = sweep.change
    if change is None or not change.leaving or not change.is_told:
        return False
    if not take_over:
        check_free(sweep.store, sweep.name)
    confirm(
        f"Replace the sweep {sweep.name}, of which {change.words()}?",
        unasked=f"{sweep.name}: expected --replace for a space that takes stored trials out of the sweep, "
        f"where nobody can be asked ({change.words()}); another name: in the file keeps both",
    )
    return True
