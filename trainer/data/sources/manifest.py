"""Images that a table lists, with a class or labels each, and perhaps a group and a split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, Manifest
from search_spaces.errors import DataError
from trainer.data.decoding.encoded import Encoded
from trainer.data.sources.class_folders import split_of
from trainer.data.sources.decoded import DecodedSource, Wanted, decode_source, named_left_out, split_positions
from trainer.data.sources.faults import Faults, Malformed, Unreadable
from trainer.data.sources.groups import finder_of, group_array
from trainer.data.sources.images import Images, LeftOut, Listing, Origin, Passed, RawData
from trainer.data.sources.manifest_labels import labels_of
from trainer.data.sources.manifest_table import Table, manifest_files, read_tables
from trainer.data.sources.reader import Reader
from trainer.tasks.label_sets import Labels

_ORDER: tuple[Origin, ...] = ("train", "validation", "test")
_MISSING = "that are missing"


class _Rows(NamedTuple):
    """The rows of one split that are read: their images, ids, labels and groups."""

    images: list[Encoded]
    ids: NDArray[Any]
    labels: Labels
    groups: NDArray[np.str_] | None


class ManifestReader(Reader[Manifest]):
    """Reads a table of images (see `Manifest`). An image's id is its path as the table has it.

    Of images whose bytes stand in the table it is the number of their row, counted through the files of its
    split.
    """

    def __init__(self, source: Manifest, *, may_lack_labels: bool = False) -> None:
        """With `may_lack_labels` a label may be one that no row has."""
        super().__init__(source)
        self._may_lack_labels = may_lack_labels

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes, or all where images have label sets.

        Raises DataError for what the table tells, and about all images that cannot be read unless they are
        to be skipped.
        """
        source = self.source
        splits, left_out = self._splits(asked, data_dir)
        wanted = Wanted(
            title=f"manifest {source.file}",
            part_of=["manifest", str(data_dir.absolute()), source.file, [str(label) for label in asked]],
            channels=source.channels,
            size=source.size,
            scaling=source.scaling,
            bad_files=source.bad_files,
        )
        there = [splits[origin] for origin in _ORDER if origin in splits]
        every = [image for rows in there for image in rows.images]
        decoded = decode_source(wanted, every)
        sizes = [len(rows.images) for rows in there]
        firsts = np.cumsum([0, *sizes[:-1]]).tolist()
        found: dict[Origin, Images] = {}
        parts = zip(_in_order(splits), there, firsts, split_positions(sizes, decoded.kept), strict=True)
        for origin, rows, first, positions in parts:
            found[origin] = _images(rows, decoded, first, positions)
        return RawData(
            found["train"],
            found.get("validation"),
            found.get("test"),
            left_out,
            wanted.percentiles,
            decoded.depth,
            decoded.unread,
        )

    def encoded(self, asked: Sequence[ClassLabel], data_dir: Path) -> list[Encoded]:
        """See `Reader`: the rows of the asked classes whose images are there."""
        splits, _ = self._splits(asked, data_dir)
        return [image for origin in _in_order(splits) for image in splits[origin].images]

    def listing(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> Listing:
        """See `Reader`: the table tells."""
        splits, left_out = self._splits(asked, data_dir)
        groups: dict[Origin, NDArray[np.str_]] = {}
        for origin, rows in splits.items():
            if rows.groups is not None:
                groups[origin] = rows.groups
        validation, test = splits.get("validation"), splits.get("test")
        return Listing(
            splits["train"].labels,
            None if validation is None else validation.labels,
            None if test is None else test.labels,
            left_out,
            groups,
        )

    def files(self, data_dir: Path) -> list[Path]:
        """The table's files, and the images that are there. Raises DataError where the table is missing."""
        found = [path for _, path in manifest_files(self.source, data_dir)]
        for table in read_tables(self.source, data_dir):
            if table.is_files:
                found += [Path(image.path) for image in table.images if os.path.isfile(image.path)]
        return found

    def _splits(
        self, asked: Sequence[ClassLabel], data_dir: Path
    ) -> tuple[dict[Origin, _Rows], tuple[LeftOut, ...]]:
        """The rows of each split, and what was passed over. Raises DataError without training images."""
        tables = read_tables(self.source, data_dir)
        there, missing = self._there(tables)
        passed = Passed()
        labels, is_asked = labels_of(
            self.source, tables, asked, passed, may_lack_labels=self._may_lack_labels
        )
        groups = self._groups(tables, is_asked)
        origins = [origin for table in tables for origin in self._origins(table)]
        images = [image for table in tables for image in table.images]
        ids = self._ids(tables, origins)
        kept = there & is_asked
        splits: dict[Origin, _Rows] = {}
        for origin in _ORDER:
            rows = np.flatnonzero(kept & np.array([one == origin for one in origins], dtype=bool))
            if len(rows) or origin == "train":
                chosen = [images[row] for row in rows.tolist()]
                own = None if groups is None else groups[rows]
                splits[origin] = _Rows(chosen, ids[rows], labels[rows], own)
        if not len(splits["train"].images):
            raise DataError(f"manifest {self.source.file}: expected training images, found none")
        return splits, (*passed.left_out(), *missing)

    def _there(self, tables: Sequence[Table]) -> tuple[NDArray[np.bool_], tuple[LeftOut, ...]]:
        """Which images are there. Raises DataError for others unless they are to be skipped."""
        there, missing = [], []
        for table in tables:
            for row, image in enumerate(table.images):
                is_there = not table.is_files or os.path.isfile(image.path)
                there.append(is_there)
                if not is_there:
                    missing.append(table.where(row))
        if missing and self.source.bad_files == "stop":
            faults = Faults(f"manifest {self.source.file}")
            faults.add([Unreadable(name, _MISSING) for name in missing], len(there))
            faults.check()
        left_out = (named_left_out(f"images {_MISSING} (skipped)", missing),) if missing else ()
        return np.array(there, dtype=bool), left_out

    def _origins(self, table: Table) -> list[Origin]:
        """The split of each row."""
        if self.source.split is None:
            return [table.origin or "train"] * table.rows
        found: list[Origin] = []
        for row, value in enumerate(table.column(self.source.split, "split")):
            origin = split_of(str(value))
            if origin is None:
                raise Malformed(
                    f"manifest {self.source.file}: expected a split in the column {self.source.split}, like "
                    f"train, val or test, found {value!r} of {table.where(row)}"
                )
            found.append(origin)
        return found

    def _ids(self, tables: Sequence[Table], origins: Sequence[Origin]) -> NDArray[Any]:
        """The id of each row."""
        if tables[0].is_files:
            return np.array([name for table in tables for name in table.names], dtype=np.str_)
        counts = dict.fromkeys(_ORDER, 0)
        ids = []
        for origin in origins:
            ids.append(counts[origin])
            counts[origin] += 1
        return np.array(ids, dtype=np.int64)

    def _groups(self, tables: Sequence[Table], is_asked: NDArray[np.bool_]) -> NDArray[np.str_] | None:
        """The group of each row, "" of those that are not read; None of a source without groups."""
        finder = finder_of(self.source)
        if finder is None:
            return None
        groups, place = [], 0
        for table in tables:
            told: Sequence[Any] = table.names
            if finder.groups.column is not None:
                told = table.column(finder.groups.column, "groups.column")
            for row, value in enumerate(told):
                name = Path(value).name if finder.groups.column is None else value
                groups.append(finder.group_of(name, table.where(row)) if is_asked[place] else "")
                place += 1
        finder.check()
        return group_array(groups)


def _in_order(splits: dict[Origin, _Rows]) -> list[Origin]:
    return [origin for origin in _ORDER if origin in splits]


def _images(rows: _Rows, decoded: DecodedSource, first: int, positions: NDArray[np.int64]) -> Images:
    own = positions - first
    groups = None if rows.groups is None else rows.groups[own]
    return Images(decoded.pixels.take(positions), rows.labels[own], rows.ids[own], groups)
