"""How the tables of several classes are laid out: labels, training images and samplers, decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.render.document import MISSING, BlockTable, Document, Entry
from analysis.render.layout import by_block
from analysis.render.rows import Record

# Of more classes a matrix is no table to be read; its CSV and JSON files have it.
MOST_CLASSES = 25
_COUNTS = (
    "Training images of each class, and the share of an epoch in which a sampler is expected to draw it."
)
_DECISIONS = (
    "Test images of each true class, a row, by the class that the ensemble takes them for, a column. In "
    "brackets the same of the row that the method is held against, where there is one."
)
_LABELS = (
    "Each label of the ensembles on test, decided for at 0.5 and at its threshold, which is chosen on "
    "validation for the highest F1."
)


def frame_document(
    sweep: str, kind: str, title: str, caption: str, frame: pd.DataFrame, left_out: Sequence[str] = ()
) -> Document:
    """A frame as it is, a table per block, a column per column; numbers with four digits."""
    tables = []
    columns = [str(column) for column in frame if column not in ("block", *left_out)]
    header = tuple(column[0].upper() + column[1:].replace("_", " ") for column in columns)
    for block, records in by_block(frame).items():
        rows = [tuple(Entry(_text(record[column])) for column in columns) for record in records]
        tables.append(BlockTable(block, header, tuple(rows)))
    return Document(sweep, title, caption, (), tuple(tables), bold_meaning="", kind=kind)


def counts_document(sweep: str, frame: pd.DataFrame) -> Document:
    """Of `analysis.class_counts.class_frame`."""
    return frame_document(sweep, "classes", f"Classes of the sweep {sweep}", _COUNTS, frame)


def labels_document(sweep: str, frame: pd.DataFrame) -> Document:
    """Of `analysis.labels.label_frame`."""
    title = f"Labels of the sweep {sweep}"
    return frame_document(sweep, "labels", title, _LABELS, frame, left_out=("trial_id",))


def confusion_document(
    sweep: str, block: str, row: str, trial_id: str, frame: pd.DataFrame
) -> Document | None:
    """Of `analysis.confusion.Confusion.frame`: a matrix of a cell; None of too many classes for a page."""
    classes = list(dict.fromkeys(frame["true"]))
    if len(classes) > MOST_CLASSES:
        return None
    values: dict[str, dict[str, Mapping[Any, Any]]] = {}
    for record in frame.to_dict("records"):
        values.setdefault(str(record["true"]), {})[str(record["decided"])] = record
    rows = []
    for name in classes:
        rows.append((Entry(name), *(_images(values[name][other]) for other in classes)))
    table = BlockTable(f"{block}, {row}", ("True class", *classes), tuple(rows))
    title = f"Decisions of a row of the sweep {sweep}"
    return Document(sweep, title, _DECISIONS, (), (table,), bold_meaning="", kind=f"confusion-{trial_id}")


def _images(record: Record) -> Entry:
    before = record["before"]
    return Entry(str(record["images"]), detail="" if before is pd.NA else f"({before})")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is pd.NA or value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        return MISSING
    return f"{value:.4g}" if isinstance(value, float) else str(value)
