"""`data`: what is found of a space's data before anything trains, and what it is doubted for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from rich.cells import cell_len

from sweeps.driver import data_look
from tests.sweeps.data.runs import SCANS, space, write_scans
from tests.trainer.image_files import random_images, write_class_folders
from trainer.data.task import read_splits

Cli = Callable[..., Result]
SEARCH = """search:
  samples: 2
  domains:
    loss: {choice: [baseline_BCE, baseline_LDAM]}
  objectives: [val/auroc]
"""
OWN = "\n".join(line for line in SCANS.splitlines() if "_per_class" not in line)


@pytest.fixture(autouse=True)
def in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look in this process, which has torch already."""

    def ask(module: str, asked: data_look.Request, what: str, hear: object) -> Any:
        read_splits.cache_clear()
        again = data_look.Request.model_validate_json(asked.model_dump_json())
        return data_look.look(again).model_dump(mode="json")

    if "almsweep" not in request.fixturenames:
        monkeypatch.setattr("sweeps.driver.data_look.ask", ask)


def look(cli: Cli, folder: Path, text: str, *more: object) -> Result:
    where = ["-o", folder / "out", "--data-dir", folder, "--sheets", folder / "look"]
    return cli("data", space(folder, text), *where, *more)


def test_duplicates_within_and_between_splits_are_told(cli: Cli, tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "val", "test")):
        write_scans(tmp_path / "scans" / split, 30, 30, seed * 10)
    train, test = tmp_path / "scans" / "train" / "benign", tmp_path / "scans" / "test" / "benign"
    for number in (3, 4):
        (train / f"{number:03d}.png").write_bytes((train / "000.png").read_bytes())
    (train / "005.png").write_bytes((test / "001.png").read_bytes())
    (test / "007.png").write_bytes((test / "008.png").read_bytes())
    done = look(cli, tmp_path, OWN)
    assert done.exit_code == 0, done.output
    words = "within a split 2 in training, 1 in test: copies of an earlier image of the split, kept"
    assert f"  duplicates  {words}" in done.stdout.splitlines()
    assert "left out    training images that are copies of validation or test images: 1" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(" " * 12)]
    assert rows == [["benign", "29", "30", "30"], ["malignant", "30", "30", "30"]]


def test_a_warning_that_is_of_one_ratio_alone_says_so(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    done = look(cli, tmp_path, f"tpr_targets: [0.9]\n{SCANS}")
    assert done.exit_code == 0, done.output
    warnings = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if "  warning " in line]
    assert "1:5: nearly empty in training (fewer than 20): malignant (9)" in warnings
    assert "nearly empty in test (fewer than 20): benign (5), malignant (5)" in warnings
    (test,) = [words for words in warnings if "positives in test" in words]
    assert "5, expected at least 29 for 90 %; tables" in test


def test_what_cannot_be_trained_is_told_with_what_there_is(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans" / "train", 30, 30)
    write_scans(tmp_path / "scans" / "val", 4, 4, 5)
    write_scans(tmp_path / "scans" / "test", 4, 0, 7)
    done = look(cli, tmp_path, OWN)
    assert done.exit_code == 2
    assert "cannot be trained: scans" in done.stdout
    assert "the test split has no positive example" in done.stdout
    (head,) = [line for line in done.stdout.splitlines() if line.startswith("  counts")]
    assert head.split("  ")[-3:] == ["training (own, 60)", "validation (own, 8)", "test (own, 4)"]
    assert not (tmp_path / "look").exists()


def test_damaged_images_are_named_and_those_of_one_ratio_end_with_1(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 20)
    done = look(cli, tmp_path, SCANS)
    assert done.exit_code == 1, done.output
    assert "cannot be trained: scans" in done.stdout
    assert (tmp_path / "look" / "scans-malignant-vs-benign.png").is_file(), done.stdout
    (tmp_path / "scans" / "benign" / "004.png").write_bytes(b"no image")
    done = look(cli, tmp_path, SCANS)
    assert done.exit_code == 2
    assert "benign/004.png" in done.stdout
    assert "files       80 images, 1 of them without a header that can be read" in done.stdout


def test_data_that_are_not_there_are_an_error(cli: Cli, tmp_path: Path) -> None:
    done = look(cli, tmp_path, SCANS)
    assert done.exit_code == 2
    assert "image folder scans: expected a folder" in done.stdout
    assert not (tmp_path / "look").exists()


def test_every_augmentation_policy_has_a_sheet(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    text = SCANS + "  augmentation: [none, crop_flip, flip_rotate_affine_jitter]\n"
    text = text.replace("grid: {ratio: [2, 5], loss: [baseline_BCE]}\n", "grid:\n  loss: [baseline_BCE]\n")
    done = look(cli, tmp_path, text, "--augmented")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "look").iterdir())
    assert len(names) == 4
    contents = {name: (tmp_path / "look" / name).read_bytes() for name in names}
    assert all(any(policy in name for name in names) for policy in ("crop_flip", "jitter", "none"))
    assert len(set(contents.values())) == 4
    pictures = {}
    for name in names:
        with Image.open(tmp_path / "look" / name) as image:
            pictures[name] = image.convert("RGB").crop((0, 90, *image.size)).tobytes()
    plain, none = sorted(name for name in names if "crop" not in name and "jitter" not in name)
    assert pictures[plain] == pictures[none], "without augmentation they are as they are"
    assert len(set(pictures.values())) == 3


def test_a_sheet_that_cannot_be_written_is_one_line(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    (tmp_path / "look").write_text("a file")
    done = look(cli, tmp_path, SCANS)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("almsweep: error: --sheets: ")
    assert "could not be written" in line


def test_the_command_looks_in_a_process_of_its_own(
    almsweep: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = almsweep("data", "digits-multilabel", "-o", tmp_path / "out", "--sheets", tmp_path / "look")
    assert done.returncode == 0, done.stderr
    assert "  trained as  16 x 16, grey, 8-bit" in done.stdout.splitlines()
    (sheet,) = (tmp_path / "look").iterdir()
    assert f"  examples    {sheet}" in done.stdout.splitlines()


def test_values_of_16_bits_are_seen_as_they_train(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("benign", 40), ("malignant", 30)):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for number in range(count):
            values = rng.integers(0, 4096, (8, 8), dtype=np.uint16)
            Image.fromarray(values).save(tmp_path / "scans" / name / f"{number}.png")
    text = SCANS.replace("size: 8}", "size: 8, channels: 1, scaling: {percentiles: [1, 99]}}")
    done = look(cli, tmp_path, text.replace("ratio: [2, 5], ", ""), "--augmented")
    assert done.exit_code == 0, done.output
    assert "  modes       PNG, grey, 16-bit (70)" in done.stdout.splitlines()
    with Image.open(tmp_path / "look" / "scans-malignant-vs-benign.png") as image:
        inside = np.asarray(image.convert("L"))[120:-40, -400:-40]
    assert inside.min() < 10, "the lowest percentile is black"
    assert 90 < np.median(inside) < 190, "and values fill the range, as they do not by that of 16 bits"
    assert len(list((tmp_path / "look").iterdir())) == 2


def test_data_sets_that_differ_in_size_have_sheets_of_their_own(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scans(tmp_path / "scans", 60, 40)
    text = SCANS.replace("grid: {ratio: [2, 5], ", "grid: {data.source.size: [8, 12], ")
    done = cli("data", space(tmp_path, text), "-o", tmp_path / "out", "--data-dir", tmp_path)
    assert done.exit_code == 0, done.output
    assert "  trained as  8 x 8, colour, 8-bit" in done.stdout.splitlines()
    assert "  trained as  12 x 12, colour, 8-bit" in done.stdout.splitlines()
    assert len(list((tmp_path / "scans-data").iterdir())) == 2


def test_a_search_without_a_trial_has_no_policy_yet(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    text = SCANS.replace("grid: {ratio: [2, 5], loss: [baseline_BCE]}", SEARCH)
    done = look(cli, tmp_path, text, "--augmented")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "no trial is chosen yet, and so no augmentation policy"
    assert len(list((tmp_path / "look").iterdir())) == 1


def test_counts_stand_below_each_other_whatever_letters_classes_have(cli: Cli, tmp_path: Path) -> None:
    names = {"良性": random_images(40, (3, 8, 8)), "bösartig": random_images(30, (3, 8, 8), 1)}
    write_class_folders(tmp_path / "scans", names)
    text = SCANS.replace("[benign]", "[良性]").replace("[malignant]", "[bösartig]")
    done = look(cli, tmp_path, text.replace("ratio: [2, 5], ", ""))
    assert done.exit_code == 0, done.output
    rows = [line for line in done.stdout.splitlines() if line.startswith((" " * 12, "  counts"))]
    assert len(rows) == 3
    assert len({cell_len(row) for row in rows}) == 1
