from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search_spaces.config import ImageFolder
from search_spaces.errors import DataError
from tests.trainer.image_files import encode, random_images, write_class_folders
from trainer.data.sources.folder import FolderReader
from trainer.data.sources.images import LeftOut
from trainer.data.sources.read import read_source

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


@pytest.mark.parametrize("validation", ["val", "Valid", "validation", "dev", "Eval", "VAL_set", None])
@pytest.mark.parametrize(
    ("train", "test"), [("train", "test"), ("Training", "Testing"), ("TRAIN", "test_set")]
)
def test_own_splits(train: str, validation: str | None, test: str, tmp_path: Path) -> None:
    for split in (train, test, *([validation] if validation else [])):
        write_class_folders(tmp_path / "birds" / split, {"crow": CROWS, "jay": JAYS})
    raw = FolderReader(SOURCE).read(("jay", "crow"), tmp_path, download=False)
    assert raw.train.ids[0] == f"{train}/crow/000.png"
    assert raw.test is not None
    assert raw.test.ids[-1] == f"{test}/jay/001.png"
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


def test_where_the_classes_lie_instead_is_said(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds" / "birds" / "train", {"crow": CROWS, "jay": JAYS})
    there = re.escape(str(tmp_path / "birds" / "birds"))
    with pytest.raises(DataError, match=f"known: 'birds'; there are such folders in {there}$"):
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)


def test_all_damaged_images_are_named_at_once(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_class_folders(tmp_path / "birds" / split, {"crow": CROWS, "jay": JAYS})
    damaged = [
        tmp_path / "birds" / name for name in ("train/crow/002.png", "train/jay/001.png", "val/jay/000.png")
    ]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"image folder birds: 3 of 15 images cannot be read: ") as error:
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)
    for path in damaged:
        assert str(path) in str(error.value)
    assert str(error.value).endswith(f"{damaged[-1]}: image file is truncated)")


def test_images_that_cannot_be_read_are_counted_by_reason(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds", {"crow": random_images(9, (3, 8, 8)), "jay": JAYS})
    for number in range(7):
        (tmp_path / "birds" / "crow" / f"{number:03d}.png").write_bytes(b"")
    pages = [Image.fromarray(image[0]) for image in JAYS]
    pages[0].save(tmp_path / "birds" / "jay" / "stack.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "birds" / "jay" / "away.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError) as error:
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)
    crow, jay = tmp_path / "birds" / "crow", tmp_path / "birds" / "jay"
    shown = ", ".join(str(crow / f"{number:03d}.png") for number in range(5))
    assert str(error.value) == (
        f"image folder birds: 9 of 13 images cannot be read: 8 that could not be decoded ({shown}: "
        f"it is empty, …); 1 of several pages or frames ({jay / 'stack.tif'})"
    )


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


def test_images_of_which_little_is_left_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, greatest in (("twelve", 4095), ("sixteen", 65535)):
        for label in ("crow", "jay"):
            (tmp_path / name / label).mkdir(parents=True)
            values = np.linspace(0, greatest, 64).astype(np.uint16).reshape(8, 8)
            Image.fromarray(values).save(tmp_path / name / label / "0.png")
        FolderReader(ImageFolder(folder=name, size=8)).read(("crow", "jay"), tmp_path, download=False)
    (record,) = caplog.records
    assert "image folder twelve: no value is above 16 of 255" in record.getMessage()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for name in ("birds", "x" * 300):
        with pytest.raises(DataError, match=f"expected a folder {tmp_path / name}"):
            FolderReader(ImageFolder(folder=name)).read(("crow",), tmp_path, download=False)


def test_two_folders_of_one_split_are_an_error(tmp_path: Path) -> None:
    for split in ("train", "val", "dev"):
        write_class_folders(tmp_path / "birds" / split, {"crow": CROWS, "jay": JAYS})
    with pytest.raises(DataError, match=r"expected one folder of the validation split, found dev, val$"):
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)


def test_a_class_may_be_called_as_a_split(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds", {"train": CROWS, "bus": JAYS})
    raw = FolderReader(SOURCE).read(("train", "bus"), tmp_path, download=False)
    assert np.bincount(raw.train.classes).tolist() == [3, 2]


def test_which_folders_are_splits_is_said_where_that_is_the_question(tmp_path: Path) -> None:
    for split in ("learning", "Testing"):
        write_class_folders(tmp_path / "birds" / split, {"crow": CROWS, "jay": JAYS})
    with pytest.raises(
        DataError,
        match=r"'Testing', 'learning'; .* \(folders of splits, .* train: train, training; validation: ",
    ):
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)


def test_everything_that_is_no_image_of_a_class_is_counted(tmp_path: Path) -> None:
    """Beside splits and classes, in sub-folders, of other endings; and links that lead back end."""
    root = tmp_path / "birds"
    for split in ("train", "test"):
        write_class_folders(root / split, {"crow": CROWS, "jay": JAYS, "owl": JAYS})
    write_class_folders(root / "unlabelled", {"many": CROWS})
    write_class_folders(root / "train" / "crow", {"patient 1": CROWS, "patient 2/left": JAYS})
    (root / "train" / "crow" / "back").symlink_to(root / "train", target_is_directory=True)
    (root / "train" / "crow" / "itself.dcm").symlink_to(root / "train" / "crow" / "itself.dcm")
    (root / "train" / "loose.png").write_bytes(b"")
    for name in (
        "scan.dcm",
        "scan.DCM",
        "1.2.840.113619.2.55.3",
        "1.2.840.113619.2.55.4",
        "IM0001",
        ".hidden",
    ):
        (root / "train" / "jay" / name).write_bytes(b"")
    os.mkfifo(root / "test" / "jay" / "pipe.png")
    counts = {found.reason: (found.count, found.example) for found in passed_over(tmp_path)}
    assert counts == {
        "folders beside the splits": (1, "unlabelled"),
        "images beside the class folders": (1, "train/loose.png"),
        "files in sub-folders of a class": (5, "train/crow/patient 1/000.png"),
        "links to folders in a class": (1, "train/crow/back"),
        "files ending .dcm": (3, "train/crow/itself.dcm"),
        "files without an ending that tells what they are": (3, "train/jay/1.2.840.113619.2.55.3"),
        "devices, pipes and sockets": (1, "test/jay/pipe.png"),
        "images of classes that are not named": (4, "train/owl/000.png"),
    }


def passed_over(data_dir: Path) -> tuple[LeftOut, ...]:
    """What the listing and the reading tell alike."""
    listed = FolderReader(SOURCE).listing(("crow", "jay"), data_dir, download=False)
    raw = FolderReader(SOURCE).read(("crow", "jay"), data_dir, download=False)
    assert listed.left_out == raw.left_out
    assert listed.train.tolist() == raw.train.classes.tolist() == [0, 0, 0, 1, 1]
    return listed.left_out


@pytest.mark.parametrize("ending", ["jfif", "JPE", "apng", "dib", "pnm"])
def test_less_common_endings_are_read(ending: str, tmp_path: Path) -> None:
    write_class_folders(tmp_path / "birds", {"crow": CROWS, "jay": JAYS})
    for path in (tmp_path / "birds" / "jay").iterdir():
        path.rename(path.with_suffix(f".{ending}"))
    assert [found.count for found in passed_over(tmp_path)] == []


@pytest.mark.parametrize(
    "folder", ["Chest X-Ray", "données", "chest_xray/chest_xray", ".hidden", "-o", "a%b?#"]
)
def test_folders_as_they_come(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path / folder, {"crow": CROWS, "jay": JAYS})
    source = ImageFolder(folder=folder, size=8)
    for data_dir in (tmp_path, tmp_path / folder):
        assert len(FolderReader(source).read(("crow", "jay"), data_dir, download=False).train.ids) == 5
    monkeypatch.chdir(tmp_path / folder)
    for here in (Path("."), Path("crow/..")):
        assert len(read_source(source, ("crow", "jay"), here, download=False).train.ids) == 5


@pytest.mark.parametrize(("stored", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_are_equal_in_every_unicode_form(stored: str, typed: str, tmp_path: Path) -> None:
    folder, label = (unicodedata.normalize(stored, name) for name in ("données", "bösartig"))
    write_class_folders(tmp_path / folder, {label: CROWS, "gutartig": JAYS})
    asked = unicodedata.normalize(typed, "données"), unicodedata.normalize(typed, "bösartig")
    source = ImageFolder(folder=asked[0], size=8)
    assert source.folder == asked[0]
    for data_dir in (tmp_path, tmp_path / folder):
        raw = FolderReader(source).read((asked[1], "gutartig"), data_dir, download=False)
        assert raw.train.ids[0] == f"{label}/000.png"
    twin = unicodedata.normalize(typed, label)
    write_class_folders(tmp_path / folder, {twin: CROWS})
    with pytest.raises(DataError, match="bösartig in two Unicode forms"):
        FolderReader(source).read((asked[1], "gutartig"), tmp_path, download=False)


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    """Each stays an id of its own, which every file and terminal can hold; so do messages."""
    write_class_folders(tmp_path / "birds", {"crow": CROWS[:1], "jay": JAYS[:1]})
    image = encode(CROWS[1])
    names = [b"caf\xe9.png", rb"caf\xe9.png", b"two\nlines.png", b"\x1b[31mred.png", rb"back\slash.png"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path / "birds" / "jay") + b"/" + name)).write_bytes(image)
    raw = FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)
    ids = [str(name).removeprefix("jay/") for name in raw.train.ids[1:]]
    assert sorted(ids) == sorted(
        [
            "000.png",
            r"caf\xe9.png",
            r"caf\\xe9.png",
            r"two\x0alines.png",
            r"\x1b[31mred.png",
            r"back\slash.png",
        ]
    )
    assert all(str(name).encode().decode().isprintable() for name in raw.train.ids)
    Path(os.fsdecode(os.fsencode(tmp_path / "birds" / "jay") + b"/" + names[0])).write_bytes(b"")
    with pytest.raises(DataError, match=r"jay/caf\\xe9.png: it is empty"):
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)


def test_the_files_are_those_that_are_read(tmp_path: Path) -> None:
    """Through links to classes, splits and files; none of a sub-folder."""
    for split in ("train", "test"):
        write_class_folders(tmp_path / "elsewhere" / split, {"crow": CROWS, "jay": JAYS})
    (tmp_path / "birds" / "train").mkdir(parents=True)
    (tmp_path / "birds" / "test").symlink_to(tmp_path / "elsewhere" / "test")
    (tmp_path / "birds" / "train" / "crow").symlink_to(tmp_path / "elsewhere" / "train" / "crow")
    write_class_folders(tmp_path / "birds" / "train", {"jay": JAYS, "jay/nest": JAYS})
    (tmp_path / "birds" / "train" / "jay" / "002.png").symlink_to(
        tmp_path / "birds" / "train" / "jay" / "001.png"
    )
    reader = FolderReader(SOURCE)
    raw = reader.read(("crow", "jay"), tmp_path, download=False)
    assert raw.test is not None
    read = [*raw.train.ids, *raw.test.ids]
    assert sorted(
        path.relative_to(tmp_path / "birds").as_posix() for path in reader.files(tmp_path)
    ) == sorted(read)
    assert len(read) == 3 + 3 + 5


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path / "birds", {"crow": CROWS, "jay": JAYS})
    scan = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "jay":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match="birds/jay: expected a folder, could not list it: Permission denied"):
        FolderReader(SOURCE).read(("crow", "jay"), tmp_path, download=False)
    write_class_folders(tmp_path / "birds", {"owl": JAYS})
    assert len(FolderReader(SOURCE).read(("crow", "owl"), tmp_path, download=False).train.ids) == 5
    assert len(FolderReader(SOURCE).files(tmp_path)) == 5
