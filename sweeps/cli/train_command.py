"""The command that trains one trial without Ray: train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import DataError, InputError
from sweeps.cli.given import trial_options, with_options
from sweeps.cli.guard import guarded
from sweeps.cli.one_device import Device, chosen_device
from sweeps.cli.one_trial import Described, trial_of_space
from sweeps.cli.options import DEFAULT_OUTPUT, ForTrain, Output
from sweeps.cli.trial_report import print_result, print_round, say_what

if TYPE_CHECKING:
    from search_spaces.config import Task, TrialConfig
    from trainer.data.survey import Finding
    from trainer.options import TrialOptions
    from trainer.store import Store

TrialSpace = Annotated[
    str | None,
    typer.Argument(
        metavar="[SPACE]", help="A space with the trial, a name or a .yaml file; or options say it."
    ),
]
OfSpace = Annotated[
    str | None,
    typer.Option("--trial", help="Which trial of the space: its number, or its id's first digits."),
]
Dataset = Annotated[str | None, typer.Option("--dataset", help="A preset, like cifar10; default: digits.")]
Ratio = Annotated[float | None, typer.Option("--ratio", min=1, help="Majority per minority in training.")]
Loss = Annotated[str | None, typer.Option("--loss", help="A named base loss; default: baseline_BCE.")]
Alm = Annotated[str | None, typer.Option("--alm", help="A named constraint, like ALM_14_beg; default: none.")]
Delta = Annotated[float | None, typer.Option("--delta", min=0, help="The constraint's margin.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Any key of a space's file, like optimizer.learning_rate=0.05 or 'data.positive=[cat, dog]'.",
    ),
]
TrialSeeds = Annotated[
    int | None,
    typer.Option("--replicates", min=1, help="Seeds 1 to N; default: the space's own, or one."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command()(guarded(train))


@with_options(ForTrain)
def train(
    context: typer.Context,
    space: TrialSpace = None,
    which: OfSpace = None,
    dataset: Dataset = None,
    ratio: Ratio = None,
    loss: Loss = None,
    alm: Alm = None,
    delta: Delta = None,
    settings: Settings = None,
    replicates: TrialSeeds = None,
    output: Output = DEFAULT_OUTPUT,
    device: Device = None,
) -> None:
    """Train one trial, or go on from its checkpoint, and print its result.

    The options describe it, or it is one of a space.
    """
    from trainer.models.first_weights import check_first_weights
    from trainer.store import Store, layout
    from trainer.trial import run_trial

    described = Described(dataset, ratio, loss, alm, delta, tuple(settings or ()))
    if space is None:
        if which is not None:
            raise InputError("--trial: expected a SPACE that holds it, given none")
        config = described.trial(replicates)
    elif described != Described():
        raise InputError(f"train: expected a trial by SPACE or by options, given {space} and options too")
    else:
        config = trial_of_space(space, which, replicates)
    options = trial_options(context)
    store = Store(output)
    store.check_trial_schema()
    console = Console()
    say_what(console, config)
    _say_data(console, config, options, store)
    if not set(config.seeds) <= store.replicates.ended(config.trial_id).keys():
        check_first_weights([config.model], options.data_dir, download=options.download)
    run_trial(
        config,
        store,
        chosen_device(device, options.threads),
        options,
        on_round=lambda round_: print_round(console, round_, config),
    )
    complete = print_result(console, config, store)
    console.print(Text(f"stored: {store.storage.path(layout.trial(config.trial_id))}"), soft_wrap=True)
    if not complete:
        raise typer.Exit(1)


def _say_data(console: Console, config: TrialConfig, options: TrialOptions, store: Store) -> None:
    """What labels tell of a trial's data, where it is to be trained on them.

    Raises DataError where they tell that it cannot be, and where a trial has ended on other data.
    """
    from sweeps.driver.data_check import faults_of
    from sweeps.driver.data_words import data_lines
    from sweeps.driver.survey import labels_here

    findings = labels_here([config.data], options)
    faults = faults_of(findings)
    if not options.changed_data and set(config.seeds) <= store.replicates.ended(config.trial_id).keys():
        for line in _compared(config, options, store, findings):
            console.print(Text(line), soft_wrap=True)
        return
    if faults:
        raise DataError(faults[config.data])
    for line in data_lines(findings, faults):
        console.print(Text(line), soft_wrap=True)


def _compared(
    config: TrialConfig, options: TrialOptions, store: Store, findings: dict[Task, Finding]
) -> list[str]:
    """Why the data of a trial that has ended cannot be compared with those that are here, a line if so.

    Raises DataError where they can, and are others.
    """
    from sweeps.driver.data_words import not_comparable_lines
    from trainer.changed_data import to_replace
    from trainer.data.survey_pixels import look_at_pixels

    found = look_at_pixels(findings, options.data_dir)
    for finding in found.values():
        if finding.survey is not None and finding.survey.sha256 is not None:
            ended = store.replicates.ended(config.trial_id)
            to_replace(store, config, ended, finding.survey.sha256, allowed=False)
    return not_comparable_lines([config.data], found)
