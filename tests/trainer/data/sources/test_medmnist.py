from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search_spaces.config import Binary, MedMnist, MultiLabel
from search_spaces.errors import DataError
from tests.trainer.image_files import random_images, write_npz
from trainer.data.sources.images import RawData
from trainer.data.sources.medmnist import MedMnistReader
from trainer.data.sources.read import list_source
from trainer.data.task import load_task

LABELS = np.array([0, 2, 1, 0, 2], dtype=np.uint8)


def read(asked: tuple[int, ...], data_dir: Path) -> RawData:
    return MedMnistReader(MedMnist(subset="some")).read(asked, data_dir, download=False)


def _splits(shape: tuple[int, ...], labels: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        name: (random_images(5, shape, seed), labels) for seed, name in enumerate(("train", "val", "test"))
    }


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype(np.int64)])
@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (64, 64), (3, 3, 3)])
def test_grey_and_colour_of_any_size(shape: tuple[int, ...], labels: np.ndarray, tmp_path: Path) -> None:
    splits = _splits(shape, labels)
    write_npz(tmp_path / "some.npz", splits)
    raw = read((2, 0), tmp_path)
    for name, images in (("train", raw.train), ("val", raw.validation), ("test", raw.test)):
        assert images is not None
        stored = splits[name][0][[0, 1, 3, 4]]
        expected = np.moveaxis(stored, -1, 1) if len(shape) == 3 else stored[:, None]
        assert np.array_equal(images.pixels, expected)
        assert images.ids.tolist() == [0, 1, 3, 4]
        assert images.classes.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("folder", ["some", "medmnist", "."])
def test_the_file_may_lie_in_three_places(folder: str, tmp_path: Path) -> None:
    write_npz(tmp_path / folder / "some.npz", _splits((4, 4), LABELS))
    assert len(read((0,), tmp_path).train.ids) == 2


def test_a_missing_file_names_the_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"some: expected one of .*some/some\.npz.*found none") as caught:
        read((0,), tmp_path)
    assert str(tmp_path / "some.npz") in str(caught.value)


def test_an_unknown_class_lists_the_known_ones(tmp_path: Path) -> None:
    write_npz(tmp_path / "some.npz", _splits((4, 4), LABELS))
    with pytest.raises(DataError, match="unknown class label 3; known: 0, 1, 2"):
        read((0, 3), tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (random_images(5, (4, 4)), np.zeros((5, 14, 2), np.uint8), r"train_labels is uint8 \(5, 14, 2\)"),
        (random_images(5, (4, 4)), np.full((5, 14), 3), r"0 and 1 in the label sets train_labels \(5, 14\)"),
        (
            random_images(5, (4, 4)),
            np.zeros(5),
            "an integer label per image, or label sets, train_labels is f",
        ),
        (random_images(5, (4, 4)), LABELS[:4], "as many train_labels as train_images, found 4 and 5"),
        (random_images(5, (4, 4, 4)), LABELS, r"train_images is uint8 \(5, 4, 4, 4\)"),
        (np.zeros((5, 4, 4)), LABELS, "expected uint8 images"),
    ],
)
def test_malformed_arrays_are_errors(
    images: np.ndarray, labels: np.ndarray, message: str, tmp_path: Path
) -> None:
    write_npz(tmp_path / "some.npz", dict.fromkeys(("train", "val", "test"), (images, labels)))
    with pytest.raises(DataError, match=message):
        read((0,), tmp_path)


def test_missing_arrays_and_damaged_files_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    write_npz(path, {"train": (random_images(5, (4, 4)), LABELS)})
    with pytest.raises(DataError, match="expected the arrays val_images, val_labels, found train_images"):
        read((0,), tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"some\.npz: expected a MedMNIST \.npz file, could not read it"):
        read((0,), tmp_path)
    path.write_text("<html>not found</html>")
    with pytest.raises(
        DataError, match=r"some\.npz: expected .* file, found one that begins with b'<html>'$"
    ):
        read((0,), tmp_path)
    with path.open("wb") as stream:
        np.save(stream, LABELS)
    with pytest.raises(DataError, match=r"some\.npz: expected a MedMNIST \.npz file, found a single array"):
        read((0,), tmp_path)


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}] * 5, dtype=object)
    np.savez(tmp_path / "some.npz", train_images=random_images(5, (4, 4)), train_labels=objects)
    with pytest.raises(DataError, match="allow_pickle"):
        read((0,), tmp_path)


def test_every_damaged_byte_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    """A flipped bit in compressed arrays: what zlib or NumPy raises is an error of the data."""
    path = tmp_path / "some.npz"
    write_npz(path, _splits((4, 4), LABELS))
    with np.load(path) as arrays:
        np.savez_compressed(path, **dict(arrays))
    whole = path.read_bytes()
    refused = 0
    for place in range(6, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            read((0,), tmp_path)
        except DataError:
            refused += 1
    assert refused > len(whole) // 10


def test_a_file_of_label_sets_gives_every_image_and_the_asked_labels_in_their_order(tmp_path: Path) -> None:
    sets = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8)
    write_npz(tmp_path / "some.npz", _splits((4, 4), sets))
    raw = read((2, 1), tmp_path)
    assert raw.train.classes.tolist() == [[1, 1], [0, 0], [0, 0], [0, 1], [1, 0]]
    assert raw.train.classes.dtype == np.uint8
    assert raw.train.ids.tolist() == [0, 1, 2, 3, 4]
    listing = list_source(MedMnist(subset="some"), (2, 1), tmp_path, download=False)
    assert np.array_equal(listing.train, raw.train.classes)
    with pytest.raises(DataError, match="unknown class label 3; known: 0, 1, 2"):
        read((0, 3), tmp_path)


def test_a_file_of_label_sets_is_refused_by_a_task_of_classes(tmp_path: Path) -> None:
    write_npz(tmp_path / "some.npz", _splits((4, 4), np.eye(5, 3, dtype=np.uint8)))
    task = Binary(source=MedMnist(subset="some"), negative=(0,), positive=(1,))
    with pytest.raises(DataError, match="some: expected one class per image for a binary task, found label"):
        load_task(task, tmp_path)


def test_a_file_of_classes_is_refused_by_a_task_of_label_sets(tmp_path: Path) -> None:
    write_npz(tmp_path / "some.npz", _splits((4, 4), LABELS))
    task = MultiLabel(source=MedMnist(subset="some"), classes=(0, 1), critical=(1,))
    with pytest.raises(DataError, match="some: expected label sets for a multi_label task, found one class"):
        load_task(task, tmp_path)
