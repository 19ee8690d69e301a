"""The command that scores a trial's weights again: evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import CheckpointError, InputError, StoreError
from sweeps.cli.guard import guarded
from sweeps.cli.one_device import Device, chosen_device
from sweeps.cli.one_trial import one_id
from sweeps.cli.options import DEFAULT_OUTPUT, DataDir, Download, Output, Threads, folder
from sweeps.cli.threshold_report import print_thresholds, rates_of_trial
from sweeps.cli.trial_report import print_evaluation, say_what
from sweeps.hints import advised

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig
    from trainer.data.other_images import OtherImages
    from trainer.store import Store

SPLITS = ("test", "validation")

OwnData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        parser=folder,
        metavar="FOLDER",
        help="Other images: a folder with one per class (and splits, or not); of label sets a table.",
    ),
]
ClassOf = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="FOLDER=CLASS",
        help="With --data: which class of the trial a folder holds, or which label a column.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command()(guarded(evaluate))


def evaluate(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="A trial's id, or the first digits of it.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Another preset than the trial's own data.")
    ] = None,
    data: OwnData = None,
    class_of: ClassOf = None,
    split: Annotated[str, typer.Option("--split", help="test or validation.")] = "test",
    output: Output = DEFAULT_OUTPUT,
    data_dir: DataDir = None,
    download: Download = False,
    device: Device = None,
    threads: Threads = 1,
) -> None:
    """Score a stored trial's weights again, by the metrics of its table: on its own data, or on others."""
    from trainer.store import Store

    if split not in SPLITS:
        raise InputError(f"--split: expected test or validation, given {split!r}")
    if data is None and class_of:
        raise InputError("--class: expected --data too, given none")
    if data is not None and (dataset is not None or split != "test"):
        raise InputError("--data: expected neither --dataset nor --split, as all of its images are scored")
    store = Store(output)
    config = as_called(store, stored_config(store, trial))
    check_weights(store, config)
    console = Console()
    place = chosen_device(device, threads)
    if data is not None:
        _evaluate_folder(console, config, store, data, _given_classes(class_of or ()), data_dir, place)
        return
    from search_spaces.presets import preset
    from trainer.data.task import load_task
    from trainer.evaluate import evaluate as score

    asked: Any = config.data if dataset is None else preset(dataset)["data"]
    task = load_task(asked, data_dir, download=download)
    rates = rates_of_trial(store, config)
    found = score(config, store, task, place, "test" if split == "test" else "validation", rates)
    say_what(console, config)
    if dataset is None:
        _say_other_data(console, config, store, task.sha256)
    print_evaluation(console, found, split, config, rates)
    print_thresholds(console, config, store, found, rates)


def _say_other_data(console: Console, config: TrialConfig, store: Store, sha256: str) -> None:
    """Say where a trial's own data are not those that it was trained on."""
    from trainer.changed_data import difference, of_other_data

    other = of_other_data(store, store.replicates.ended(config.trial_id), sha256)
    if other:
        seeds, was = ", ".join(map(str, other)), next(iter(other.values()))
        told = f"seed {seeds}: {difference(was, sha256)}; of these it may have seen some in training"
        console.print(Text(f"the data have changed: {told}"), soft_wrap=True)


def _evaluate_folder(
    console: Console,
    config: TrialConfig,
    store: Store,
    folder: Path,
    classes: dict[str, str],
    data_dir: Path | None,
    device: Any,
) -> None:
    """Score the images of a folder or a table, and say which class each of its folders or columns is."""
    from trainer.data.other_images import is_scaled_by_its_pool, read_other_images
    from trainer.data.other_table import read_other_table
    from trainer.data.sources.paths import readable
    from trainer.data.task import load_task
    from trainer.evaluate import evaluate_images

    shape, limits = config.data.source.image_shape, None
    if shape is None or is_scaled_by_its_pool(config.data.source):  # only the trial's own images tell
        own = load_task(config.data, data_dir)
        _say_other_data(console, config, store, own.sha256)
        shape, limits = (own.image_shape[0], own.image_shape[1]), own.splits.limits
    read = read_other_table if config.data.has_label_sets else read_other_images
    images = read(folder, config.data, shape, classes, limits)
    rates = rates_of_trial(store, config)
    scored = evaluate_images(config, store, images.pixels, images.targets, device, rates)
    found = replace(scored, groups=images.groups)
    say_what(console, config)
    _say_classes(console, images, config)
    print_evaluation(console, found, readable(images.part), config, rates)
    print_thresholds(console, config, store, found, rates)


def _say_classes(console: Console, images: OtherImages, config: TrialConfig) -> None:
    from trainer.data.sources.paths import readable

    kind = "label" if config.data.has_label_sets else "class"
    for name, label in images.classes.items():
        line = f"{images.holder} {readable(name)}"
        if name != str(label):
            line += f": the trial's {kind} {label}"
        console.print(Text(line), soft_wrap=True)
    for label in config.data.labels:
        if label not in images.classes.values():
            console.print(Text(f"no {images.holder} holds the trial's {kind} {label}"), soft_wrap=True)
    for part in images.left_out:
        console.print(Text(f"left out: {part}"), soft_wrap=True)


def _given_classes(texts: Sequence[str]) -> dict[str, str]:
    """The class by the name of its folder, of texts FOLDER=CLASS."""
    found: dict[str, str] = {}
    for text in texts:
        folder, equals, label = text.rpartition("=")
        if not equals or not folder or not label:
            raise InputError(f"--class: expected FOLDER=CLASS, given {text!r}")
        if folder in found:
            raise InputError(f"--class: expected each folder once, given {folder} again")
        found[folder] = label
    return found


def stored_config(store: Store, trial: str) -> TrialConfig:
    """The one stored trial whose id starts with `trial`. Raises InputError and CheckpointError."""
    from trainer.store import layout

    wanted = f"{store.uri}: expected one stored trial whose id starts with {trial!r}"
    trial_id = one_id(trial, store.trial_ids(), wanted)
    config = store.read_config(trial_id)
    if config is None:
        where = store.storage.path(layout.trial(trial_id))
        raise CheckpointError(f"{where}: expected a config.json, found none")
    return config


def as_called(store: Store, config: TrialConfig) -> TrialConfig:
    """The trial with what a sweep of the store calls its data, where one has a label for them."""
    for name in store.sweep_names():
        with suppress(StoreError):  # a sweep that cannot be read is not needed
            for trial in store.read_sweep(name).trials:
                if trial.trial_id == config.trial_id and trial.data.label is not None:
                    return config.model_copy(update={"data": trial.data})
    return config


def check_weights(store: Store, config: TrialConfig) -> None:
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
