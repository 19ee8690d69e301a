from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search_spaces.errors import DataError
from tests.trainer.image_files import encode, random_images, write_parquet
from trainer.data.sources.faults import Faults
from trainer.data.sources.images import Images, LeftOut, Passed
from trainer.data.sources.parquet import parquet_files, read_parquet, read_parquet_labels

SHAPE = (3, 32, 32)
PIXELS = random_images(20)
LABELS = np.arange(20) % 4
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def read(files: list[Path], asked: tuple[int, ...], passed: Passed | None = None) -> Images:
    """As a reader does it that has one split."""
    faults = Faults("pictures")
    images = read_parquet(files, "label", asked, SHAPE, faults, passed or Passed())
    faults.check()
    return images


@pytest.mark.parametrize("rows_per_group", [1, 6, 20])
def test_the_asked_classes_are_read_over_row_groups(rows_per_group: int, tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", PIXELS, LABELS, rows_per_group=rows_per_group)
    images = read([tmp_path / "train.parquet"], (3, 1))
    expected = np.flatnonzero(LABELS % 2 == 1)
    assert images.ids.tolist() == expected.tolist()
    assert images.classes.tolist() == [1, 0] * 5
    assert np.array_equal(images.pixels, PIXELS[expected])


def test_only_the_asked_classes_are_decoded(tmp_path: Path) -> None:
    cells = [{"bytes": encode(PIXELS[0]), "path": None}, {"bytes": b"damaged", "path": None}]
    table = pa.table({"img": pa.array(cells, STRUCT), "label": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read([tmp_path / "a.parquet"], (1,)).ids.tolist() == [0]
    with pytest.raises(
        DataError, match=r"1 of 2 images cannot be read: 1 that could not be decoded \(a\.parquet row 1: "
    ):
        read([tmp_path / "a.parquet"], (1, 2))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.parquet").touch()


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002", "train-00001-of-00002"],
        ["train-00000-of-00002-0a1b", "train-00001-of-00002-9c8d"],  # a fingerprint of each file
        ["train-a", "train-b"],
        ["train"],
    ],
)
def test_files_of_a_split_are_found_in_order(names: list[str], tmp_path: Path) -> None:
    touch(tmp_path, *reversed(names), "test-00000-of-00001", "training", "validation")
    assert [path.stem for path in parquet_files(tmp_path, "train")] == names
    assert [path.stem for path in parquet_files(tmp_path, "test")] == ["test-00000-of-00001"]
    assert parquet_files(tmp_path, "other") == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({0, 1, 2, 4}, "expected 5 Parquet files of the train split, missing: train-00003-of-00005$"),
        ({1, 3}, "missing: train-00000-of-00005, train-00002-of-00005, train-00004-of-00005$"),
    ],
)
def test_a_missing_file_of_a_split_is_named(names: set[int], message: str, tmp_path: Path) -> None:
    touch(tmp_path, *(f"train-{number:05d}-of-00005" for number in names))
    with pytest.raises(DataError, match=message):
        parquet_files(tmp_path, "train")


@pytest.mark.parametrize(
    "names",
    [
        ["train", "train-00000-of-00001"],
        ["train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"],
        ["train-00000-of-00001-0a1b", "train-00000-of-00001-9c8d"],
        ["train-00000-of-00001", "train-more"],
    ],
)
def test_two_exports_side_by_side_are_an_error(names: list[str], tmp_path: Path) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=f"one export of the train split, found several: {names[0]}.parquet"):
        parquet_files(tmp_path, "train")


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int8(), pa.int32(), pa.uint64()])
def test_labels_are_integers_of_any_size(kind: pa.DataType, tmp_path: Path) -> None:
    strings = pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())])
    cells = pa.array([{"bytes": encode(image), "path": None} for image in PIXELS[:3]], strings)
    table = pa.table({"image": cells, "label": pa.array([1, None, 0], kind)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read([tmp_path / "a.parquet"], (0, 1)).classes.tolist() == [1, 0]


def test_rows_without_a_label_are_passed_over_and_counted(tmp_path: Path) -> None:
    cells = pa.array([{"bytes": encode(image), "path": None} for image in PIXELS[:4]], STRUCT)
    pq.write_table(pa.table({"img": cells, "label": pa.array([1, None, 0, -1])}), tmp_path / "a.parquet")
    passed, listed = Passed(), Passed()
    files = [tmp_path / "a.parquet"]
    assert read(files, (0, 1), passed).ids.tolist() == [0, 2]
    assert read_parquet_labels(files, "label", (0, 1), listed).tolist() == [1, 0]
    expected = (LeftOut("rows without a label", 2, "a.parquet row 1"),)
    assert passed.left_out() == listed.left_out() == expected


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"img": pa.array([{"bytes": None, "path": "a.png"}], STRUCT), "label": [1]}, "bytes of an image"),
        (
            {"img": pa.array([None], STRUCT), "label": [1]},
            r"1 without the bytes of an image \(a\.parquet row 0\)",
        ),
        ({"img": [encode(PIXELS[0])], "label": [1]}, "struct<bytes, path>, found binary"),
        ({"img": pa.array([None], STRUCT), "label": ["1"]}, "integers in label, found string"),
        ({"picture": [1], "label": [1]}, "columns img or image and label, found picture, label"),
        (
            {"img": pa.array([{"bytes": encode(PIXELS[0][:, :8]), "path": None}], STRUCT), "label": [1]},
            r"1 of another shape than \(3, 32, 32\) \(a\.parquet row 0: \(3, 8, 32\)\)",
        ),
    ],
)
def test_malformed_tables_are_errors(columns: dict[str, object], message: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        read([tmp_path / "a.parquet"], (1,))


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match=r"a\.parquet: expected a Parquet file"):
        read([tmp_path / "a.parquet"], (1,))


def test_every_damaged_byte_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    """A flipped bit anywhere in a file: what pyarrow raises is told as an error of the data."""
    path = tmp_path / "a.parquet"
    write_parquet(path, PIXELS[:2], LABELS[:2])
    whole = path.read_bytes()
    end = len(whole) - 1200  # the end describes the rest
    refused = 0
    for place in [*range(0, end, 97), *range(end, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        try:
            read([path], (0, 1))
        except DataError:
            refused += 1
    assert refused > 100
