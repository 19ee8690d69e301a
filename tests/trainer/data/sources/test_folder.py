from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search_spaces.config import ImageFolder
from search_spaces.errors import DataError
from tests.trainer.image_files import random_images, write_class_folders
from trainer.data.sources.folder import FolderReader
from trainer.data.sources.images import LeftOut

SOURCE = ImageFolder(folder="birds", size=8)
CROWS, JAYS = random_images(3, (3, 8, 8), 1), random_images(2, (3, 8, 8), 2)


def test_a_folder_per_class(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds", {"crow": CROWS, "jay": JAYS, "owl": JAYS})
    for data_dir in (tmp_path, tmp_path / "birds"):
        raw = FolderReader(SOURCE).read(("jay", "crow"), data_dir, download=False)
        assert raw.train.ids.tolist() == [
            "crow/000.png",
            "crow/001.png",
            "crow/002.png",
            "jay/000.png",
            "jay/001.png",
        ]
        assert raw.train.classes.tolist() == [1, 1, 1, 0, 0]
        assert np.array_equal(raw.train.pixels, np.concatenate([CROWS, JAYS]))
        assert raw.validation is None
        assert raw.test is None


@pytest.mark.parametrize("validation", ["val", "valid", "validation", None])
def test_own_splits(validation: str | None, tmp_path: Path) -> None:
    for split in ("train", "test", *([validation] if validation else [])):
        write_class_folders(tmp_path / "birds" / split, {"crow": CROWS, "jay": JAYS})
    raw = FolderReader(SOURCE).read(("jay", "crow"), tmp_path, download=False)
    assert raw.train.ids[0] == "train/crow/000.png"
    assert raw.test is not None
    assert raw.test.ids[-1] == "test/jay/001.png"
    assert (raw.validation is None) == (validation is None)
    if raw.validation is not None:
        assert raw.validation.ids[0] == f"{validation}/crow/000.png"


def test_images_are_resized_and_made_grey(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds", {"crow": random_images(2, (3, 20, 31)), "jay": CROWS})
    grey = ImageFolder(folder="birds", size=16, channels=1)
    raw = FolderReader(grey).read(("crow", "jay"), tmp_path, download=False)
    assert raw.train.pixels.shape == (5, 1, 16, 16)


def test_numbers_name_folders_and_other_files_are_passed_over(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds", {"0": CROWS, "1": JAYS, ".cache": JAYS})
    (tmp_path / "birds" / "0" / "notes.txt").write_text("not an image")
    (tmp_path / "birds" / "0" / ".hidden.png").write_text("not an image")
    assert len(FolderReader(SOURCE).read((0, "1"), tmp_path, download=False).train.ids) == 5
    with pytest.raises(DataError, match="expected each class folder once, given"):
        FolderReader(SOURCE).read((0, "0"), tmp_path, download=False)


def test_an_unknown_class_lists_the_known_ones(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds", {"crow": CROWS, "jay": JAYS})
    with pytest.raises(DataError, match="birds: unknown class label 'owl'; known: 'crow', 'jay'"):
        FolderReader(SOURCE).read(("crow", "owl"), tmp_path, download=False)


def test_all_damaged_images_are_named_at_once(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_class_folders(tmp_path / "birds" / split, {"crow": CROWS, "jay": JAYS})
    damaged = [
        tmp_path / "birds" / name for name in ("train/crow/002.png", "train/jay/001.png", "val/jay/000.png")
    ]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="image folder birds: 3 images cannot be read: ") as error:
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)
    for path in damaged:
        assert f"{path}: expected an image, could not decode it" in str(error.value)


def test_what_is_passed_over_is_counted_with_an_example(tmp_path: Path) -> None:
    write_class_folders(
        tmp_path / "birds", {"crow": CROWS, "jay": JAYS, "jay/nest 1": CROWS, "jay/nest 2": JAYS}
    )
    (tmp_path / "birds" / "crow" / "notes.txt").write_text("not an image")
    (tmp_path / "birds" / "crow" / ".DS_Store").write_text("hidden")
    left_out = (
        LeftOut("files ending .txt", 1, "crow/notes.txt"),
        LeftOut("files in sub-folders of a class", 5, "jay/nest 1/000.png"),
    )
    reader = FolderReader(SOURCE)
    assert reader.read(("crow", "jay"), tmp_path, download=False).left_out == left_out
    listing = reader.listing(("crow", "jay"), tmp_path, download=False)
    assert listing.left_out == left_out
    assert np.bincount(listing.train).tolist() == [3, 2]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"expected a folder {tmp_path / 'birds'}"):
        FolderReader(SOURCE).read(("crow",), tmp_path, download=False)
