"""The table of a manifest: its columns as text, and where each image lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from search_spaces.config import Manifest
from search_spaces.errors import DataError
from search_spaces.words import count
from trainer.data.decoding.encoded import Encoded
from trainer.data.sources.faults import Malformed, some_of
from trainer.data.sources.images import Origin
from trainer.data.sources.parquet import parquet_files
from trainer.data.sources.paths import child, readable

TABLE_ENDINGS = (".csv", ".parquet")
_SPLITS: tuple[Origin, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Table:
    """One file of a manifest.

    path        of the file
    origin      the split that all its rows are of; None where a column, or nothing, says so
    rows        how many there are
    columns     values of every column but that of images' bytes
    images      the encoded image of each row; where its path leads out of the data folder an error was raised
    names       the path of each image as the table has it; "" of bytes without one
    is_files    whether images are files, as opposed to bytes in the table
    """

    path: Path
    origin: Origin | None
    rows: int
    columns: dict[str, Sequence[Any]]
    images: list[Encoded]
    names: list[str]
    is_files: bool

    def column(self, name: str, key: str) -> Sequence[Any]:
        """A column's values. Raises Malformed, telling the key that names it, where there is none."""
        if name not in self.columns:
            known = ", ".join(map(readable, self.columns))
            raise Malformed(f"{readable(self.path)}: expected the column {name!r} ({key}), found {known}")
        return self.columns[name]

    def where(self, row: int) -> str:
        """A row in messages."""
        return self.names[row] or f"{readable(self.path.name)} row {row}"


def manifest_files(source: Manifest, data_dir: Path) -> list[tuple[Origin | None, Path]]:
    """The files of a table, with the splits that their names tell. Raises DataError where there are none."""
    path = _below(data_dir, source.file)
    if path.suffix.lower() in TABLE_ENDINGS:
        if not path.is_file():
            raise DataError(f"manifest {source.file}: expected a table {readable(path)}, found none")
        return [(None, path)]
    found: list[tuple[Origin | None, Path]] = []
    for origin in _SPLITS:
        found += [(origin, one) for one in parquet_files(path, origin)]
    if not any(origin == "train" for origin, _ in found):
        raise DataError(
            f"manifest {source.file}: expected a file ending {' or '.join(TABLE_ENDINGS)}, or a folder with "
            f"train.parquet or train-00000-of-00005.parquet and so on, found none at {readable(path)}"
        )
    return found


def read_tables(source: Manifest, data_dir: Path) -> list[Table]:
    """All tables. Raises DataError for files that cannot be read, and for images outside of the folder."""
    tables = [_read(source, data_dir, path, origin) for origin, path in manifest_files(source, data_dir)]
    if len({table.is_files for table in tables}) > 1:
        raise Malformed(f"manifest {source.file}: expected paths or bytes of images in all files, found both")
    return tables


def _read(source: Manifest, data_dir: Path, path: Path, origin: Origin | None) -> Table:
    try:
        if path.suffix.lower() == ".csv":
            return _of_csv(source, data_dir, path)
        with pq.ParquetFile(path, memory_map=True) as file:
            return _of_parquet(source, data_dir, path, origin, file)
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        told = str(error).splitlines()[0]
        raise Malformed(f"{readable(path)}: expected a table, could not read it: {told}") from error


def _of_csv(source: Manifest, data_dir: Path, path: Path) -> Table:
    """Every value is text: a patient "007" stays one."""
    with pyarrow.csv.open_csv(path) as reader:
        names = reader.schema.names
    if len(set(names)) != len(names):
        raise Malformed(
            f"{readable(path)}: expected every column once, found {', '.join(map(readable, names))}"
        )
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=False
    )
    table = pyarrow.csv.read_csv(path, convert_options=options)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return _with_paths(source, data_dir, path, None, columns)


def _of_parquet(
    source: Manifest, data_dir: Path, path: Path, origin: Origin | None, file: pq.ParquetFile
) -> Table:
    schema = file.schema_arrow
    if source.image not in schema.names:
        known = ", ".join(map(readable, schema.names))
        raise Malformed(f"{readable(path)}: expected the column {source.image!r} (image), found {known}")
    kind = schema.field(source.image).type
    others = [name for name in schema.names if name != source.image]
    columns = {name: file.read(columns=[name])[name].to_pylist() for name in others}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        columns[source.image] = file.read(columns=[source.image])[source.image].to_pylist()
        return _with_paths(source, data_dir, path, origin, columns)
    column, has_path = source.image, False
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column, has_path = f"{source.image}.bytes", kind.get_field_index("path") >= 0
    elif not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise Malformed(
            f"{readable(path)}: expected paths, bytes or struct<bytes, path> in {source.image}, found {kind}"
        )
    images = list(_cells(path, column, file))
    names = [""] * len(images)
    if has_path:
        cells = file.read(columns=[f"{source.image}.path"])[source.image].to_pylist()
        names = [str((cell or {}).get("path") or "") for cell in cells]
    return Table(path, origin, len(images), columns, images, names, is_files=False)


def _cells(path: Path, column: str, file: pq.ParquetFile) -> Iterator[Encoded]:
    row = 0
    for group in range(file.num_row_groups):
        for place in range(file.metadata.row_group(group).num_rows):
            yield Encoded(os.fspath(path), f"{readable(path.name)} row {row}", column, group, place)
            row += 1


def _with_paths(
    source: Manifest, data_dir: Path, path: Path, origin: Origin | None, columns: dict[str, Sequence[Any]]
) -> Table:
    """A table whose images are files. Raises DataError for paths out of the folder, and images twice."""
    if source.image not in columns:
        known = ", ".join(map(readable, columns))
        raise Malformed(f"{readable(path)}: expected the column {source.image!r} (image), found {known}")
    root = path.parent if source.folder is None else _below(data_dir, source.folder)
    outside: list[str] = []
    twice: list[str] = []
    seen = set()
    images, names = [], []
    for row, value in enumerate(columns[source.image]):
        name = "" if value is None else str(value)
        parts = PurePosixPath(name).parts
        if not name or name.startswith("/") or "\x00" in name or ".." in parts:
            outside.append(f"row {row}: {readable(name)!r}")
            continue
        clean = str(PurePosixPath(name))
        if clean in seen:
            twice.append(readable(clean))
        seen.add(clean)
        place = os.fspath(root / clean)
        images.append(Encoded(place, readable(clean)))
        names.append(readable(clean))
    if outside:
        raise Malformed(
            f"{readable(path)}: expected paths of images inside the folder {readable(root)}, found "
            f"{count(len(outside), 'other')}: {some_of(outside)}"
        )
    if twice:
        found = count(len(twice), "repetition")
        raise Malformed(f"{readable(path)}: expected every image once, found {found}: {some_of(twice)}")
    return Table(path, origin, len(images), columns, images, names, is_files=True)


def _below(data_dir: Path, path: str) -> Path:
    for part in path.split("/"):
        data_dir = child(data_dir, part)
    return data_dir
