"""How the choices that a sweep confirms are laid out: a table per block, a row per cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.render.captions import unresolved_caption
from analysis.render.comparisons import signed
from analysis.render.document import MISSING, BlockTable, Document, Entry
from analysis.render.layout import by_block, with_words
from analysis.render.rows import Record, number
from analysis.table_columns import TableColumns, column_name
from search_spaces.config import Metric

_CAPTION = (
    "The choices of another sweep on fresh seeds, each against the candidate that came second there: what is "
    "chosen stays chosen. Val.: what the rule goes by, winner / runner-up. Δ of a metric on test: winner "
    "minus runner-up, of the two ensembles, in brackets the 95 % interval over test examples. Mean over "
    "seeds: of single networks, in brackets the 95 % interval over seeds and test examples."
)


def confirmed_document(
    name: str, facts: Sequence[str], frame: pd.DataFrame, columns: Mapping[str, TableColumns]
) -> Document:
    """Winners against runners-up; `frame` as `analysis.confirmed.confirmed_frame` gives it."""
    tables = []
    for block, records in by_block(frame).items():
        metrics, steering = columns[block].headline, columns[block].steering
        by_row: dict[str, dict[str, Record]] = {}
        for record in records:
            by_row.setdefault(str(record["row"]), {})[str(record["metric"])] = record
        header = ["Loss", "Winner", "Runner-up", "Val.", *(f"Δ {metric.header}" for metric in metrics)]
        header += [f"Δ {steering.header} mean over seeds"]
        rows = [_row(of_row, metrics, steering) for of_row in by_row.values()]
        tables.append(BlockTable(block, tuple(header), tuple(rows)))
    document = Document(name, f"Choices confirmed in the sweep {name}", _CAPTION, tuple(facts), tuple(tables))
    if document.has_unresolved:
        document = with_words(document, unresolved_caption(columns.values()))
    return document


def _row(records: Mapping[str, Record], metrics: Sequence[Metric], steering: Metric) -> tuple[Entry, ...]:
    """A cell: `records` are its comparisons by metric, or one without a comparison."""
    first = next(iter(records.values()))
    values = [number(float(first[column]), ".4f") for column in ("val_winner", "val_runner_up")]
    entries = [
        Entry(str(first["row"]), marked=not first["complete"]),
        Entry(str(first["winner"]) or MISSING),
        Entry(str(first["runner_up"]) or MISSING),
        Entry(" / ".join(values), detail="runner-up leads" if first["runner_up_leads"] else ""),
    ]
    for metric in metrics:
        entries.append(_entry(records.get(column_name(metric)), metric, ("difference", "low", "high")))
    mean = ("mean_difference", "mean_low", "mean_high")
    entries.append(_entry(records.get(column_name(steering)), steering, mean))
    return tuple(entries)


def _entry(record: Record | None, metric: Metric, columns: tuple[str, str, str]) -> Entry:
    """A difference with its interval in brackets."""
    if record is None or math.isnan(record[columns[0]]):
        return Entry(MISSING)
    value, low, high = (float(record[column]) for column in columns)
    detail = "" if math.isnan(low) else f"({signed(low, metric)} to {signed(high, metric)})"
    return Entry(signed(value, metric), detail=detail, unresolved=not record["resolved"])
