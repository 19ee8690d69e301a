"""The commands about models that leave the house: export, predict."""

from __future__ import annotations

import csv
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import InputError
from search_spaces.words import count
from sweeps.cli.evaluate_command import as_called, check_weights, stored_config
from sweeps.cli.guard import guarded
from sweeps.cli.options import DEFAULT_OUTPUT, DataDir, Output, Threads, folder
from sweeps.cli.threshold_report import rates_of_trial, unresolved_lines

if TYPE_CHECKING:
    from search_spaces.config import Targets, TrialConfig
    from trainer.data.sources.depth import Limits
    from trainer.export.predict import Predictions
    from trainer.export.trial import Exported
    from trainer.metrics.thresholds import ThresholdRule

To = Annotated[
    Path | None,
    typer.Option("--to", parser=folder, metavar="FOLDER", help="A new folder; default: export/TRIAL."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="This replicate alone; default: the ensemble.")]
NoOnnx = Annotated[bool, typer.Option("--no-onnx", help="Write torch.export's file alone.")]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="RULE",
        help="A threshold to choose, such as tpr_98, max_f1 or recall_at_precision_80; repeatable.",
    ),
]
Model = Annotated[
    Path, typer.Argument(parser=folder, metavar="MODEL", help="A folder that `export` has written.")
]
Images = Annotated[
    Path, typer.Argument(parser=folder, metavar="FOLDER", help="A folder of images, and of folders of them.")
]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", parser=folder, metavar="FILE", help="Where the table goes; default: printed."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command()(guarded(export))
    app.command()(guarded(predict))


def export(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="A trial's id, or the first digits of it.")],
    to: To = None,
    seed: Seed = None,
    threshold: Rules = None,
    no_onnx: NoOnnx = False,
    output: Output = DEFAULT_OUTPUT,
    data_dir: DataDir = None,
    threads: Threads = 1,
) -> None:
    """Write a trial's ensemble, or one replicate, as ONNX and torch.export, with a model card beside it."""
    from sweeps.cli.model_card import model_card, stored_words
    from sweeps.cli.one_device import chosen_device
    from trainer.export.files import check_onnx_packages
    from trainer.export.folder import CARD_FILE, FACTS_FILE
    from trainer.export.trial import exported, write_model
    from trainer.store import Store

    if not no_onnx:
        check_onnx_packages()
    store, console = Store(output), Console()
    config = as_called(store, stored_config(store, trial))
    check_weights(store, config)
    chosen_device("cpu", threads)
    leaving = exported(config, store, seed)
    place = to or Path("export") / config.trial_id
    shape, limits = _images(leaving, data_dir)
    compared = stored_words(leaving, data_dir)
    rates = rates_of_trial(store, config)
    rules = _rules(config, rates, threshold)
    with _new_folder(place) as scratch:
        facts = write_model(leaving, scratch, shape, rules=rules, limits=limits, onnx=not no_onnx)
        (scratch / FACTS_FILE).write_text(facts.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (scratch / CARD_FILE).write_text(model_card(leaving, facts, compared, rates), encoding="utf-8")
    for name, difference in facts.difference.items():
        console.print(f"{name}: at most {difference:.1e} from the trainer's float32 scores", highlight=False)
    console.print(Text(compared), soft_wrap=True)
    for line in unresolved_lines(facts.not_resolved):
        console.print(Text(line), soft_wrap=True)
    console.print(Text(f"written: {place}"), soft_wrap=True)


def predict(model: Model, images: Images, csv_file: Csv = None, threads: Threads = 1) -> None:
    """Score a folder's images with an exported model, and decide by its thresholds; writes CSV."""
    from sweeps.cli.one_device import chosen_device
    from trainer.export.predict import Predictions, read_model

    chosen_device("cpu", threads)
    found = Predictions(read_model(model), images)
    if csv_file is None:
        _write(sys.stdout, found)
    else:
        with _new_file(csv_file) as path, path.open("w", newline="", encoding="utf-8") as stream:
            _write(stream, found)
    told = Console(stderr=True)
    words = [count(len(found.images), "image")]
    if found.passed:
        words.append(f"{count(found.passed, 'file')} passed over, by the ending no image")
    if found.unreadable:
        words.append(f"{found.unreadable:,} could not be read: see the column error")
    told.print(Text("; ".join(words)), soft_wrap=True)
    if found.unreadable:
        raise typer.Exit(1)


def _write(stream: TextIO, found: Predictions) -> None:
    from analysis.render.escape import csv_text

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(csv_text, found.header))
    for file, *values, error in found.rows():
        # Only names and reasons are anybody's text; a score may well begin with a minus.
        writer.writerow([csv_text(file), *values, csv_text(error)])


def _rules(config: TrialConfig, rates: Targets, names: list[str] | None) -> tuple[ThresholdRule, ...]:
    """The rules that were asked for, else those of the rates."""
    from trainer.metrics.thresholds import ThresholdRule
    from trainer.tasks.thresholds import usual_rules

    if names:
        return tuple(dict.fromkeys(map(ThresholdRule.of, names)))
    return usual_rules(config.data, rates.tpr)


def _images(leaving: Exported, data_dir: Path | None) -> tuple[tuple[int, int], Limits | None]:
    """Channels and side length of the trial's images, and the values by which they were scaled."""
    from trainer.data.other_images import is_scaled_by_its_pool
    from trainer.data.task import load_task

    source = leaving.config.data.source
    if source.image_shape is not None and not is_scaled_by_its_pool(source):
        return source.image_shape, None
    own = load_task(leaving.config.data, data_dir)
    return (own.image_shape[0], own.image_shape[1]), own.splits.limits


@contextmanager
def _new_folder(place: Path) -> Iterator[Path]:
    """A folder beside `place` that takes its name when the block has filled it; nothing stays otherwise."""
    if place.exists():
        raise InputError(f"--to: expected a new folder, found {place}")
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
        scratch.rename(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _new_file(place: Path) -> Iterator[Path]:
    """Likewise a file."""
    if not place.parent.is_dir() or place.is_dir():
        raise InputError(f"--csv: expected a file in a folder that is there, given {place}")
    scratch = place.with_name(f".{place.name}.part")
    try:
        yield scratch
        scratch.replace(place)
    finally:
        scratch.unlink(missing_ok=True)
