"""`evaluate --data`: a trial's networks score images of another place."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

from analysis.cells import lone_cell
from analysis.load import load_trial
from analysis.records import ensemble_outputs
from analysis.statistics.resampled import bootstrap_intervals, examples_key
from search_spaces.config import DEFAULT_TARGETS, Targets, TrialConfig
from search_spaces.reading import Reading
from search_spaces.space import SearchSpace
from tests.trainer.image_files import random_images, write_class_folders
from trainer.data.task import load_task, read_splits
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.tasks.base import task_arrays
from trainer.trial import run_trial

Cli = Callable[..., Result]
SETTINGS: dict[str, Any] = {
    "data": {
        "source": {"name": "digits"},
        "negative": [1],
        "positive": [8],
        "validation_per_class": 20,
        "test_per_class": 30,
    },
    "loss": "baseline_BCE",
    "model.width": 4,
    "epochs": 1,
    "seeds": [1],
}


def write_split(config: TrialConfig, folder: Path, names: dict[int, str]) -> None:
    """The trial's own test images as files, in a folder per class of these names."""
    test = load_task(config.data, None).test
    for position in range(len(test)):
        name = names[int(test.targets[position])]
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(test.pixels.numpy()[position, 0]).save(folder / name / f"{position}.png")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (config,) = SearchSpace.of("one", [SETTINGS]).trials
    run_trial(config, Store(folder), torch.device("cpu"), TrialOptions())
    return folder


@pytest.fixture
def config() -> TrialConfig:
    (found,) = SearchSpace.of("one", [SETTINGS]).trials
    return found


def row(said: str, name: str) -> list[str]:
    (line,) = [line for line in said.splitlines() if name in line and "│" in line]
    return [cell.strip() for cell in line.strip("│").split("│")][1:]


def test_other_images_are_scored_as_the_trial_s_own(
    cli: Cli, output: Path, config: TrialConfig, tmp_path: Path
) -> None:
    """The same images as files, under other names, give the same numbers, with intervals."""
    other = tmp_path / "other hospital"
    write_split(config, other, {0: "healthy", 1: "8"})
    (other / "unsure").mkdir()
    shutil.copy(next((other / "8").iterdir()), other / "unsure")
    own = cli("evaluate", config.trial_id, "--output", output)
    done = cli("evaluate", config.trial_id[:8], "--output", output, "--data", other, "--class", "healthy=1")
    assert own.exit_code == done.exit_code == 0, done.output
    assert f"{other}: 60 examples, {own.stdout.partition('60 examples, ')[2].splitlines()[0]}" in done.stdout
    for name in ("seed 1", "ensemble"):
        assert row(done.stdout, name) == row(own.stdout, name)
    assert "folder healthy: the trial's class 1" in done.stdout
    assert "left out: images in folders of no class of the trial: 1, for example unsure/" in done.stdout
    # Intervals are drawn over examples in their order: of the trial's own, those of its table.
    assert re.fullmatch(r"0\.\d{4}–[01]\.\d{4}", row(done.stdout, "95 % interval")[0])
    store = Store(output)
    test = lone_cell(store, load_trial(store, config, DEFAULT_TARGETS), DEFAULT_TARGETS).test
    assert test is not None
    key = examples_key(config.data, test.targets)
    arrays = task_arrays(config.data)
    low, high = bootstrap_intervals(arrays, test.targets, ensemble_outputs(test.outputs), key=key)["auroc"]
    assert row(own.stdout, "95 % interval")[0] == f"{low:.4f}–{high:.4f}"


def test_names_that_are_no_text_are_written_with_their_bytes(
    cli: Cli, output: Path, config: TrialConfig, tmp_path: Path
) -> None:
    other = tmp_path / "red \x1b[31m"
    write_split(config, other, {0: "1", 1: "8"})
    unnamed = other / os.fsdecode(b"caf\xe9")
    unnamed.mkdir()
    shutil.copy(next((other / "8").iterdir()), unnamed)
    done = cli("evaluate", config.trial_id, "--output", output, "--data", other)
    assert done.exit_code == 0, done.output
    assert r"red \x1b[31m: 60 examples" in done.stdout
    assert r"no class of the trial: 1, for example caf\xe9/" in done.stdout


def test_of_a_folder_with_splits_the_test_split_is_scored(
    cli: Cli, output: Path, config: TrialConfig, tmp_path: Path
) -> None:
    for split in ("Training", "Testing"):
        write_split(config, tmp_path / "both" / split, {0: "1", 1: "8"})
    write_split(config, tmp_path / "alone" / "test", {0: "1", 1: "8"})
    for name, part in (("both", "Testing"), ("alone", "test")):
        done = cli("evaluate", config.trial_id, "--output", output, "--data", tmp_path / name)
        assert done.exit_code == 0, done.output
        assert f"{tmp_path / name / part}: 60 examples" in done.stdout


def test_a_class_that_is_not_there_is_said(
    cli: Cli, output: Path, config: TrialConfig, tmp_path: Path
) -> None:
    write_split(config, tmp_path / "all", {0: "1", 1: "8"})
    shutil.rmtree(tmp_path / "all" / "8")
    done = cli("evaluate", config.trial_id, "--output", output, "--data", tmp_path / "all")
    assert done.exit_code == 0, done.output
    assert "no folder holds the trial's class 8" in done.stdout
    assert row(done.stdout, "ensemble")[0] == "–"
    assert "nan" not in done.stdout


def test_other_images_are_scaled_as_the_trial_s_own(cli: Cli, tmp_path: Path) -> None:
    """By percentiles of the trial's training pool, whatever the other images' own are."""
    generator = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for label, low in (("1", 100), ("8", 2000)):
            (tmp_path / "scans" / split / label).mkdir(parents=True)
            for number in range(12):
                values = generator.integers(low, 4000, (8, 8)).astype(np.uint16)
                Image.fromarray(values).save(tmp_path / "scans" / split / label / f"{number}.png")
    source = {"name": "folder", "folder": "scans", "size": 8, "scaling": {"percentiles": [5, 95]}}
    settings = {**SETTINGS, "data": {"source": source, "negative": ["1"], "positive": ["8"]}}
    (config,) = SearchSpace.of("one", [settings]).trials
    run_trial(config, Store(tmp_path / "out"), torch.device("cpu"), TrialOptions(data_dir=tmp_path))
    shutil.copytree(tmp_path / "scans" / "test", tmp_path / "other")
    where = ("--output", tmp_path / "out", "--data-dir", tmp_path)
    own = cli("evaluate", config.trial_id, *where)
    done = cli("evaluate", config.trial_id, *where, "--data", tmp_path / "other")
    assert own.exit_code == done.exit_code == 0, done.output
    assert row(done.stdout, "ensemble") == row(own.stdout, "ensemble")
    for path in (tmp_path / "other").glob("*/*"):
        Image.new("L", (8, 8), 9).save(path)
    done = cli("evaluate", config.trial_id, *where, "--data", tmp_path / "other")
    assert done.exit_code == 2
    assert "expected 16-bit images as the trial's, found 8-bit ones" in done.stderr


def test_own_data_that_have_changed_since_are_said(cli: Cli, tmp_path: Path) -> None:
    source = {"name": "folder", "folder": "scans", "size": 8, "channels": 1}
    data = {**SETTINGS["data"], "source": source, "negative": ["dim"], "positive": ["bright"]}
    (config,) = SearchSpace.of("one", [{**SETTINGS, "data": data}]).trials
    write_class_folders(
        tmp_path / "scans",
        {"dim": random_images(60, (3, 8, 8), 1), "bright": random_images(60, (3, 8, 8), 2)},
    )
    run_trial(config, Store(tmp_path / "out"), torch.device("cpu"), TrialOptions(data_dir=tmp_path))
    evaluate = ("evaluate", config.trial_id, "-o", tmp_path / "out", "--data-dir", tmp_path)
    assert "the data have changed" not in cli(*evaluate).output
    Image.new("RGB", (8, 8), "red").save(tmp_path / "scans" / "dim" / "007.png")
    read_splits.cache_clear()
    done = cli(*evaluate)
    assert done.exit_code == 0
    assert "the data have changed: seed 1: trained on data " in done.stdout
    assert "; of these it may have seen some in training\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "{folder}/nosuch"], "--data: expected a folder with a folder per class, found none"),
        (["--data", "{folder}"], "expected folders of the classes 1, 8, found 'cats', 'dogs'"),
        (["--data", "{folder}", "--class", "cows=1"], "--class cows=1: expected a class folder of"),
        (
            ["--data", "{folder}", "--class", "cats=3"],
            "expected a class of the trial, one of 1, 8, given '3'",
        ),
        (["--data", "{folder}", "--class", "cats"], "--class: expected FOLDER=CLASS, given 'cats'"),
        (["--class", "cats=1"], "--class: expected --data too, given none"),
        (["--data", "{folder}", "--split", "validation"], "--data: expected neither --dataset nor --split"),
    ],
)
def test_bad_input_is_one_line(
    cli: Cli, output: Path, config: TrialConfig, tmp_path: Path, arguments: list[str], message: str
) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "1.png")
    done = cli(
        "evaluate", config.trial_id, "--output", output, *(a.format(folder=tmp_path) for a in arguments)
    )
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert message in line


def folder_trial(root: Path, split: dict[str, object], **settings: object) -> TrialConfig:
    """A trial of dark and bright images below `root`/data, trained into `root`/out."""
    generator = np.random.default_rng(0)
    for label, low in (("dark", 0), ("bright", 100)):
        (root / "data" / "lamps" / label).mkdir(parents=True)
        for number in range(20):
            values = generator.integers(low, low + 156, (8, 8)).astype(np.uint8)
            Image.fromarray(values).save(root / "data" / "lamps" / label / f"{number}.png")
    source = {"name": "folder", "folder": "lamps", "size": 8, "channels": 1}
    data = {"source": source, "negative": ["dark"], "positive": ["bright"], **split}
    (config,) = SearchSpace.of("one", [{**SETTINGS, "data": data, **settings}]).trials
    run_trial(config, Store(root / "out"), torch.device("cpu"), TrialOptions(data_dir=root / "data"))
    return config


HELD_OUT = {"validation_per_class": 4, "test_per_class": 4}


def test_data_are_called_as_the_sweep_calls_them(cli: Cli, tmp_path: Path) -> None:
    config = folder_trial(tmp_path, {**HELD_OUT, "label": "lamps at night"})
    store = Store(tmp_path / "out")
    store.write_sweep(SweepManifest("lights", (config,)))
    where = ("--output", tmp_path / "out", "--data-dir", tmp_path / "data")
    done = cli("evaluate", config.trial_id, *where)
    assert done.exit_code == 0, done.output
    assert f"trial {config.trial_id}: lamps at night " in done.stdout


def test_roc_curves_are_read_at_the_rates_of_the_sweep(
    cli: Cli, output: Path, config: TrialConfig, tmp_path: Path
) -> None:
    """On the trial's own data, on others, and on the model card, as in the sweep's table."""
    shutil.copytree(output, tmp_path / "out")
    reading = Reading(targets=Targets(tpr=(0.85,), fpr=(0.2,)))
    Store(tmp_path / "out").write_sweep(SweepManifest("rates", (config,), reading=reading))
    write_split(config, tmp_path / "images", {0: "1", 1: "8"})
    where = ("--output", tmp_path / "out")
    done = cli("evaluate", config.trial_id, *where)
    assert done.exit_code == 0, done.output
    head = [line for line in done.stdout.splitlines() if "FPR@" in line]
    assert head
    assert all("FPR@85" in line and "FPR@98" not in line for line in head)
    assert "tpr_85" in done.stdout
    assert "tpr_98" not in done.stdout
    other = cli("evaluate", config.trial_id, *where, "--data", tmp_path / "images")
    assert row(other.stdout, "ensemble") == row(done.stdout, "ensemble")
    made = cli("export", config.trial_id, *where, "--no-onnx", "--to", tmp_path / "model")
    assert made.exit_code == 0, made.output
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert "| FPR@85 |" in card
    assert "FPR@98" not in card


@pytest.mark.parametrize(
    ("shape", "model"), [({"size": 8, "channels": 3}, "resnet10"), ({"size": 16, "channels": 1}, "small_cnn")]
)
def test_images_that_do_not_fit_are_one_line(
    cli: Cli, tmp_path: Path, shape: dict[str, int], model: str
) -> None:
    source = {"name": "folder", "folder": "lamps", **shape}
    config = folder_trial(tmp_path, {**HELD_OUT, "source": source}, **{"model.name": model})
    done = cli("evaluate", config.trial_id, "--output", tmp_path / "out", "--dataset", "digits-critical")
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert "do not fit images of shape (1, 8, 8): " in line


def test_a_folder_of_images_may_lie_in_the_home_folder(
    cli: Cli, output: Path, config: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind `=` a shell leaves `~` as it is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write_split(config, tmp_path / "scans", {0: "1", 1: "8"})
    done = cli("evaluate", config.trial_id, "--output", output, "--data=~/scans")
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'scans'}: 60 examples" in done.stdout
