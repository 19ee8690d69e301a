"""Images in Parquet files of the Hugging Face layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from search_spaces.config import ClassLabel
from search_spaces.errors import DataError
from trainer.data.sources.decode import decode_image
from trainer.data.sources.faults import Faults, Malformed, Unreadable
from trainer.data.sources.groups import GroupFinder, group_array
from trainer.data.sources.images import Images, Passed, asked_classes, class_positions
from trainer.data.sources.paths import readable

# What a row without a label has: no class is called so.
NO_LABEL = -1
_IMAGE_COLUMNS = ("img", "image")
# Behind "train-" in the names that Hugging Face's libraries give; older ones add a fingerprint of the file.
_SHARD = re.compile(r"(?P<number>\d+)-of-(?P<of>\d+)(-[0-9a-f]+)?\.parquet")


def parquet_files(folder: Path, split: str) -> list[Path]:
    """The files of a split, in the order of their rows; none where there are none.

    That is `<split>.parquet`, or all of `<split>-00000-of-00005.parquet` to `<split>-00004-of-00005.parquet`,
    or any `<split>-*.parquet`. Raises Malformed where one of five is missing, and where two exports lie side
    by side.
    """
    single = folder / f"{split}.parquet"
    several = sorted(folder.glob(f"{split}-*.parquet"))
    if single.is_file() and several:
        raise _side_by_side(folder, split, [single, several[0]])
    if single.is_file():
        return [single]
    _check_shards(folder, split, several)
    return several


def _check_shards(folder: Path, split: str, files: Sequence[Path]) -> None:
    """Raise Malformed unless files that count themselves are one export, and whole."""
    by_total: dict[str, list[Path]] = {}
    by_number: dict[int, Path] = {}
    for path in files:
        counted = _SHARD.fullmatch(path.name.removeprefix(f"{split}-"))
        by_total.setdefault(counted["of"] if counted else "", []).append(path)
        if counted is None:
            continue
        twin = by_number.setdefault(int(counted["number"]), path)
        if twin != path and len(by_total) == 1:
            raise _side_by_side(folder, split, [twin, path])
    if len(by_total) > 1:
        raise _side_by_side(folder, split, [paths[0] for paths in by_total.values()])
    for of in filter(None, by_total):
        missing = [f"{split}-{number:05d}-of-{of}" for number in range(int(of)) if number not in by_number]
        if missing:
            raise Malformed(
                f"{folder}: expected {int(of)} Parquet files of the {split} split, missing: "
                f"{', '.join(missing)}"
            )


def _side_by_side(folder: Path, split: str, files: Sequence[Path]) -> Malformed:
    names = " and ".join(path.name for path in files)
    return Malformed(f"{folder}: expected one export of the {split} split, found several: {names}")


def other_parquet_files(read: Sequence[Path], passed: Passed) -> None:
    """Count the Parquet files that lie beside those that are read."""
    for folder in dict.fromkeys(path.parent for path in read):
        for path in sorted(folder.glob("*.parquet")):
            if path not in read:
                passed.add("Parquet files of another split", readable(path.name))


def read_parquet(
    files: Sequence[Path],
    label_column: str,
    asked: Sequence[ClassLabel],
    shape: tuple[int, int, int],
    faults: Faults,
    passed: Passed,
) -> Images:
    """Read the images of the asked classes, each of `shape` [C, H, W]; only these are decoded.

    Columns: `img` or `image`, struct<bytes, path>, and `label_column`, an integer. An image's id is its
    row, counted through all files. Images that are damaged or of another size are added to `faults`, rows
    without a label to `passed`. Raises DataError if a file is malformed.
    """
    parts, ids = [], []
    first_row = 0
    for path in files:
        with _opened(path, label_column) as (file, image_column):
            labels = _labels(file, label_column, path, passed)
            part = _read_images(
                file, image_column, readable(path.name), class_positions(labels, asked), shape, faults
            )
        parts.append(part)
        ids.append(part.ids.astype(np.int64) + first_row)
        first_row += len(labels)
    return Images(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate(ids),
    )


def read_parquet_labels(
    files: Sequence[Path], label_column: str, asked: Sequence[ClassLabel], passed: Passed
) -> NDArray[np.int64]:
    """Classes of the images that `read_parquet` gives, int64 [N]; no image is read."""
    parts = []
    for path in files:
        with _opened(path, label_column) as (file, _):
            parts.append(asked_classes(_labels(file, label_column, path, passed), asked))
    return np.concatenate(parts)


def read_parquet_groups(
    files: Sequence[Path], label_column: str, asked: Sequence[ClassLabel], finder: GroupFinder
) -> NDArray[np.str_]:
    """Groups of the images that `read_parquet` gives, str [N]; no image is read.

    By a column of text or whole numbers, or by the images' paths. Raises DataError where there are none.
    """
    groups = []
    for path in files:
        with _opened(path, label_column) as (file, image_column):
            labels = _labels(file, label_column, path, Passed())
            if finder.groups.column is None:
                values = _paths(file, image_column, path)
            else:
                values = _group_column(file, finder.groups.column, path)
        for row in np.flatnonzero(class_positions(labels, asked) >= 0).tolist():
            groups.append(finder.group_of(values[row], f"{readable(path.name)} row {row}"))
    return group_array(groups)


@contextmanager
def _opened(path: Path, label_column: str) -> Iterator[tuple[pq.ParquetFile, str]]:
    """A file and the name of its image column. Raises DataError where it cannot be read."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield file, _check_columns(file.schema_arrow, label_column, path)
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise DataError(f"{path}: expected a Parquet file, could not read it: {error}") from error


def _labels(file: pq.ParquetFile, label_column: str, path: Path, passed: Passed) -> NDArray[np.int64]:
    column = file.read(columns=[label_column])[label_column].cast(pa.int64())
    labels: NDArray[np.int64] = column.fill_null(NO_LABEL).to_numpy()
    for row in np.flatnonzero(labels == NO_LABEL):
        passed.add("rows without a label", f"{readable(path.name)} row {row}")
    return labels


def _group_column(file: pq.ParquetFile, name: str, path: Path) -> list[object]:
    """A column's values. Raises Malformed where it is not there, or of another type."""
    schema = file.schema_arrow
    if name not in schema.names:
        raise Malformed(
            f"{path}: expected the column {name} of source.groups, found {', '.join(schema.names)}"
        )
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise Malformed(f"{path}: expected text or whole numbers in the column {name}, found {kind}")
    values: list[object] = file.read(columns=[name])[name].to_pylist()
    return values


def _paths(file: pq.ParquetFile, image_column: str, path: Path) -> list[object]:
    """The images' paths. Raises Malformed where their column has none."""
    kind = file.schema_arrow.field(image_column).type
    if kind.get_field_index("path") < 0:
        raise Malformed(
            f"{path}: expected {image_column} of type struct<bytes, path> for the pattern of source.groups, "
            f"found {kind}"
        )
    cells = file.read(columns=[f"{image_column}.path"])[image_column].to_pylist()
    return [None if cell is None else cell["path"] for cell in cells]


def _read_images(
    file: pq.ParquetFile,
    image_column: str,
    name: str,
    positions: NDArray[np.int64],
    shape: tuple[int, int, int],
    faults: Faults,
) -> Images:
    """The images of one file whose class's position is not negative, with the row in this file as id."""
    ids = np.flatnonzero(positions >= 0)
    pixels = np.zeros((len(ids), *shape), dtype=np.uint8)
    done = first = 0
    # One row group at a time: the encoded images of all classes need not be in memory together.
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        wanted = ids[(ids >= first) & (ids < first + rows)]
        if len(wanted):
            column = file.read_row_group(group, columns=[f"{image_column}.bytes"])[image_column]
            encoded = column.take(pa.array(wanted - first)).to_pylist()
            for row, cell in zip(wanted, encoded, strict=True):
                with faults.of_one_image():
                    pixels[done] = _decode_cell(cell, f"{name} row {row}", shape)
                done += 1
        first += rows
    return Images(pixels, positions[ids], ids)


def _check_columns(schema: pa.Schema, label_column: str, path: Path) -> str:
    """The name of the image column. Raises DataError unless both columns have the right types."""
    image_column = next((name for name in _IMAGE_COLUMNS if name in schema.names), None)
    if image_column is None or label_column not in schema.names:
        raise DataError(
            f"{path}: expected the columns {' or '.join(_IMAGE_COLUMNS)} and {label_column}, "
            f"found {', '.join(schema.names)}"
        )
    image_type, label_type = schema.field(image_column).type, schema.field(label_column).type
    if not pa.types.is_struct(image_type) or image_type.get_field_index("bytes") < 0:
        raise DataError(f"{path}: expected {image_column} of type struct<bytes, path>, found {image_type}")
    if not pa.types.is_integer(label_type):
        raise DataError(f"{path}: expected integers in {label_column}, found {label_type}")
    return image_column


def _decode_cell(cell: dict[str, bytes | None] | None, where: str, shape: tuple[int, int, int]) -> np.ndarray:
    data = None if cell is None else cell["bytes"]
    if data is None:
        raise Unreadable(where, "without the bytes of an image")
    pixels = decode_image(data, where, shape[0])
    if pixels.shape != shape:
        raise Unreadable(where, f"of another shape than {shape}", str(pixels.shape))
    return pixels
