"""A table as files: CSV, wide and long, and JSON of its frame; Markdown and LaTeX as it is laid out."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.render.document import Document
from analysis.render.escape import csv_text
from analysis.render.latex import latex
from analysis.render.text import markdown

# Columns by which a row of a table is told from the others, in their order; of a table those that it has.
_KEYS = (
    "block",
    "row",
    "metric",
    "class",
    "label",
    "decision",
    "rule",
    "name",
    "sampler",
    "calibration",
    "target_tpr",
    "true",
    "decided",
    "trial_id",
)


def files_of(name: str, frame: pd.DataFrame, document: Document | None) -> dict[str, str]:
    """The files of a table, by their names; without a document no Markdown and no LaTeX."""
    contents = {
        f"{name}.csv": csv(frame),
        f"{name}-long.csv": csv(long(frame)),
        f"{name}.json": as_json(frame),
    }
    if document is not None:
        contents |= {f"{name}.md": markdown(document), f"{name}.tex": latex(document)}
    return contents


def csv(frame: pd.DataFrame) -> str:
    """The frame as CSV: shortest digits that give the number back, text cells harmless in a spreadsheet."""
    safe = frame.map(lambda value: csv_text(value) if isinstance(value, str) else value)
    return str(safe.to_csv(index=False, lineterminator="\n"))


def long(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per value: the columns that tell the frame's rows apart, then `column` and `value`.

    Places without a value are left out.
    """
    keys = [key for key in _KEYS if key in frame]
    others = [column for column in frame if column not in keys]
    rows = []
    for record in frame.to_dict("records"):
        of_row = [record[key] for key in keys]
        for column in others:
            value = _plain(record[column])
            if value is not None and value != "":
                rows.append([*of_row, column, value])
    return pd.DataFrame(rows, columns=[*keys, "column", "value"], dtype=object)


def as_json(frame: pd.DataFrame) -> str:
    """The frame's rows as a JSON list of objects; null where there is no value."""
    records = []
    for record in frame.to_dict("records"):
        records.append({str(name): _plain(value) for name, value in record.items()})
    return json.dumps(records, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """A value of a frame as JSON has it; None where there is none."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or value is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
