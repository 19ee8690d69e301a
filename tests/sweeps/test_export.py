"""`export` and `predict`: a trial's networks in files of their own give the trainer's scores."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

from search_spaces.config import (
    ConvNeXtTiny,
    DenseNet121,
    EfficientNetB0,
    MultiLabel,
    ResNet10,
    ResNet18,
    ResNet50,
    SmallCnn,
    TrialConfig,
)
from search_spaces.space import SearchSpace
from tests.trainer.image_files import random_images
from trainer.data.pixels import Pixels
from trainer.data.task import load_task
from trainer.evaluate import replicate_outputs
from trainer.export.files import as_input, largest_difference, onnx_scorer, torch_scorer
from trainer.metrics.thresholds import ThresholdRule
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.store.outputs import outputs_of
from trainer.tasks.base import task_arrays
from trainer.trial import run_trial

Cli = Callable[..., Result]
CPU = torch.device("cpu")
BINARY: dict[str, Any] = {
    "data": {
        "source": {"name": "digits"},
        "negative": [1],
        "positive": [8],
        "validation_per_class": 60,
        "test_per_class": 30,
    },
    "loss": "baseline_BCE",
    "model": ResNet10(width=4),
    "epochs": 2,
    "seeds": [1, 2],
}
SEVERAL: dict[str, Any] = {
    "data": {
        "task": "multiclass",
        "source": {"name": "digits"},
        "classes": [1, 3, 8],
        "critical": [8],
        "validation_per_class": 30,
        "test_per_class": 20,
    },
    "loss": "cross_entropy",
    "model": SmallCnn(width=4),
    "epochs": 2,
    "scored": "mean_of_last_3",
    "seeds": [1],
}


def trained(folder: Path, settings: dict[str, Any], **options: Any) -> TrialConfig:
    (config,) = SearchSpace.of("one", [settings]).trials
    run_trial(config, Store(folder), CPU, TrialOptions(**options))
    return config


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    for settings in (BINARY, SEVERAL):
        trained(folder, settings)
    return folder


@pytest.fixture
def binary() -> TrialConfig:
    (found,) = SearchSpace.of("one", [BINARY]).trials
    return found


@pytest.fixture(scope="module")
def model(output: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binary trial's ensemble, exported."""
    from typer.testing import CliRunner

    from sweeps.cli.main import app

    (config,) = SearchSpace.of("one", [BINARY]).trials
    folder = tmp_path_factory.mktemp("exported") / "model"
    done = CliRunner().invoke(app, ["export", config.trial_id[:8], "-o", str(output), "--to", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return found


def trainers(config: TrialConfig, output: Path, images: Any) -> Any:
    """The trainer's float32 scores of images, averaged over replicates."""
    store, plain = Store(output), config.model_copy(update={"precision": "float32"})
    done, pixels = store.replicates.ended(config.trial_id), Pixels(np.asarray(images))
    return np.mean(
        [replicate_outputs(plain, store, done[seed], pixels, CPU) for seed in config.seeds], axis=0
    )


def test_both_files_give_the_trainers_scores(output: Path, binary: TrialConfig, model: Path) -> None:
    pixels = load_task(binary.data, None).test.pixels.numpy()
    wanted = trainers(binary, output, pixels)
    images = as_input(pixels)
    assert sorted(path.name for path in model.iterdir()) == [
        "MODEL_CARD.md",
        "model.json",
        "model.onnx",
        "model.pt2",
    ]
    runtime = onnx_scorer(model / "model.onnx")
    assert runtime is not None
    for score in (runtime, torch_scorer(model / "model.pt2")):
        assert largest_difference(score(images), wanted) <= 1e-5
        # Of any number of images, each by itself.
        assert largest_difference(score(images[:1]), wanted[:1]) <= 1e-5


def test_facts_and_card_say_what_it_is(output: Path, binary: TrialConfig, model: Path) -> None:
    told = facts(model)
    assert told["trial"] == binary.trial_id
    assert told["seeds"] == [1, 2]
    assert told["outputs"] == ["score"]
    assert (told["channels"], told["size"], len(told["mean"]), len(told["std"])) == (1, 8, 1, 1)
    assert max(told["difference"].values()) <= 1e-5
    for name, sha256 in told["files"].items():
        assert hashlib.sha256((model / name).read_bytes()).hexdigest() == sha256
    card = (model / "MODEL_CARD.md").read_text()
    for heading in ("Data", "Metrics on the test split", "Thresholds", "Intended use", "Limits"):
        assert f"\n## {heading}\n" in card
    assert re.search(r"\| AUC \| [01]\.\d{4} \| [01]\.\d{4}–[01]\.\d{4} \|", card)
    # Of 30 test positives 98 % cannot be told from all.
    assert re.search(r"\| FPR@98‡ \| \d+\.\d % \| – \|", card)
    assert re.search(r"\| FPR@90 \| \d+\.\d % \| \d+\.\d–\d+\.\d % \|", card)
    assert "Intervals draw other examples of the same kind." in card
    store = Store(output)
    counts = store.replicates.read_result(store.replicates.ended(binary.trial_id)[1])["counts"]
    for name, number in counts.items():
        assert f"| {name.replace('_', ' ')} | {number} |" in card
    assert "stored test scores (float32): at most" in card


def test_thresholds_are_those_of_validation_and_too_few_positives_give_none(
    output: Path, binary: TrialConfig, model: Path
) -> None:
    store = Store(output)
    done = store.replicates.ended(binary.trial_id)
    parts = [outputs_of(store.replicates.read_scores(done[seed]), "val") for seed in (1, 2)]
    scores = np.mean([part.outputs for part in parts], axis=0, dtype=np.float64)
    positive = parts[0].targets == 1
    told = facts(model)
    assert [one["rule"] for one in told["thresholds"]] == ["tpr_95", "tpr_90"]
    for one, rate in zip(told["thresholds"], (0.95, 0.90), strict=True):
        taken = scores >= one["value"]
        assert (taken & positive).sum() == one["true_positives"] >= rate * 60
        assert (taken & ~positive).sum() == one["false_positives"]
        # The fewest negatives of all thresholds that reach the rate.
        reaching = [t for t in scores if (scores[positive] >= t).mean() >= rate]
        assert one["false_positives"] == min((scores[~positive] >= t).sum() for t in reaching)
    (unresolved,) = told["not_resolved"]
    assert (unresolved["rule"], unresolved["positives"]) == ("tpr_98", 60)
    assert (
        "no threshold, not resolved: 60 validation positives, expected at least 149"
        in (model / "MODEL_CARD.md").read_text()
    )


def test_predict_decodes_as_training_does_whatever_the_format(
    cli: Cli, output: Path, binary: TrialConfig, model: Path, tmp_path: Path
) -> None:
    """A grey and a coloured file, one lying on its side, one transparent, of 16 bits; and what is none."""
    from trainer.data.sources.decode import decode_image

    folder = tmp_path / "mixed"
    (folder / "below").mkdir(parents=True)
    grey, colour = random_images(1, (1, 20, 30))[0, 0], np.moveaxis(random_images(1, (3, 30, 20))[0], 0, -1)
    Image.fromarray(grey).save(folder / "a.png")
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(colour).save(folder / "b.jpg", exif=turned)
    Image.fromarray(colour).save(folder / "below" / "c.bmp")
    Image.fromarray(np.dstack([colour, grey.T])).save(folder / "below" / "=d.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "e.tiff")
    Image.fromarray(colour).save(folder / "f.webp")
    (folder / "g.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    done = cli("predict", model, folder, "--csv", tmp_path / "scores.csv")
    assert done.exit_code == 1
    assert "7 images; 1 file passed over" in done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text())))
    assert list(rows[0]) == ["file", "score", "positive@tpr_95", "positive@tpr_90", "error"]
    assert [row["file"] for row in rows] == [
        "a.png", "b.jpg", "below/=d.png", "below/c.bmp", "e.tiff", "f.webp", "g.png",
    ]  # fmt: skip
    assert "could not be decoded" in rows[-1]["error"]
    assert rows[-1]["score"] == ""
    readable = rows[:-1]
    pixels = np.stack([decode_image(folder / row["file"], row["file"], 1, 8) for row in readable])
    wanted = trainers(binary, output, pixels)
    found = np.array([float(row["score"]) for row in readable])
    assert largest_difference(found, wanted) <= 1e-5
    for one in facts(model)["thresholds"]:
        decided = [row[f"positive@{one['rule']}"] == "1" for row in readable]
        assert decided == (found >= one["value"]).tolist()


def test_evaluate_judges_other_images_at_the_stored_thresholds(
    cli: Cli, output: Path, binary: TrialConfig, model: Path, tmp_path: Path
) -> None:
    test = load_task(binary.data, None).test
    for position in range(len(test)):
        place = tmp_path / "other" / ("8" if test.targets[position] else "1")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(test.pixels.numpy()[position, 0]).save(place / f"{position}.png")
    done = cli("evaluate", binary.trial_id, "--output", output, "--data", tmp_path / "other")
    assert done.exit_code == 0, done.output
    scores, positive = trainers(binary, output, test.pixels), test.targets.numpy() == 1
    for one in facts(model)["thresholds"]:
        taken = scores >= one["value"]
        counts = f"({(taken & positive).sum()}/30)", f"({(taken & ~positive).sum()}/30)"
        (line,) = [line for line in done.stdout.splitlines() if one["rule"] in line and "│" in line]
        assert all(part in line for part in (f"{one['value']:.4f}", *counts))
    assert "positive tpr_98: no threshold, not resolved: 60 validation positives" in done.stdout


def test_several_classes_over_several_epochs_and_one_replicate(
    cli: Cli, output: Path, tmp_path: Path
) -> None:
    (config,) = SearchSpace.of("one", [SEVERAL]).trials
    folder, pictures = tmp_path / "new" / "model", tmp_path / "pictures"
    done = cli("export", config.trial_id, "-o", output, "--to", folder, "--seed", 1, "--no-onnx")
    assert done.exit_code == 0, done.output
    assert not (folder / "model.onnx").exists()
    test = load_task(config.data, None).test
    pictures.mkdir()
    for position in range(12):
        Image.fromarray(test.pixels.numpy()[position, 0]).save(pictures / f"{position:02}.png")
    rows = list(csv.DictReader(io.StringIO(cli("predict", folder, pictures).stdout)))
    wanted = trainers(config, output, test.pixels.numpy()[:12])
    found = np.array([[float(row[name]) for name in ("1", "3", "8")] for row in rows])
    assert largest_difference(found, wanted) <= 1e-5
    assert [row["highest"] for row in rows] == [("1", "3", "8")[place] for place in wanted.argmax(axis=1)]


def test_label_sets_have_a_threshold_of_every_label(cli: Cli, tmp_path: Path) -> None:
    task = MultiLabel.example()
    settings = {
        "data": task,
        "loss": {"name": "ml_bce"},
        "model": SmallCnn(width=2),
        "epochs": 1,
        "seeds": [1],
    }
    config = trained(tmp_path / "out", settings)
    folder, pictures = tmp_path / "model", tmp_path / "pictures"
    words = ("--threshold", "max_f1", "--threshold", "tpr_90")
    done = cli("export", config.trial_id, "-o", tmp_path / "out", "--to", folder, "--no-onnx", *words)
    assert done.exit_code == 0, done.output
    told = facts(folder)
    ruled = {(one["column"], one["rule"]) for one in (*told["thresholds"], *told["not_resolved"])}
    assert ruled == {(str(label), rule) for label in task.labels for rule in ("max_f1", "tpr_90")}
    store = Store(tmp_path / "out")
    (marker,) = store.replicates.ended(config.trial_id).values()
    val = outputs_of(store.replicates.read_scores(marker), "val")
    arrays = task_arrays(task)
    for one in told["thresholds"]:
        known = arrays.label_thresholds(val.targets, val.outputs[None], ThresholdRule.of(one["rule"]))
        value = known[one["column"]].value
        place = [str(label) for label in task.labels].index(one["column"])
        scores = val.outputs[:, place].astype(np.float64)
        assert ((scores >= one["value"]) == (scores >= value)).all()
    test = load_task(config.data, None).test.pixels.numpy()[:5]
    pictures.mkdir()
    for number, image in enumerate(test):
        picture = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        Image.fromarray(picture).save(pictures / f"{number}.png")
    rows = list(csv.DictReader(io.StringIO(cli("predict", folder, pictures).stdout)))
    found = np.array([[float(row[name]) for name in told["outputs"]] for row in rows])
    assert largest_difference(found, trainers(config, tmp_path / "out", test)) <= 1e-5
    for one in told["thresholds"]:
        place = [str(label) for label in task.labels].index(one["column"])
        decided = [row[f"{one['column']}@{one['rule']}"] == "1" for row in rows]
        assert decided == (found[:, place] >= one["value"]).tolist()


def test_of_a_bf16_trial_the_difference_from_its_stored_scores_is_said(cli: Cli, tmp_path: Path) -> None:
    config = trained(tmp_path, {**BINARY, "precision": "bf16", "seeds": [1], "epochs": 1})
    done = cli("export", config.trial_id, "-o", tmp_path, "--to", tmp_path / "model", "--no-onnx")
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("stored test scores (bf16)")]
    said = float(re.findall(r"at most (\S+) from", line)[0])
    data = load_task(config.data, None)
    store = Store(tmp_path)
    (marker,) = store.replicates.ended(config.trial_id).values()
    stored = outputs_of(store.replicates.read_scores(marker), "test")
    order = [list(data.test.ids.astype(str)).index(name) for name in stored.ids]
    wanted = largest_difference(trainers(config, tmp_path, data.test.pixels)[order], stored.outputs)
    assert said == pytest.approx(wanted, rel=0.05)
    assert said > 1e-4
    assert line in (tmp_path / "model" / "MODEL_CARD.md").read_text()


# Deep ones, whose export takes its time.
_DEEP = (ResNet50, DenseNet121, EfficientNetB0, ConvNeXtTiny)
_IN_TURN = [pytest.param(kind, marks=pytest.mark.group(name="models")) for kind in _DEEP]


@pytest.mark.parametrize("kind", [ResNet18, *_IN_TURN])
def test_a_network_of_torchvision_leaves_too(cli: Cli, tmp_path: Path, kind: Any) -> None:
    pixels, numbers = random_images(40, (1, 32, 32)), range(40)
    for number, image in zip(numbers, pixels, strict=True):
        place = tmp_path / "scans" / ("ill" if number % 2 else "well")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(place / f"{number}.png")
    source = {"name": "folder", "folder": "scans", "size": 32, "channels": 1}
    data = {"source": source, "negative": ["well"], "positive": ["ill"]}
    data |= {"validation_per_class": 5, "test_per_class": 5}
    settings = {"data": data, "loss": "baseline_BCE", "model": kind(), "epochs": 1, "seeds": [1]}
    config = trained(tmp_path / "out", settings, data_dir=tmp_path)
    done = cli("export", config.trial_id, "-o", tmp_path / "out", "--to", tmp_path / "model")
    assert done.exit_code == 0, done.output
    assert "not compared with float32: data set folder: expected a data directory" in done.stdout
    runtime = onnx_scorer(tmp_path / "model" / "model.onnx")
    assert runtime is not None
    wanted = trainers(config, tmp_path / "out", pixels)
    assert largest_difference(runtime(as_input(pixels)), wanted) <= 1e-4


def test_without_weights_the_command_that_makes_them_is_said(cli: Cli, tmp_path: Path) -> None:
    (config,) = SearchSpace.of("mine", [{**BINARY, "seeds": [1], "epochs": 1}]).trials
    store = Store(tmp_path)
    run_trial(config, store, CPU, TrialOptions(keep_weights="none"))
    from trainer.store import SweepManifest

    store.write_sweep(SweepManifest("mine", (config,)))
    done = cli("export", config.trial_id, "-o", tmp_path, "--to", tmp_path / "model")
    assert done.exit_code == 2
    assert "trained again by: almsweep retry mine --weights --trial" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "model").exists()


def test_bad_input_is_one_line_and_nothing_is_written(
    cli: Cli, output: Path, binary: TrialConfig, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").mkdir()
    cases = [
        (("export", binary.trial_id, "-o", output, "--to", tmp_path / "taken"), "expected a new folder"),
        (
            ("export", binary.trial_id, "-o", output, "--seed", 9),
            "expected the completed replicate of seed 9",
        ),
        (("export", binary.trial_id, "-o", output, "--threshold", "best"), "expected a threshold rule like"),
        (("predict", tmp_path / "taken", tmp_path), "expected the folder of an exported model"),
        (("predict", model, tmp_path / "taken"), "expected images in"),
        (("predict", model, tmp_path / "nowhere"), "expected a folder of images, found none"),
    ]
    for words, message in cases:
        done = cli(*words)
        assert done.exit_code == 2, (words, done.output)
        assert message in " ".join(done.stderr.split())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else True)
    done = cli("export", binary.trial_id, "-o", output, "--to", tmp_path / "model")
    assert done.exit_code == 2
    assert "pip install 'almsweep[export]'" in " ".join(done.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
