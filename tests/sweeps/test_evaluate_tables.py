"""`evaluate --data` of a trial with label sets: a table of other images, at the stored thresholds."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

from search_spaces.config import Manifest, MultiLabel, SmallCnn, TrialConfig
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace
from trainer.data.other_table import read_other_table
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.store.outputs import outputs_of
from trainer.trial import run_trial

Cli = Callable[..., Result]
LABELS = ("bright", "noisy")
IMAGES, PATIENTS = 120, 40
SETTINGS: dict[str, Any] = {
    "data": {
        "task": "multi_label",
        "source": {
            "name": "manifest",
            "file": "scans/labels.csv",
            "size": 8,
            "channels": 1,
            "split": "split",
            "groups": {"column": "patient"},
            "bad_files": "skip",
        },
        "classes": list(LABELS),
        "critical": ["noisy"],
    },
    "loss": {"name": "ml_bce"},
    "model": SmallCnn(width=2),
    "epochs": 1,
    "seeds": [1, 2],
}


def write_images(folder: Path, splits: Sequence[str]) -> list[dict[str, str]]:
    """Images with two labels, three of a patient, and the rows of their table."""
    generator = np.random.default_rng(len(splits))
    rows = []
    (folder / "images").mkdir(parents=True)
    for number in range(IMAGES):
        bright, noisy = generator.random() < 0.4, generator.random() < 0.3
        values = generator.normal(150 if bright else 80, 60 if noisy else 10, (8, 8)).clip(0, 255)
        name = f"images/{number:03d}.png"
        Image.fromarray(values.astype(np.uint8)).save(folder / name)
        patient = number * PATIENTS // IMAGES
        split = splits[patient % len(splits)]
        rows.append(
            {
                "image": name,
                "bright": str(int(bright)),
                "noisy": str(int(noisy)),
                "patient": str(patient),
                "split": split,
            }
        )
    return rows


def write_table(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrialConfig]:
    """The folder of its data and results, and the trial."""
    root = tmp_path_factory.mktemp("trained")
    rows = write_images(root / "scans", ("train", "train", "val", "test"))
    write_table(root / "scans" / "labels.csv", rows)
    (config,) = SearchSpace.of("one", [SETTINGS]).trials
    run_trial(config, Store(root / "out"), torch.device("cpu"), TrialOptions(data_dir=root))
    return root, config


@pytest.fixture
def other(trained: tuple[Path, TrialConfig], tmp_path: Path) -> tuple[Path, list[dict[str, str]]]:
    """The trial's own test images in another folder, and the rows of their table."""
    root, _ = trained
    shutil.copytree(root / "scans" / "images", tmp_path / "other" / "images")
    with (root / "scans" / "labels.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    return tmp_path / "other", rows


def said(done: Result, name: str) -> list[str]:
    """Of the row of metrics: the cells behind its name."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"│ {name} ")]
    return [cell.strip() for cell in line.strip("│").split("│")][1:]


def thresholds(done: Result) -> list[str]:
    return [line for line in done.stdout.splitlines() if "max_f1" in line or "not resolved:" in line]


def test_a_table_is_scored_as_the_trial_s_own_images(
    cli: Cli, trained: tuple[Path, TrialConfig], other: tuple[Path, list[dict[str, str]]]
) -> None:
    """The same images under other column names give the same numbers, intervals and thresholds."""
    root, config = trained
    folder, rows = other
    renamed = [{"light" if key == "bright" else key: value for key, value in row.items()} for row in rows]
    write_table(folder / "ours.csv", renamed)
    where = ("evaluate", config.trial_id, "-o", root / "out", "--data-dir", root)
    own, done = cli(*where), cli(*where, "--data", folder, "--class", "light=bright")
    assert own.exit_code == done.exit_code == 0, done.output
    assert f"{folder / 'ours.csv'}: {len(rows)} examples" in done.stdout
    assert "column light: the trial's label bright" in done.stdout
    for name in ("mAP", "Macro F1", "F1 of bright"):
        assert said(done, name) == said(own, name), name
    assert thresholds(done) == thresholds(own) != []
    count = len({row["patient"] for row in rows})
    for one in (own, done):
        assert f"intervals draw whole groups of examples, such as patients, of which there are {count}" in (
            one.stdout
        )
        assert said(one, "FPR@98 of noisy‡")[-1] == "–"
        assert "‡: not resolved: too few positives" in one.stdout


def test_the_card_draws_groups_and_marks_what_is_not_resolved(
    cli: Cli, trained: tuple[Path, TrialConfig], tmp_path: Path
) -> None:
    root, config = trained
    words = ("export", config.trial_id, "-o", root / "out", "--data-dir", root, "--to", tmp_path / "model")
    done = cli(*words, "--no-onnx")
    assert done.exit_code == 0, done.output
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert "Intervals draw whole groups of examples, such as patients, of which there are 10." in card
    (unresolved,) = [line for line in card.splitlines() if line.startswith("| FPR@98 of noisy")]
    assert unresolved.startswith("| FPR@98 of noisy‡ |")
    assert unresolved.endswith("| – |")
    assert "‡: not resolved: too few positives" in card
    own = cli("evaluate", config.trial_id, "-o", root / "out", "--data-dir", root)
    (line,) = [line for line in card.splitlines() if line.startswith("| mAP |")]
    assert line.strip("| ").split(" | ")[2] == said(own, "mAP")[-1], "the same draws"


def test_images_that_cannot_be_read_are_skipped_as_the_trial_s_own(
    cli: Cli, trained: tuple[Path, TrialConfig], other: tuple[Path, list[dict[str, str]]]
) -> None:
    root, config = trained
    folder, rows = other
    (folder / rows[0]["image"]).unlink()
    (folder / rows[1]["image"]).write_bytes(b"no image")
    table = write_table(folder / "ours.csv", rows)
    done = cli("evaluate", config.trial_id, "-o", root / "out", "--data-dir", root, "--data", table)
    assert done.exit_code == 0, done.output
    assert f"{table}: {len(rows) - 2} examples" in done.stdout
    assert "left out: images that are missing (skipped): 1" in done.stdout
    for row in rows[:2]:
        assert re.search(rf"left out: .*{row['image']}", done.stdout)


def test_images_are_scaled_by_the_percentiles_of_the_trial_s_own(cli: Cli, tmp_path: Path) -> None:
    """Whatever those of the other images are: a few of them give the scores that they had among all."""
    generator = np.random.default_rng(3)
    rows = []
    (tmp_path / "scans").mkdir()
    for number in range(60):
        values = generator.integers(100 * number, 4000 + 100 * number, (8, 8)).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / "scans" / f"{number:02d}.png")
        split = ("train", "val", "test")[number % 3]
        row = {"image": f"{number:02d}.png", "bright": str(number % 2), "noisy": str(int(number % 5 < 2))}
        rows.append({**row, "split": split})
    write_table(tmp_path / "scans" / "labels.csv", rows)
    source = {"name": "manifest", "file": "scans/labels.csv", "size": 8, "channels": 1, "split": "split"}
    source["scaling"] = {"percentiles": [5, 95]}
    data = {**SETTINGS["data"], "source": source}
    (config,) = SearchSpace.of("one", [{**SETTINGS, "data": data, "seeds": [1]}]).trials
    run_trial(config, Store(tmp_path / "out"), torch.device("cpu"), TrialOptions(data_dir=tmp_path))
    shutil.copytree(tmp_path / "scans", tmp_path / "other", ignore=shutil.ignore_patterns("labels.csv"))
    write_table(tmp_path / "other" / "t.csv", [row for row in rows if row["split"] == "test"])
    where = ("evaluate", config.trial_id, "-o", tmp_path / "out", "--data-dir", tmp_path)
    own, done = cli(*where), cli(*where, "--data", tmp_path / "other")
    assert own.exit_code == done.exit_code == 0, done.output
    assert said(done, "mAP") == said(own, "mAP")
    assert thresholds(done) == thresholds(own) != []
    # So does the model that leaves.
    words = ("--no-onnx", "--data-dir", tmp_path)
    done = cli("export", config.trial_id, "-o", tmp_path / "out", "--to", tmp_path / "model", *words)
    assert done.exit_code == 0, done.output
    store = Store(tmp_path / "out")
    (replicate,) = store.replicates.ended(config.trial_id).values()
    stored = outputs_of(store.replicates.read_scores(replicate), "test").outputs
    names = json.loads((tmp_path / "model" / "model.json").read_text())["outputs"]
    predicted = csv.DictReader(cli("predict", tmp_path / "model", tmp_path / "other").stdout.splitlines())
    tested = {row["image"] for row in rows if row["split"] == "test"}
    given = [[float(row[name]) for name in names] for row in predicted if row["file"] in tested]
    assert np.shape(given) == np.shape(stored) == (20, 2)
    assert np.abs(np.sort(given, axis=0) - np.sort(stored, axis=0)).max() < 1e-4


def test_a_label_that_no_image_has_is_undefined(
    cli: Cli, trained: tuple[Path, TrialConfig], other: tuple[Path, list[dict[str, str]]]
) -> None:
    root, config = trained
    folder, rows = other
    table = write_table(folder / "ours.csv", [{**row, "noisy": "0"} for row in rows])
    done = cli("evaluate", config.trial_id, "-o", root / "out", "--data-dir", root, "--data", table)
    assert done.exit_code == 0, done.output
    assert set(said(done, "mAP")) == {"–"}
    assert "–: no examples with label noisy" in done.stdout
    assert "nan" not in done.stdout


def test_lists_are_read_as_the_trial_s_own(tmp_path: Path) -> None:
    """Under the trial's own column and separator, with other names for labels."""
    source = Manifest(file="scans/t.csv", size=8, labels="findings", separator=";", split="split")
    task = MultiLabel(source=source, classes=("bright", "noisy", "torn"), critical=("noisy",))
    write_images(tmp_path / "other", ("test",))
    rows = []
    for number, text in enumerate(("light", "noisy; light", "", "elsewhere")):
        rows.append({"image": f"images/{number:03d}.png", "findings": text})
    table = write_table(tmp_path / "other" / "t.csv", rows)
    found = read_other_table(table, task, (3, 8), {"light": "bright"})
    assert found.targets.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert found.classes == {"light": "bright", "noisy": "noisy"}, "no list has torn"
    assert list(map(str, found.left_out)) == [
        "labels in lists that are none of the trial's: 1, for example elsewhere"
    ]
    assert found.groups is None
    with pytest.raises(InputError, match=r"expected a label of t\.csv, found none"):
        read_other_table(table, task, (3, 8), {"dark": "bright"})


def test_a_misspelt_label_in_lists_is_said(cli: Cli, tmp_path: Path) -> None:
    """Its images count as those without the label, so both names are told."""
    rows = []
    for row in write_images(tmp_path / "scans", ("train", "train", "val", "test")):
        text = "|".join(name for name in LABELS if row[name] == "1")
        rows.append({"image": row["image"], "split": row["split"], "findings": text})
    write_table(tmp_path / "scans" / "t.csv", rows)
    source = {"name": "manifest", "file": "scans/t.csv", "size": 8, "labels": "findings", "split": "split"}
    data = {**SETTINGS["data"], "source": source}
    (config,) = SearchSpace.of("one", [{**SETTINGS, "data": data, "seeds": [1]}]).trials
    run_trial(config, Store(tmp_path / "out"), torch.device("cpu"), TrialOptions(data_dir=tmp_path))
    misspelt = [{**row, "findings": row["findings"].replace("noisy", "noizy")} for row in rows]
    table = write_table(tmp_path / "scans" / "other.csv", misspelt)
    where = ("evaluate", config.trial_id, "-o", tmp_path / "out", "--data", table)
    done = cli(*where)
    assert done.exit_code == 0, done.output
    assert "no label holds the trial's label noisy" in done.stdout
    assert "left out: labels in lists that are none of the trial's: 1, for example noizy" in done.stdout
    meant = cli(*where, "--class", "noizy=noisy")
    assert meant.exit_code == 0, meant.output
    assert "label noizy: the trial's label noisy" in meant.stdout
    assert "left out" not in meant.stdout
    assert "no label" not in meant.stdout


def test_of_a_trial_on_arrays_columns_are_the_labels_and_their_names(cli: Cli, tmp_path: Path) -> None:
    source = {"name": "digit_mosaic", "classes": [8, 3], "prevalences": [0.3, 0.4]}
    source |= {"train": 60, "validation": 60, "test": 60}
    data = {"task": "multi_label", "source": source, "classes": [8, 3], "critical": [8]}
    (config,) = SearchSpace.of("one", [{**SETTINGS, "data": data, "seeds": [1]}]).trials
    run_trial(config, Store(tmp_path / "out"), torch.device("cpu"), TrialOptions())
    from trainer.data.task import load_task

    test = load_task(config.data, None).test
    rows = []
    (tmp_path / "other").mkdir()
    for number in range(len(test)):
        Image.fromarray(test.pixels.numpy()[number, 0]).save(tmp_path / "other" / f"{number:03d}.png")
        three, eight = test.targets[number][1], test.targets[number][0]
        rows.append({"image": f"{number:03d}.png", "3": str(int(three)), "8": str(int(eight))})
    table = write_table(tmp_path / "other" / "t.csv", rows)
    own = cli("evaluate", config.trial_id, "-o", tmp_path / "out")
    done = cli("evaluate", config.trial_id, "-o", tmp_path / "out", "--data", table)
    assert own.exit_code == done.exit_code == 0, done.output
    assert said(done, "mAP")[0] == said(own, "mAP")[0]
    assert "intervals draw" not in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "{root}/nowhere"], "--data: expected a table of images with labels (.csv or .parquet)"),
        (["--data", "{root}/none"], "found none"),
        (["--data", "{root}/two"], "found a.csv, b.csv"),
        (
            ["--data", "{root}/less.csv"],
            "expected columns of the labels bright, noisy, found",
        ),
        (["--data", "{root}/less.csv", "--class", "wild=noisy"], "expected a column of less.csv, found none"),
        (["--data", "{root}/less.csv", "--class", "image=loud"], "expected a class of the trial, one of"),
        (["--data", "{root}/less.csv", "--class", "bright=noisy"], "expected columns of the labels"),
    ],
)
def test_bad_input_is_one_line(
    cli: Cli, trained: tuple[Path, TrialConfig], tmp_path: Path, words: list[str], message: str
) -> None:
    root, config = trained
    for name in ("none", "two"):
        (tmp_path / name).mkdir()
    rows = [{"image": "a.png", "bright": "1"}]
    for place in ("two/a.csv", "two/b.csv", "less.csv"):
        write_table(tmp_path / place, rows)
    done = cli("evaluate", config.trial_id, "-o", root / "out", *(one.format(root=tmp_path) for one in words))
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert message in line
