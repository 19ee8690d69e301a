"""The door to the readers, and digits, which need no file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from search_spaces.config import Cifar10, Cifar100, Digits, ImageFolder, MedMnist, Source
from search_spaces.errors import DataError
from tests.trainer.image_files import (
    random_images,
    write_cifar10_batches,
    write_class_folders,
    write_npz,
)
from trainer.data.sources.read import list_source, read_source, source_files

NOBODY = 65534


def test_digits_are_scaled_to_bytes() -> None:
    raw = read_source(Digits(), (8, 9), None, download=False)
    data = load_digits()
    ids = np.flatnonzero(np.isin(data.target, (8, 9)))
    assert raw.train.ids.tolist() == ids.tolist()
    assert raw.train.classes.tolist() == (data.target[ids] - 8).tolist()
    assert raw.train.pixels.shape == (len(ids), 1, 8, 8)
    assert raw.train.pixels.max() == 255
    assert np.abs(raw.train.pixels[:, 0] - data.images[ids] * 255 / 16).max() <= 0.5
    assert raw.validation is None
    assert raw.test is None


def test_an_unknown_digit_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"digits: unknown class label 'eight'; known: 0, 1, .*, 9"):
        read_source(Digits(), ("eight", 9), None, download=False)


@pytest.mark.parametrize(
    "source", [Cifar10(), Cifar100(), MedMnist(subset="some"), ImageFolder(folder="birds")]
)
def test_the_others_need_a_data_directory(source: Source, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{source.name}: expected a data directory"):
        read_source(source, (0, 1), None, download=False)
    with pytest.raises(DataError, match="found n"):
        read_source(source, (0, 1), tmp_path, download=False)


def test_the_folder_itself_may_be_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = random_images(10), np.arange(10)
    write_cifar10_batches(tmp_path / "cifar-10-batches-py", (images, labels), (images, labels))
    write_npz(tmp_path / "some.npz", dict.fromkeys(("train", "val", "test"), (images[:, 0], labels)))
    write_class_folders(tmp_path / "birds", {"0": images[:2], "1": images[2:3]})
    for folder, source, count in (
        ("cifar-10-batches-py", Cifar10(), 2),
        (".", MedMnist(subset="some"), 2),
        ("birds", ImageFolder(folder="birds"), 3),
    ):
        monkeypatch.chdir(tmp_path / folder)
        for here in (Path("."), Path(f"../{Path.cwd().name}")):
            assert len(read_source(source, (0, 1), here, download=False).train.ids) == count
            assert len(list_source(source, (0, 1), here, download=False).train) == count
            assert all(path.is_file() for path in source_files(source, here))


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Not root, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


@pytest.mark.parametrize("source", [Cifar10(), ImageFolder(folder="scans", size=8, channels=1)])
@pytest.mark.parametrize("below", ["", "inside"])
def test_closed_data_directory_is_told(source: Source, below: str, as_nobody: None) -> None:
    # Not below pytest's folders, which are closed to others.
    with tempfile.TemporaryDirectory() as place:
        closed = Path(place, "data")
        (closed / "inside").mkdir(parents=True)
        closed.chmod(0)
        try:
            with pytest.raises(DataError, match=r"that user \d+ may read, given .*: permission denied"):
                list_source(source, (0, 1), closed / below, download=False)
            with pytest.raises(DataError, match="permission denied"):
                source_files(source, closed / below)
        finally:
            closed.chmod(0o700)
