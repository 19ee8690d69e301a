from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search_spaces.errors import DataError
from tests.trainer.image_files import encode, random_images, write_parquet
from trainer.data.sources.parquet import parquet_files, read_parquet

SHAPE = (3, 32, 32)
PIXELS = random_images(20)
LABELS = np.arange(20) % 4
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize("rows_per_group", [1, 6, 20])
def test_the_asked_classes_are_read_over_row_groups(rows_per_group: int, tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", PIXELS, LABELS, rows_per_group=rows_per_group)
    images = read_parquet([tmp_path / "train.parquet"], "label", (3, 1), SHAPE)
    expected = np.flatnonzero(LABELS % 2 == 1)
    assert images.ids.tolist() == expected.tolist()
    assert images.classes.tolist() == [1, 0] * 5
    assert np.array_equal(images.pixels, PIXELS[expected])


def test_only_the_asked_classes_are_decoded(tmp_path: Path) -> None:
    cells = [{"bytes": encode(PIXELS[0]), "path": None}, {"bytes": b"damaged", "path": None}]
    table = pa.table({"img": pa.array(cells, STRUCT), "label": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_parquet([tmp_path / "a.parquet"], "label", (1,), SHAPE).ids.tolist() == [0]
    with pytest.raises(DataError, match=r"a\.parquet row 1: expected an image"):
        read_parquet([tmp_path / "a.parquet"], "label", (1, 2), SHAPE)


def test_files_of_a_split_are_found_in_order(tmp_path: Path) -> None:
    for name in ("train-00001-of-00002", "train-00000-of-00002", "test", "test-00000-of-00001"):
        (tmp_path / f"{name}.parquet").touch()
    assert [p.name for p in parquet_files(tmp_path, "train")] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    assert [p.name for p in parquet_files(tmp_path, "test")] == ["test.parquet"]
    assert parquet_files(tmp_path, "validation") == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"img": pa.array([{"bytes": None, "path": "a.png"}], STRUCT), "label": [1]}, "bytes of an image"),
        ({"img": pa.array([None], STRUCT), "label": [1]}, "row 0: expected the bytes of an image"),
        ({"img": [encode(PIXELS[0])], "label": [1]}, "struct<bytes, path>, found binary"),
        ({"img": pa.array([None], STRUCT), "label": ["1"]}, "integers in label, found string"),
        ({"picture": [1], "label": [1]}, "columns img or image and label, found picture, label"),
        (
            {"img": pa.array([{"bytes": encode(PIXELS[0][:, :8]), "path": None}], STRUCT), "label": [1]},
            r"shape \(3, 32, 32\), found \(3, 8, 32\)",
        ),
    ],
)
def test_malformed_tables_are_errors(columns: dict[str, object], message: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        read_parquet([tmp_path / "a.parquet"], "label", (1,), SHAPE)


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match=r"a\.parquet: expected a Parquet file"):
        read_parquet([tmp_path / "a.parquet"], "label", (1,), SHAPE)
