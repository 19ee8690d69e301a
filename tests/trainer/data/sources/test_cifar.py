from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

from search_spaces.config import Cifar10, Cifar100
from search_spaces.errors import DataError
from tests.trainer.image_files import random_images, write_cifar10_batches, write_parquet, write_pickle
from trainer.data.sources.cifar import CifarReader
from trainer.data.sources.images import Images, LeftOut, RawData

PIXELS = random_images(60)
LABELS = np.arange(60) % 10
TRAIN, TEST = (PIXELS[:40], LABELS[:40]), (PIXELS[40:], LABELS[40:])


def _write_hub_layout(folder: Path) -> None:
    """Parquet as data set hubs lay it out: several files per split, column `image`."""
    for part in range(3):
        rows = slice(part * 15, (part + 1) * 15)
        path = folder / f"train-{part:05d}-of-00003.parquet"
        write_parquet(path, TRAIN[0][rows], TRAIN[1][rows], image_column="image")
    write_parquet(folder / "test-00000-of-00001.parquet", *TEST, image_column="image")


def _write(layout: str, data_dir: Path) -> Path:
    """Write the images in a layout; returns the data directory to give."""
    if layout == "batches in a folder of the data set":
        write_cifar10_batches(data_dir / "cifar10" / "cifar-10-batches-py", TRAIN, TEST)
    elif layout == "batches in the data directory":
        write_cifar10_batches(data_dir / "cifar-10-batches-py", TRAIN, TEST)
    elif layout == "data directory is the batches' folder":
        write_cifar10_batches(data_dir / "cifar-10-batches-py", TRAIN, TEST)
        return data_dir / "cifar-10-batches-py"
    elif layout == "parquet":
        write_parquet(data_dir / "cifar10" / "train.parquet", *TRAIN)
        write_parquet(data_dir / "cifar10" / "test.parquet", *TEST)
    elif layout == "data directory is the parquet folder":
        write_parquet(data_dir / "train.parquet", *TRAIN)
        write_parquet(data_dir / "test.parquet", *TEST)
    else:
        _write_hub_layout(data_dir / "cifar10" / "plain_text")
    return data_dir


def _check(images: Images, source: tuple[np.ndarray, np.ndarray], asked: tuple[int, ...]) -> None:
    pixels, labels = source
    ids = np.flatnonzero(np.isin(labels, asked))
    assert images.ids.tolist() == ids.tolist()
    assert images.classes.tolist() == [asked.index(label) for label in labels[ids]]
    assert images.pixels.dtype == np.uint8
    assert np.array_equal(images.pixels, pixels[ids])


def _check_all(raw: RawData, asked: tuple[int, ...]) -> None:
    _check(raw.train, TRAIN, asked)
    assert raw.validation is None
    assert raw.test is not None
    _check(raw.test, TEST, asked)


@pytest.mark.parametrize(
    "layout",
    [
        "batches in a folder of the data set",
        "batches in the data directory",
        "data directory is the batches' folder",
        "parquet",
        "data directory is the parquet folder",
        "hub",
    ],
)
def test_every_layout_gives_the_same_images(layout: str, tmp_path: Path) -> None:
    _check_all(CifarReader(Cifar10()).read((9, 1), _write(layout, tmp_path), download=False), (9, 1))


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    labels = np.array([72, 4, 73, 72])
    for name in ("train", "test"):
        content = {
            "data": PIXELS[:4].reshape(4, -1),
            "fine_labels": labels.tolist(),
            "coarse_labels": [1, 1, 1, 1],
        }
        write_pickle(tmp_path / "a" / "cifar100" / "cifar-100-python" / name, content)
        path = tmp_path / "b" / "cifar100" / f"{name}.parquet"
        write_parquet(path, PIXELS[:4], labels, label_column="fine_label")
    for folder in ("a", "b"):
        raw = CifarReader(Cifar100()).read((72, 73), tmp_path / folder, download=False)
        assert raw.train.ids.tolist() == [0, 2, 3]
        assert raw.train.classes.tolist() == [0, 1, 0]
        assert np.array_equal(raw.train.pixels, PIXELS[[0, 2, 3]])


def test_missing_files_say_what_was_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        CifarReader(Cifar10()).read((1, 9), tmp_path, download=False)
    message = str(caught.value)
    for part in ("cifar-10-batches-py", "train.parquet", str(tmp_path / "cifar10"), "--download"):
        assert part in message


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    _write("batches in the data directory", tmp_path)
    gone = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    gone.unlink()
    with pytest.raises(DataError, match=f"{gone}, found none; .* --download"):
        CifarReader(Cifar10()).read((1, 9), tmp_path, download=False)


@pytest.mark.parametrize(("source", "unknown", "last"), [(Cifar10(), 10, 9), (Cifar100(), 100, 99)])
def test_an_unknown_class_lists_the_known_ones(
    source: Cifar10 | Cifar100, unknown: int, last: int, tmp_path: Path
) -> None:
    known = f"known: 0, 1, .*, {last}$"
    with pytest.raises(DataError, match=f"{source.name}: unknown class label {unknown}; {known}"):
        CifarReader(source).read((1, unknown), tmp_path, download=False)


def test_a_folder_of_the_other_cifar_is_an_error(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write_parquet(tmp_path / f"{name}.parquet", PIXELS[:3], [1, 2, 3], label_column="fine_label")
    with pytest.raises(DataError, match="columns img or image and label, found img, fine_label"):
        CifarReader(Cifar10()).read((1, 2), tmp_path, download=False)


class _Downloader:
    """Stands for torchvision.datasets.CIFAR10."""

    calls = 0

    def __init__(self, root: str, download: bool) -> None:
        assert download
        type(self).calls += 1
        write_cifar10_batches(Path(root) / "cifar-10-batches-py", TRAIN, TEST)


def test_a_download_lands_in_the_data_sets_folder_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Downloader, "calls", 0)
    fake = SimpleNamespace(CIFAR10=_Downloader)
    monkeypatch.setattr("trainer.compat.import_torchvision_datasets", lambda: fake)
    for _ in range(2):
        _check_all(CifarReader(Cifar10()).read((1, 9), tmp_path, download=True), (1, 9))
    assert _Downloader.calls == 1
    assert os.listdir(tmp_path / "cifar10") == ["cifar-10-batches-py"]


def test_a_failed_download_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(root: str, download: bool) -> None:
        (Path(root) / "cifar-10-batches-py").mkdir()
        raise URLError("no network")

    fake = SimpleNamespace(CIFAR10=fail)
    monkeypatch.setattr("trainer.compat.import_torchvision_datasets", lambda: fake)
    with pytest.raises(DataError, match=r"could not download CIFAR10 to .*no network"):
        CifarReader(Cifar10()).read((1, 9), tmp_path, download=True)
    assert os.listdir(tmp_path / "cifar10") == []


def test_files_that_are_not_read_and_all_images_that_cannot_be_are_said(tmp_path: Path) -> None:
    for split, (pixels, labels) in (("train", TRAIN), ("test", TEST), ("validation", TEST)):
        write_parquet(tmp_path / "cifar10" / f"{split}.parquet", pixels, labels)
    reader = CifarReader(Cifar10())
    raw = reader.read((1, 9), tmp_path, download=False)
    assert raw.left_out == (LeftOut("Parquet files of another split", 1, "validation.parquet"),)
    assert reader.listing((1, 9), tmp_path, download=False).left_out == raw.left_out
    for split in ("train", "test"):
        write_parquet(tmp_path / "cifar10" / f"{split}.parquet", random_images(3, (3, 8, 8)), [1, 9, 0])
    with pytest.raises(
        DataError, match=r"cifar10: 4 of 4 images cannot be read: 4 of another shape .*test.parq"
    ):
        reader.read((1, 9), tmp_path, download=False)
