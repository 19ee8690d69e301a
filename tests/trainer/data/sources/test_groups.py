"""Groups of examples by a column, a folder level or a pattern, in every source that can tell them."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search_spaces.config import Cifar10, Groups, ImageFolder, MedMnist, Source
from search_spaces.errors import DataError
from tests.trainer.image_files import encode, random_images, write_npz, write_pickle
from trainer.data.sources.images import RawData
from trainer.data.sources.read import list_source, read_source, source_files

PIXELS = random_images(12)
LABELS = np.arange(12) % 3
PATIENT = Groups(column="patient")
BY_NAME = Groups(pattern="^([0-9]+)_")


def read(source: Source, data_dir: Path, asked: tuple[Any, ...] = (0, 2)) -> RawData:
    """The images of classes, whose labels alone tell the same groups."""
    raw = read_source(source, asked, data_dir, download=False)
    listed = list_source(source, asked, data_dir, download=False)
    for origin, images in raw.splits():
        assert images.groups is not None
        assert images.groups.tolist() == listed.groups[origin].tolist()
        assert len(images.groups) == len(images.classes)
    return raw


def fault(source: Source, data_dir: Path) -> str:
    """The one line by which groups are refused, of labels as of images."""
    with pytest.raises(DataError) as of_images:
        read_source(source, (0, 2), data_dir, download=False)
    with pytest.raises(DataError) as of_labels:
        list_source(source, (0, 2), data_dir, download=False)
    assert str(of_images.value) == str(of_labels.value)
    assert "\n" not in str(of_images.value)
    return str(of_images.value)


def write_parquet(path: Path, patients: list[Any], names: list[str | None]) -> None:
    cells = [{"bytes": encode(image), "path": name} for image, name in zip(PIXELS, names, strict=True)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"img": pa.array(cells, kind), "label": LABELS, "patient": pa.array(patients)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=5)


@pytest.mark.parametrize("of_text", [True, False])
def test_a_column_of_parquet_files(of_text: bool, tmp_path: Path) -> None:
    patients: list[Any] = [str(row // 2) if of_text else row // 2 for row in range(12)]
    for split in ("train", "test"):
        write_parquet(tmp_path / "cifar10" / f"{split}.parquet", patients, [None] * 12)
    raw = read(Cifar10(groups=PATIENT), tmp_path)
    assert raw.train.ids.tolist() == [0, 2, 3, 5, 6, 8, 9, 11]
    assert raw.train.groups is not None
    assert raw.train.groups.tolist() == ["0", "1", "1", "2", "3", "4", "4", "5"]


def test_the_paths_of_parquet_files(tmp_path: Path) -> None:
    names: list[str | None] = [f"{row // 4}_idx{row}.png" for row in range(12)]
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", [0] * 12, names)
    raw = read(Cifar10(groups=BY_NAME), tmp_path, (1,))
    assert raw.train.groups is not None
    assert raw.train.groups.tolist() == ["0", "1", "1", "2"]
    names[3], names[5] = None, "left.png"
    write_parquet(tmp_path / "test.parquet", [0] * 12, names)
    assert fault(Cifar10(groups=BY_NAME), tmp_path) == (
        "cifar10: expected a group of every image, by source.groups.pattern '^([0-9]+)_'; "
        "2 of 16 images have none, for example test.parquet row 3"
    )


def test_a_column_that_tells_no_groups_is_refused(tmp_path: Path) -> None:
    patients: list[Any] = list(range(12))
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", patients, [None] * 12)
    said = fault(Cifar10(groups=Groups(column="person")), tmp_path)
    assert "train.parquet: expected the column person of source.groups, found img, label, patient" in said
    write_parquet(tmp_path / "train.parquet", [0.5] * 12, [None] * 12)
    assert "expected text or whole numbers in the column patient, found double" in fault(
        Cifar10(groups=PATIENT), tmp_path
    )
    write_parquet(tmp_path / "train.parquet", [None, *patients[1:]], [None] * 12)
    assert "1 of 16 images has none, for example train.parquet row 0" in fault(
        Cifar10(groups=PATIENT), tmp_path
    )


def write_batches(folder: Path, names: list[str] | None) -> None:
    for batch in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        content: dict[str, Any] = {"data": PIXELS.reshape(12, -1), "labels": LABELS.tolist()}
        if names is not None:
            content["filenames"] = names
        content["scanner"] = np.arange(12) // 6
        write_pickle(folder / batch, content)


def test_original_files_of_cifar(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    write_batches(folder, [f"{row // 6}_s_{row}.png" for row in range(12)])
    for groups in (BY_NAME, Groups(column="scanner")):
        raw = read(Cifar10(groups=groups), tmp_path)
        assert raw.train.groups is not None
        assert raw.train.groups.tolist() == (["0"] * 4 + ["1"] * 4) * 5
    write_batches(folder, None)
    said = fault(Cifar10(groups=BY_NAME), tmp_path)
    assert "data_batch_1: expected filenames for source.groups, one value per image, found none" in said
    assert pickle.loads((folder / "test_batch").read_bytes()).keys() == {"data", "labels", "scanner"}


def test_arrays_of_a_medmnist_file(tmp_path: Path) -> None:
    splits = {name: (random_images(12, (28, 28)), LABELS) for name in ("train", "val", "test")}
    write_npz(tmp_path / "some.npz", splits)
    source = MedMnist(subset="some", groups=PATIENT)
    assert "expected the array train_patient for source.groups, found train_images" in fault(source, tmp_path)
    arrays = dict(np.load(tmp_path / "some.npz"))
    for position, name in enumerate(splits):
        arrays[f"{name}_patient"] = (np.arange(12) // 4 + 10 * position)[:, None]
    np.savez(tmp_path / "some.npz", **arrays)
    raw = read(source, tmp_path, (2,))
    assert [images.groups.tolist() for _, images in raw.splits() if images.groups is not None] == [
        ["0", "1", "2", "2"],
        ["10", "11", "12", "12"],
        ["20", "21", "22", "22"],
    ]
    names = np.array([f"p{row}" for row in range(12)])
    names[1] = ""
    np.savez(tmp_path / "some.npz", **{**arrays, "val_patient": names})
    assert read(source, tmp_path, (0, 2)).validation is not None, "of class 1 nobody asks"
    names[2] = ""
    np.savez(tmp_path / "some.npz", **{**arrays, "val_patient": names})
    assert "1 of 24 images has none, for example val_patient[2]" in fault(source, tmp_path)
    arrays["val_patient"] = np.arange(11)
    np.savez(tmp_path / "some.npz", **arrays)
    assert "expected text or whole numbers [12] in val_patient, found int64 (11,)" in fault(source, tmp_path)


def write_slides(root: Path) -> list[str]:
    """The layout of the breast-histopathology images: PATIENT/0|1/PATIENT_idx5_x…_y…_class0.png."""
    ids = []
    for number, patient in enumerate(("8863", "9022", "10253", "9345")):
        for label in (0, 1) if number else (0,):
            for x in range(3):
                name = f"{patient}_idx5_x{50 * x + 1}_y51_class{label}.png"
                path = root / patient / str(label) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode(random_images(1, seed=100 * number + 10 * label + x)[0]))
                ids.append(path.relative_to(root).as_posix())
    return sorted(ids)


@pytest.mark.parametrize("asked", [(0, 1), ("1", "0")])
def test_class_folders_below_those_of_patients(asked: tuple[Any, ...], tmp_path: Path) -> None:
    ids = write_slides(tmp_path / "slides")
    (tmp_path / "slides" / "thumbnail.png").write_bytes(encode(PIXELS[0]))
    (tmp_path / "slides" / "8863" / "overview.png").write_bytes(encode(PIXELS[0]))
    source = ImageFolder(folder="slides", size=8, groups=Groups(level=1))
    raw = read(source, tmp_path, asked)
    assert (raw.validation, raw.test) == (None, None)
    assert raw.train.ids.tolist() == ids
    assert raw.train.groups is not None
    assert raw.train.groups.tolist() == [image_id.split("/")[0] for image_id in ids]
    told = [str(asked[position]) for position in raw.train.classes]
    assert told == [image_id.split("/")[1] for image_id in ids]
    (left_out,) = raw.left_out
    assert (left_out.reason, left_out.count) == ("images beside the class folders", 2)
    assert {f"slides/{image_id}" for image_id in ids} <= {
        path.relative_to(tmp_path).as_posix() for path in source_files(source, tmp_path)
    }


def test_patients_below_the_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_slides(tmp_path / "slides" / split)
    raw = read(ImageFolder(folder="slides", size=8, groups=Groups(level=1)), tmp_path, (0, 1))
    for _, images in raw.splits():
        assert images.groups is not None
        assert set(images.groups.tolist()) == {"8863", "9022", "10253", "9345"}
    assert raw.test is not None
    assert raw.test.ids[0] == "test/10253/0/10253_idx5_x101_y51_class0.png"


def test_patients_below_the_folders_of_classes(tmp_path: Path) -> None:
    for label in ("0", "1", "2"):
        for patient in ("a", "b"):
            folder = tmp_path / "scans" / label / patient
            folder.mkdir(parents=True)
            (folder / "1.png").write_bytes(encode(random_images(1, seed=len(label))[0]))
    (tmp_path / "scans" / "0" / "loose.png").write_bytes(encode(PIXELS[0]))
    raw = read(ImageFolder(folder="scans", size=8, groups=Groups(level=2)), tmp_path)
    assert raw.train.ids.tolist() == ["0/a/1.png", "0/b/1.png", "2/a/1.png", "2/b/1.png"]
    assert raw.train.groups is not None
    assert raw.train.groups.tolist() == ["a", "b", "a", "b"]
    told = {part.reason: part.count for part in raw.left_out}
    assert told == {"images beside the folders of groups": 1}


def test_a_hospitals_folder_above_those_of_patients(tmp_path: Path) -> None:
    for hospital in ("north", "south"):
        write_slides(tmp_path / "slides" / hospital)
    raw = read(ImageFolder(folder="slides", size=8, groups=Groups(level=2)), tmp_path, (0, 1))
    assert raw.train.groups is not None
    assert [name.split("/")[1] for name in raw.train.ids.tolist()] == raw.train.groups.tolist()
    by_hospital = read(ImageFolder(folder="slides/north", size=8, groups=Groups(level=1)), tmp_path, (0, 1))
    assert len(raw.train.ids) == 2 * len(by_hospital.train.ids)


def test_file_names_of_plain_class_folders(tmp_path: Path) -> None:
    for label in (0, 2):
        for row in range(4):
            path = tmp_path / "scans" / str(label) / f"{row // 2}_{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(PIXELS[row]))
    source = ImageFolder(folder="scans", size=8, groups=BY_NAME)
    raw = read(source, tmp_path)
    assert raw.train.groups is not None
    assert raw.train.groups.tolist() == ["0", "0", "1", "1"] * 2
    (tmp_path / "scans" / "2" / "left.png").write_bytes(encode(PIXELS[0]))
    assert "1 of 9 images has none, for example 2/left.png" in fault(source, tmp_path)


def test_a_level_above_no_class_says_so(tmp_path: Path) -> None:
    write_slides(tmp_path / "slides")
    source = ImageFolder(folder="slides", size=8, groups=Groups(level=3))
    said = fault(source, tmp_path)
    assert "unknown class label '0', '2', below the folders of source.groups.level 3; known: none" in said


def test_one_patient_in_two_unicode_forms_is_one(tmp_path: Path) -> None:
    for folder, name in (("0", "Zo\u00eb"), ("2", "Zoe\u0308")):
        path = tmp_path / "scans" / folder / name / "1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(encode(random_images(1, seed=int(folder))[0]))
    raw = read(ImageFolder(folder="scans", size=8, groups=Groups(level=2)), tmp_path)
    assert raw.train.groups is not None
    assert raw.train.groups.tolist() == ["Zo\u00eb", "Zo\u00eb"]


def test_a_folders_own_splits_without_the_level_do_not_read_patients_as_classes(tmp_path: Path) -> None:
    write_slides(tmp_path / "slides")
    there = re.escape(str(tmp_path / "slides" / "10253"))
    with pytest.raises(DataError, match=f"unknown class label '0', '1'; .*there are such folders in {there}"):
        read_source(ImageFolder(folder="slides", size=8), (0, 1), tmp_path, download=False)
