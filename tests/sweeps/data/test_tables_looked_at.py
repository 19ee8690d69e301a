"""What is wrong with a table of images is said before anything trains, by name, with exit code 2."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

Cli = Callable[..., Result]
IMAGES = 300
SPACE = """
name: scans
fixed:
  data:
    task: multi_label
    source:
      {{name: manifest, file: scans/labels.csv, size: 8, channels: 1, bad_files: {policy}, split: split,
       groups: {{column: patient}}}}
    classes: {labels}
    critical: [a]
  loss: ml_bce
  model: {{name: small_cnn, width: 2}}
  epochs: 1
  seeds: [1]
"""


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, str]]:
    """Of 300 images of 100 patients; 1 % of them are damaged, and 1 % are missing."""
    generator = np.random.default_rng(0)
    (tmp_path / "data" / "scans" / "images").mkdir(parents=True)
    found = []
    for number in range(IMAGES):
        name, patient = f"images/{number:03d}.png", number // 3
        if number in (5, 100, 200):
            (tmp_path / "data" / "scans" / name).write_bytes(b"no image")
        elif number not in (17, 150, 250):
            image = generator.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / "data" / "scans" / name)
        row = {"image": name, "a": str(number % 3 // 2), "b": str(number % 2), "none": "0"}
        row |= {
            "word": "yes",
            "patient": str(patient),
            "split": ("train", "train", "val", "test")[patient % 4],
        }
        found.append(row)
    return found


def asked(
    cli: Cli,
    root: Path,
    rows: list[dict[str, str]],
    command: str,
    *,
    labels: str = "[a, b]",
    policy: str = "skip",
) -> Result:
    """What a command says of the space whose table has these rows."""
    with (root / "data" / "scans" / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (root / "scans.yaml").write_text(SPACE.format(labels=labels, policy=policy))
    folders = ["--data-dir", root / "data"]
    if command != "data":
        folders += ["-o", root / "out"]
    return cli(command, root / "scans.yaml", *folders)


def test_images_that_are_damaged_or_missing_are_left_out_and_named(
    cli: Cli, tmp_path: Path, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the contact sheet stands there
    done = asked(cli, tmp_path, rows, "data")
    assert done.exit_code == 0, done.output
    for told in (
        "images that are missing (skipped): 3, for example images/017.png, images/150.png, images/250.png",
        "images that could not be decoded (skipped): 3, for example images/",
        "297 images, 3 of them without a header that can be read",
        "none in two of them",
    ):
        assert told in done.stdout
    done = asked(cli, tmp_path, rows, "plan", policy="stop")
    assert done.exit_code == 2
    told = (
        "3 of 300 images cannot be read: 3 that are missing (images/017.png, images/150.png, images/250.png)"
    )
    assert told in done.stdout


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "text",
            "expected 0 or 1 in the column 'word' of a label, found 300 other values: 'yes' of",
        ),
        ("no positives", "expected images with the label 'none', found none of 300 images"),
        (
            "group",
            "expected every group in one split, found 1 group in both training and test",
        ),
        ("outside", "expected paths of images inside the folder"),
        ("twice", "expected every image once, found 1 repetition: images/003.png"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    cli: Cli, tmp_path: Path, rows: list[dict[str, str]], fault: str, message: str, command: str
) -> None:
    labels = {"text": "[a, word]", "no positives": "[a, none]"}.get(fault, "[a, b]")
    if fault == "group":
        rows[0]["split"] = "test"
    elif fault == "outside":
        rows[3]["image"], rows[4]["image"] = "../../secret.png", "/etc/passwd"
    elif fault == "twice":
        rows[4]["image"] = rows[3]["image"]
    done = asked(cli, tmp_path, rows, command, labels=labels)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert "are not here" not in done.output
    if fault == "outside":
        assert "found 2 others: row 3: '../../secret.png', row 4: '/etc/passwd'" in done.output
