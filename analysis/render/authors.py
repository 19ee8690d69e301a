"""How a sweep's selection beside the authors' is laid out: a table per block, a row per cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.render.captions import unresolved_caption
from analysis.render.comparisons import signed
from analysis.render.document import MISSING, BlockTable, Document, Entry, Note
from analysis.render.layout import by_block, with_words
from analysis.render.rows import DIGITS, Record, number
from analysis.table_columns import TableColumns, column_name
from search_spaces.config import Metric

_CAPTION = (
    "What this sweep chose, and behind a stroke what the paper's authors publish for the same row, both as "
    "trained here. Place: where the published one stands among the candidates that have a place, by the "
    "selection rule on validation. Val.: what that rule goes by, chosen / published. Test values: chosen / "
    "published, of the ensembles; in brackets the difference, chosen minus published, and its 95 % interval "
    "over test examples."
)
_HEADER = ("Loss", "Loss config", "ALM config", "δ", "Differs in", "Place", "Val.")


def authors_document(
    name: str, facts: Sequence[str], frame: pd.DataFrame, columns: Mapping[str, TableColumns]
) -> Document:
    """Selections; `frame` as `analysis.authors_frame.authors_frame` gives it, `facts` hold over all cells."""
    tables = []
    for block, records in by_block(frame).items():
        metrics = columns[block].headline
        by_row: dict[str, dict[str, Record]] = {}
        for record in records:
            by_row.setdefault(str(record["row"]), {})[str(record["metric"])] = record
        header = (*_HEADER, *(metric.header for metric in metrics))
        rows, notes = [], []
        for of_row in by_row.values():
            rows.append(_row(of_row, metrics))
            first = next(iter(of_row.values()))
            if first["remark"]:
                notes.append(Note(str(first["row"]), str(first["remark"]), marked=not first["complete"]))
        tables.append(BlockTable(block, header, tuple(rows), tuple(notes)))
    title = f"Choices of the sweep {name} beside the authors'"
    document = Document(name, title, _CAPTION, tuple(facts), tuple(tables), bold_meaning="", kind="published")
    if document.has_unresolved:
        document = with_words(document, unresolved_caption(columns.values()))
    return document


def _row(records: Mapping[str, Record], metrics: Sequence[Metric]) -> tuple[Entry, ...]:
    """A cell: `records` are its values by the column of the metric."""
    first = next(iter(records.values()))
    place = MISSING
    if not bool(pd.isna(first["published_rank"])):
        place = f"{first['published_rank']}/{first['candidates_ranked']}"
    differs = str(first["differs"]) or ("nothing" if first["same"] else MISSING)
    entries = [
        Entry(str(first["row"]), marked=not first["complete"]),
        _both(_said(first["loss"]), _said(first["published_loss"])),
        _both(_said(first["alm"]), _said(first["published_alm"])),
        _both(number(float(first["delta"]), "g"), number(float(first["published_delta"]), "g")),
        Entry(differs),
        Entry(place),
        Entry(f"{number(first['val_rule'], '.4f')} / {number(first['published_val_rule'], '.4f')}"),
    ]
    for metric in metrics:
        entries.append(_test(records[column_name(metric)], metric))
    return tuple(entries)


def _said(name: object) -> str:
    return MISSING if name in ("", "none") else str(name)


def _both(chosen: str, published: str) -> Entry:
    """What was chosen, and what the authors chose where that is another."""
    return Entry(chosen if chosen == published else f"{chosen} / {published}")


def _test(record: Record, metric: Metric) -> Entry:
    digits = DIGITS[metric.scale][0]
    values = []
    for column in ("test", "published_test"):
        values.append(number(metric.scale * float(record[column]), f".{digits}f"))
    detail = ""
    if not math.isnan(record["difference"]):
        detail = signed(record["difference"], metric)
        if not math.isnan(record["low"]):
            detail += f": {signed(record['low'], metric)} to {signed(record['high'], metric)}"
        detail = f"({detail})"
    return Entry(" / ".join(values), detail=detail, unresolved=not record["resolved"])
