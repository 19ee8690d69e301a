"""The commands about results: tables, reconcile, ui."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from search_spaces.errors import InputError
from search_spaces.words import count
from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, Output, Replicates, Rule, Sweep, TrackingUri
from sweeps.cli.written_tables import write_tables_of
from sweeps.hints import is_given, is_output

if TYPE_CHECKING:
    from trainer.store import Store

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
Quick = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="Without draws: no intervals, tests but DeLong's, nor figures; those of an earlier table go.",
    ),
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
    quick: Quick = False,
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
                quick=quick,
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
