"""The commands about results: tables, reconcile, ui."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import InputError, MixedDataError, StoreError
from search_spaces.words import count
from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, Output, Replicates, Rule, Sweep, TrackingUri
from sweeps.hints import advised, is_given, is_output

# Results of somebody else's, which may be looked at.
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)

if TYPE_CHECKING:
    from analysis.tables import Tables
    from search_spaces.config import Targets
    from trainer.store import Store, SweepManifest

Tpr = Annotated[
    list[float] | None,
    typer.Option("--tpr", help="Tell the false positive rate at this true positive rate; repeatable."),
]
Fpr = Annotated[
    list[float] | None,
    typer.Option("--fpr", help="Tell the true positive rate at this false positive rate; repeatable."),
]
Prevalence = Annotated[
    float | None,
    typer.Option(
        "--prevalence",
        help="Tell precision and NPV of operating points at this share of positives too, like 0.01.",
    ),
]
LogFpr = Annotated[
    bool, typer.Option("--log-fpr", help="Draw ROC curves on a logarithmic scale of the false positive rate.")
]

ComparePublished = Annotated[
    bool,
    typer.Option(
        "--compare-published", help="Set choices beside the 68 that the paper's authors publish, per cell."
    ),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (tables, reconcile, ui):
        app.command()(guarded(command))


def tables(
    context: typer.Context,
    space: Annotated[
        str, typer.Argument(metavar="SPACE-OR-OUTPUT", help="A space, a sweep, or an output folder.")
    ],
    output: Output = DEFAULT_OUTPUT,
    replicates: Replicates = None,
    rule: Rule = None,
    tpr: Tpr = None,
    fpr: Fpr = None,
    prevalence: Prevalence = None,
    log_fpr: LogFpr = False,
    compare_published: ComparePublished = False,
) -> None:
    """Select the best configuration per cell on validation, and write the tables again.

    Without --tpr they tell the false positive rates at the sweep's own true positive rates.

    Of an output folder, sweeps that cannot be read get none: the others do, then they are an error.
    """
    from search_spaces.config import Targets
    from sweeps.driver.opened import Refused, each_stored
    from trainer.store import Store

    console = Console()
    store, names = _named_results(space, Store(output), output_is_given=is_given(context, "output"))
    at_tpr, at_fpr = _rates("--tpr", tpr), _rates("--fpr", fpr)
    _rates("--prevalence", None if prevalence is None else [prevalence])
    complete, refused = True, Refused()
    for sweep in each_stored(names, store, refused, replicates):
        shown = Targets(tpr=at_tpr or sweep.manifest.reading.targets.tpr, fpr=at_fpr)
        with refused.of(sweep.name):
            complete &= write_tables_of(
                console,
                store,
                sweep.manifest,
                rule,
                shown,
                prevalence,
                log_fpr=log_fpr,
                compare_published=compare_published,
            )
    refused.check()
    if not complete:
        raise typer.Exit(1)


def _named_results(space: str, output: Store, *, output_is_given: bool) -> tuple[Store, list[str]]:
    """The store and the sweeps that SPACE-OR-OUTPUT names.

    A word is a sweep of the output first, whatever folder has that name too. Raises InputError where both are
    real, and for a folder without results.
    """
    from search_spaces.catalog import NAMED_SPACES
    from trainer.store import Store

    is_folder = is_output(space, output_is_given=output_is_given)
    is_word = "/" not in space and Path(space).is_dir()
    if is_word and space in output.sweep_names():
        is_output_itself = output.storage.is_local and Path(space).samefile(output.storage.root)
        if is_folder and not is_output_itself:
            raise InputError(
                f"{space}: expected a sweep or an output folder, found both; say ./{space} for the results "
                f"in that folder, or --output {output.uri} too for the sweep {space} there"
            )
        return output, [space]
    if is_folder:
        store = Store(space)
        if names := store.sweep_names():
            return store, names
        store.check_trial_schema()
    elif not is_word or space.casefold() in NAMED_SPACES:
        return output, [space]
    raise InputError(f"{space}: expected a result store with a sweep in it, found none")


def reconcile(space: Sweep, output: Output = DEFAULT_OUTPUT, tracking_uri: TrackingUri = None) -> None:
    """Bring MLflow level with the result store."""
    from sweeps.driver.lease import is_held
    from sweeps.driver.opened import open_stored
    from sweeps.tracking.reconcile import reconcile as bring_level
    from trainer.store import Store

    store = Store(output)
    name = open_stored(space, store).name
    manifest = store.read_sweep(name)  # raises where the space was never run
    counts = bring_level(store, manifest, tracking_uri, is_running=is_held(store, name))
    words = f"{count(counts.created, 'run')} created, {counts.updated} brought level"
    words += f", {counts.unchanged} were level, {counts.ended} ended, {counts.failed} failed"
    if counts.left:
        words += f", {counts.left} marked as out of the sweep's space, or as back in it"
    Console().print(f"sweep {name}: {words}", highlight=False, soft_wrap=True)
    if counts.failed:
        raise typer.Exit(1)


def ui(
    output: Output = DEFAULT_OUTPUT,
    tracking_uri: TrackingUri = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Open MLflow's own UI on a sweep's results, until Ctrl-C."""
    from sweeps.tracking.ui import serve
    from trainer.store import Store

    if tracking_uri is None:
        Store(output).check_trial_schema()
    serve(output, tracking_uri, host=host, port=port)


def _rates(option: str, given: list[float] | None) -> tuple[float, ...]:
    """The rates of an option that was given; none where it was not. Raises InputError for what is no rate."""
    from search_spaces.problem import Problem
    from search_spaces.reading import parse_rates

    try:
        return parse_rates("", given) if given else ()
    except Problem as problem:
        raise InputError(str(problem.at(option))) from None


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
) -> bool:
    """Write and print a sweep's tables; returns whether every cell is complete.

    `rule`, `shown`, `prevalence` and `compare_published` as `analysis.tables.make_tables` takes them,
    `log_fpr` as `analysis.pictures.write_figures`.
    """
    from analysis.tables import make_tables

    if not manifest.trials:
        console.print(Text(f"{manifest.name}: no trial has been chosen yet, so there is no table"))
        return False
    root = Path(store.storage.root) if store.storage.is_local else Path()
    try:
        made = make_tables(
            store,
            manifest,
            rule=rule,
            shown=shown,
            prevalence=prevalence,
            compare_published=compare_published,
        )
    except MixedDataError as error:
        again = advised("retry", "--changed-data", space=manifest.name)
        raise MixedDataError(
            f"{error}; what is of other data than there are now is trained again by: {again}"
        ) from error
    unwritten = _write(made, manifest.name, root, log_fpr=log_fpr)
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


def _write(made: Tables, sweep: str, root: Path, *, log_fpr: bool) -> StoreError | None:
    """Write tables and figures below an output folder; returns what kept them from it.

    What the oracle chose stands in a folder below, and takes no table's place.
    """
    from analysis.pictures import write_figures
    from analysis.tables import write_made

    folder = _folder(made, sweep)
    try:
        write_made(made, sweep, root / "tables" / folder, root)
        write_figures(made, root / "figures" / folder, root, log_fpr=log_fpr)
    except StoreError as error:
        return error
    return None
