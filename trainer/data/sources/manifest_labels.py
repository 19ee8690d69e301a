"""The labels of a manifest's rows: a class each, a list each, or a column per label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, Manifest
from search_spaces.errors import DataError
from search_spaces.words import count
from trainer.data.sources.faults import Malformed, some_of
from trainer.data.sources.images import Passed, check_known
from trainer.data.sources.manifest_table import Table
from trainer.data.sources.paths import composed
from trainer.tasks.label_sets import Labels

_YES, _NO = ("1", "1.0", "true", "True"), ("0", "0.0", "false", "False")
# So many labels of a file are named in an error.
_NAMED = 20


def labels_of(
    source: Manifest,
    tables: Sequence[Table],
    asked: Sequence[ClassLabel],
    passed: Passed,
    *,
    may_lack_labels: bool = False,
) -> tuple[Labels, NDArray[np.bool_]]:
    """The labels of all rows, as `Images` has them, and which rows are read: those of asked classes.

    Raises DataError for an asked class or label that no row has, which a label may with `may_lack_labels`,
    and for columns of labels that hold something else than 0 and 1.
    """
    names = [composed(str(label)) for label in asked]
    if source.label is not None:
        return _classes(source, tables, asked, names, passed)
    if source.labels is None:
        sets = _columns(source, tables, names)
    else:
        sets = _lists(source, tables, names, may_lack_labels=may_lack_labels)
    for name, positives in zip(names, sets.sum(axis=0, dtype=np.int64).tolist(), strict=True):
        if not positives and not may_lack_labels:
            raise DataError(
                f"manifest {source.file}: expected images with the label {name!r}, found none of "
                f"{count(len(sets), 'image')}"
            )
    return sets, np.ones(len(sets), dtype=bool)


def labels_in_lists(source: Manifest, tables: Sequence[Table]) -> set[str]:
    """Every label that a row's list has."""
    if source.labels is None:
        return set()
    found: set[str] = set()
    for table in tables:
        for value in table.column(source.labels, "labels"):
            found.update(_of_cell(value, source.separator))
    return found


def _classes(
    source: Manifest,
    tables: Sequence[Table],
    asked: Sequence[ClassLabel],
    names: Sequence[str],
    passed: Passed,
) -> tuple[Labels, NDArray[np.bool_]]:
    if source.label is None:
        raise AssertionError("the classes of a manifest without their column")
    positions = {name: position for position, name in enumerate(names)}
    found, known = [], set()
    for table in tables:
        for row, value in enumerate(table.column(source.label, "label")):
            text = "" if value is None else composed(str(value))
            known.add(text)
            position = positions.get(text, -1)
            found.append(position)
            if not text:
                passed.add("rows without a label", table.where(row))
            elif position < 0:
                passed.add("images of classes that are not named", table.where(row))
    check_known(names, sorted(known - {""})[:_NAMED], f"manifest {source.file}")
    labels = np.array(found, dtype=np.int64)
    return labels, labels >= 0


def _lists(
    source: Manifest, tables: Sequence[Table], names: Sequence[str], *, may_lack_labels: bool
) -> NDArray[np.uint8]:
    """Label sets [N, L] of a column of lists, or of text with separators."""
    if source.labels is None:
        raise AssertionError("the lists of a manifest without their column")
    positions = {name: position for position, name in enumerate(names)}
    rows = []
    for table in tables:
        for value in table.column(source.labels, "labels"):
            own = np.zeros(len(names), dtype=np.uint8)
            for label in _of_cell(value, source.separator):
                if label in positions:
                    own[positions[label]] = 1
            rows.append(own)
    known = labels_in_lists(source, tables)
    missing = [name for name in names if name not in known]
    if not may_lack_labels:
        check_known(missing, sorted(known)[:_NAMED], f"manifest {source.file}")
    return np.stack(rows) if rows else np.zeros((0, len(names)), dtype=np.uint8)


def _of_cell(value: Any, separator: str) -> list[str]:
    """The labels of one image."""
    if value is None:
        return []
    parts = value.split(separator) if isinstance(value, str) else value
    return [composed(str(part).strip()) for part in parts if str(part).strip()]


def _columns(source: Manifest, tables: Sequence[Table], names: Sequence[str]) -> NDArray[np.uint8]:
    """Label sets [N, L] of a column per label."""
    columns = []
    for name in names:
        bad: list[str] = []
        values = []
        for table in tables:
            known = {composed(column): column for column in table.columns}
            column = table.column(known.get(name, name), "a label of the task; or label, labels")
            for row, value in enumerate(column):
                text = str(value).strip()
                values.append(text in _YES)
                if text not in _YES and text not in _NO:
                    bad.append(f"{text!r} of {table.where(row)}")
        if bad:
            raise Malformed(
                f"manifest {source.file}: expected 0 or 1 in the column {name!r} of a label, found "
                f"{count(len(bad), 'other value')}: {some_of(bad)}"
            )
        columns.append(np.array(values, dtype=np.uint8))
    return np.stack(columns, axis=1)
