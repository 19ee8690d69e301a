"""A sweep's tables and figures, made, written and printed as a command does."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from search_spaces.errors import MixedDataError, StoreError
from search_spaces.words import count
from sweeps.hints import advised

if TYPE_CHECKING:
    from analysis.crew import Crew
    from analysis.tables import Tables
    from search_spaces.config import Targets
    from trainer.store import Store, SweepManifest

# Results of somebody else's, which may be looked at.
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def why_no_table(written: Tables) -> str:
    """Why no cell of a table has a result: nothing has ended yet, or nothing that ended can be ranked."""
    ended = written.frame[written.frame["candidates_complete"] > 0]
    if ended.empty:
        return "no trial has a result yet, so there is no table"
    told = "; ".join(ended["note"].drop_duplicates())
    return f"no trial that ended can be chosen, so there is no table: {told}"


def write_tables_of(
    console: Console,
    store: Store,
    manifest: SweepManifest,
    rule: str | None,
    shown: Targets | None = None,
    prevalence: float | None = None,
    *,
    log_fpr: bool = False,
    compare_published: bool = False,
    quick: bool = False,
) -> bool:
    """Write and print a sweep's tables; returns whether every cell is complete.

    `rule`, `shown`, `prevalence` and `compare_published` as `analysis.tables.make_tables` takes them,
    `log_fpr` as `analysis.pictures.write_figures`; `quick` without intervals, figures and tests but DeLong's.
    """
    from analysis.crew import crew_for
    from analysis.statistics.draws import DRAWS
    from analysis.tables import make_tables

    if not manifest.trials:
        console.print(Text(f"{manifest.name}: no trial has been chosen yet, so there is no table"))
        return False
    root = Path(store.storage.root) if store.storage.is_local else Path()
    draws = 0 if quick else DRAWS
    with crew_for(0 if quick else len(manifest.trials)) as crew:
        crew.be_ready("analysis.statistics.bands", "analysis.pictures")
        try:
            made = make_tables(
                store,
                manifest,
                rule=rule,
                shown=shown,
                prevalence=prevalence,
                compare_published=compare_published,
                draws=draws,
                crew=crew,
            )
        except MixedDataError as error:
            again = advised("retry", "--changed-data", space=manifest.name)
            raise MixedDataError(
                f"{error}; what is of other data than there are now is trained again by: {again}"
            ) from error
        unwritten = _write(made, manifest.name, root, crew, log_fpr=log_fpr, figures=not quick)
    if unwritten is None:
        _join_again(store, made)
    is_empty = all(cell.chosen is None for cell in made.cells)
    if is_empty:
        console.print(Text(f"{manifest.name}: {why_no_table(made)}"), soft_wrap=True)
    else:
        console.print(Text(made.printed(console.width)), soft_wrap=True)
    _say_damage(console, made, manifest.name)
    if unwritten is None and not is_empty:
        console.print(Text(f"tables: {root / 'tables' / _folder(made, manifest.name)}/"), soft_wrap=True)
    elif unwritten is not None and isinstance(unwritten.__cause__, OSError):
        if unwritten.__cause__.errno not in _READ_ONLY:
            raise unwritten
        console.print(Text(f"not written, as these results may only be read: {unwritten}"), soft_wrap=True)
    return not is_empty and bool(made.frame["complete"].all())


def _join_again(store: Store, made: Tables) -> None:
    """Write the joined replicates that the tables missed, of trials that have ended."""
    ended: set[str] = set()
    for cell in made.cells:
        ended.update(candidate.trial_id for candidate in cell.candidates if candidate.final)
    store.joined.write_missed(ended)


def _say_damage(console: Console, made: Tables, sweep: str) -> None:
    """How many replicates are damaged, and what trains them again; nothing where none is."""
    damaged = 0
    for cell in made.cells:
        damaged += cell.damaged
    if damaged:
        again = advised("retry", "--failed", space=sweep)
        words = f"damaged in the store: {count(damaged, 'replicate')}; trained again by: {again}"
        console.print(Text(words), soft_wrap=True)


def _folder(made: Tables, sweep: str) -> Path:
    """Where a sweep's tables and figures stand, each below a folder of theirs."""
    is_oracle = any(cell.rule.reads_test for cell in made.cells)
    return Path(sweep) / "oracle" if is_oracle else Path(sweep)


def _write(
    made: Tables, sweep: str, root: Path, crew: Crew, *, log_fpr: bool, figures: bool
) -> StoreError | None:
    """Write tables and figures below an output folder; returns what kept them from it.

    The crew draws. Without `figures` those of an earlier table are deleted.
    What the oracle chose stands in a folder below, and takes no table's place.
    """
    from analysis.figure_files import delete_figures
    from analysis.tables import write_made

    folder = _folder(made, sweep)
    try:
        write_made(made, sweep, root / "tables" / folder, root)
        if figures:
            from analysis.pictures import write_figures

            write_figures(made, root / "figures" / folder, root, log_fpr=log_fpr, crew=crew)
        else:
            delete_figures(root / "figures" / folder, {"table.png", "table.svg"})
    except StoreError as error:
        return error
    return None
