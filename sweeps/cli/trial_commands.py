"""The commands about one trial, without Ray: train and evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from search_spaces.errors import CheckpointError, InputError
from sweeps.cli.given import trial_options, with_options
from sweeps.cli.guard import guarded
from sweeps.cli.one_trial import Described, trial_of_space
from sweeps.cli.options import DEFAULT_OUTPUT, DataDir, Download, ForTrain, Output, Threads
from sweeps.hints import advised

if TYPE_CHECKING:
    from search_spaces.config import Metric, Task, TrialConfig
    from trainer.evaluate import Evaluation
    from trainer.fit import Round
    from trainer.store import Store

SPLITS = ("test", "validation")
MOST_COLUMNS = 8  # of a table that fits a terminal

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
Device = Annotated[
    str | None, typer.Option("--device", help="cpu or cuda; default: a GPU where there is one.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (train, evaluate):
        app.command()(guarded(command))


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
    _say_what(console, config)
    run_trial(
        config,
        store,
        _device(device, options.threads),
        options,
        on_round=lambda round_: _print_round(console, round_, config),
    )
    complete = _print_result(console, config, store)
    console.print(Text(f"stored: {store.storage.path(layout.trial(config.trial_id))}"), soft_wrap=True)
    if not complete:
        raise typer.Exit(1)


def evaluate(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="A trial's id, or the first digits of it.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Another preset than the trial's own data.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test or validation.")] = "test",
    output: Output = DEFAULT_OUTPUT,
    data_dir: DataDir = None,
    download: Download = False,
    device: Device = None,
    threads: Threads = 1,
) -> None:
    """Score a stored trial's weights on a data set again, by the metrics of its table."""
    from search_spaces.paper.presets import preset
    from trainer.data.task import load_task
    from trainer.evaluate import evaluate as score
    from trainer.store import Store

    if split not in SPLITS:
        raise InputError(f"--split: expected test or validation, given {split!r}")
    store = Store(output)
    config = _stored_config(store, trial)
    _check_weights(store, config)
    data: Any = config.data if dataset is None else preset(dataset)["data"]
    task = load_task(data, data_dir, download=download)
    found = score(config, store, task, _device(device, threads), "test" if split == "test" else "validation")
    console = Console()
    _say_what(console, config)
    _print_evaluation(console, found, split, config.data)


def _device(name: str | None, threads: int) -> Any:
    import torch

    from trainer.device.cpu import prepare_cpu
    from trainer.device.environment import default_device

    prepare_cpu(threads)
    if name is None:
        return default_device()
    if name not in ("cpu", "cuda"):
        raise InputError(f"--device: expected cpu or cuda, given {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: this machine offers torch no CUDA device")
    return torch.device(name)


def _stored_config(store: Store, trial: str) -> TrialConfig:
    from trainer.store import layout

    ids = sorted(i for i in store.trial_ids() if i.startswith(trial))
    if len(ids) != 1:
        found = "none" if not ids else ", ".join(ids[:5])
        raise CheckpointError(
            f"{store.uri}: expected one stored trial whose id starts with {trial!r}, found {found}"
        )
    config = store.read_config(ids[0])
    if config is None:
        where = store.storage.path(layout.trial(ids[0]))
        raise CheckpointError(f"{where}: expected a config.json, found none")
    return config


def _check_weights(store: Store, config: TrialConfig) -> None:
    """Raise CheckpointError where weights of the trial were not kept, with what trains them again."""
    from trainer.evaluate import without_weights

    trial_id, lacking = config.trial_id, without_weights(config, store)
    if not lacking:
        return
    seeds = ", ".join(map(str, lacking))
    message = f"trial {trial_id}: the weights of its seeds {seeds} were not kept"
    for name, sweep in store.read_sweeps().items():
        wanted = {config.trial_id: config.seeds for config in sweep.trials}.get(trial_id)
        if wanted is None:
            continue
        words = ["--weights", "--trial", trial_id]
        if not set(lacking) <= set(wanted):
            words += ["--replicates", str(max(lacking))]
        raise CheckpointError(f"{message}; trained again by: {advised('retry', *words, space=name)}")
    raise CheckpointError(f"{message}, and no sweep of {store.uri} expects it")


def _say_what(console: Console, config: TrialConfig) -> None:
    from search_spaces.labels import trial_label

    console.print(Text(f"trial {config.trial_id}: {trial_label(config)}"), soft_wrap=True)


def _print_round(console: Console, round_: Round, config: TrialConfig) -> None:
    records = list(round_.records.values())
    loss = sum(r["train/loss"] for r in records) / len(records)
    steering = config.data.steering_metric
    value = round_.ensemble[f"ensemble/val/{steering.name}"]
    line = (
        f"epoch {round_.epoch + 1:3}/{config.epochs}  {len(records)} replicate(s)  train loss {loss:.4f}  "
        f"ensemble val {steering.words} {value:.4f}  {round_.seconds:.2f} s"
    )
    console.print(line, highlight=False)


def _print_result(console: Console, config: TrialConfig, store: Store) -> bool:
    """Print the trial's table row; returns whether every replicate completed."""
    from analysis.cells import lone_cell
    from analysis.frames import best_frame
    from analysis.load import load_trial
    from analysis.table_columns import column_name, table_columns
    from search_spaces.config import DEFAULT_TARGETS, Targets
    from search_spaces.rows import DEFAULT_ROWS

    cell = lone_cell(store, load_trial(store, config, DEFAULT_TARGETS), DEFAULT_TARGETS)
    columns = table_columns(config.data, Targets(tpr=DEFAULT_TARGETS.tpr, fpr=()))
    row = best_frame([cell], {cell.block: columns}, DEFAULT_ROWS).iloc[0]
    steering = column_name(columns.steering)
    headers = [_header(metric) for metric in columns.shown]
    values = [_value(metric, row[column_name(metric)]) for metric in columns.shown]
    headers = ["replicates", *headers, f"{_header(columns.steering)} mean ± sd"]
    spread = f"{row[f'{steering}_mean']:.4f} ± {row[f'{steering}_std']:.4f}"
    table = _table(headers, [[str(row["n"]), *values, spread]])
    console.print(f"test, ensemble; replicates scored by {config.scored}:", highlight=False)
    console.print(table)
    if row["note"]:
        console.print(Text(str(row["note"])), soft_wrap=True)
    return bool(row["complete"])


def _print_evaluation(console: Console, found: Evaluation, split: str, data: Task) -> None:
    from search_spaces.config import DEFAULT_TARGETS

    console.print(f"{split}: {found.examples} examples, {found.classes}", highlight=False)
    metrics = data.headline(DEFAULT_TARGETS)
    rows = []
    for seed, values in found.replicates.items():
        rows.append([f"seed {seed}", *_values(metrics, values)])
    rows.append(["ensemble", *_values(metrics, found.ensemble)])
    console.print(_table(["weights", *map(_header, metrics)], rows))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A line per row; with more columns than a terminal holds, a column per row."""
    if len(headers) > MOST_COLUMNS:
        headers, *rows = zip(headers, *rows, strict=True)
    table = Table(*headers)
    for row in rows:
        table.add_row(*row)
    return table


def _values(metrics: Sequence[Metric], values: Mapping[str, float]) -> list[str]:
    return [_value(metric, values[metric.name]) for metric in metrics]


def _header(metric: Metric) -> str:
    """A metric's header without its unit, which stands with each value."""
    return metric.header.removesuffix(" (%)")


def _value(metric: Metric, value: float) -> str:
    return f"{100 * value:.1f} %" if metric.scale == 100 else f"{value:.4f}"
