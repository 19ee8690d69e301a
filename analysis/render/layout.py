"""How the best-configuration table is laid out: one table per block, whatever it is written as afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.render.captions import best_caption, comparison_caption
from analysis.table_columns import TableColumns, column_name, interval_columns, spread_columns
from search_spaces.config import Metric

MISSING = "–"

_BEFORE = ("Loss", "Replicates", "Candidates")
_BEHIND = ("Loss config", "ALM config", "δ")
_TEXT_COLUMNS = ("Loss", "Loss config", "ALM config", "Settings", "Remark")

# Digits of a value, and of the ends of its interval, by the metric's scale.
_DIGITS = {1.0: (4, 3), 100.0: (2, 1)}

_Record = Mapping[Any, Any]


@dataclass(frozen=True)
class Entry:
    """Text of one place in a table; `marked` puts a dagger behind it, and `detail` follows, never bold."""

    text: str
    bold: bool = False
    marked: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Note:
    """What is to be said of a row below its table; `marked` where the row has a dagger."""

    row: str
    text: str
    marked: bool


@dataclass(frozen=True)
class BlockTable:
    """One block: a title, a header, rows of entries in the header's order, and notes on rows."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[Note, ...]

    def is_text(self, column: int) -> bool:
        """True for a column that is set flush left."""
        return self.header[column] in _TEXT_COLUMNS


@dataclass(frozen=True)
class Document:
    """Tables with a title, a caption that explains the columns, and facts that hold for all of them."""

    title: str
    caption: str
    facts: tuple[str, ...]
    tables: tuple[BlockTable, ...]


def best_document(
    title: str, facts: tuple[str, ...], frame: pd.DataFrame, columns: Mapping[str, TableColumns]
) -> Document:
    """The best-configuration tables.

    frame     as `analysis.frames.best_frame` gives it
    columns   the metrics that a block's table shows, by the block's label
    """
    return Document(title, best_caption(columns.values()), facts, block_tables(frame, columns))


def comparison_document(title: str, frame: pd.DataFrame, columns: Mapping[str, TableColumns]) -> Document:
    """With against without the constraint; `frame` as `analysis.frames.comparison_frame` gives it."""
    tables = []
    for block, records in _blocks(frame):
        steering = columns[block].steering
        header = ("Loss", "Pairs", f"Δ {steering.header}", "95 % interval", "p", "Remark")
        rows = tuple(map(_comparison_row, records))
        tables.append(BlockTable(block, header, rows, ()))
    return Document(title, comparison_caption(columns.values()), (), tuple(tables))


def block_tables(frame: pd.DataFrame, columns: Mapping[str, TableColumns]) -> tuple[BlockTable, ...]:
    """The frame of `analysis.frames.best_frame`, block by block, in its order."""
    settings: tuple[str, ...] = ()
    if (frame["settings"] != "").any():
        settings = ("Settings",)
    tables = []
    for block, records in _blocks(frame):
        of_block = columns[block]
        of_metrics = [metric.header for metric in of_block.shown]
        header = (*_BEFORE, *of_metrics, f"{of_block.steering.header} mean ± std", *_BEHIND, *settings)
        writer = _RowWriter(of_block, records, bool(settings))
        rows = tuple(map(writer.row, records))
        tables.append(BlockTable(block, header, rows, _notes(records)))
    return tuple(tables)


def is_final(record: _Record) -> bool:
    """Whether the cell's choice is final and was made among trials that were all trained to their end."""
    return bool(record["complete"]) and not record["candidates_pruned"]


def _blocks(frame: pd.DataFrame) -> list[tuple[str, list[_Record]]]:
    """The blocks of a frame in its order, each with its rows."""
    blocks = []
    for block in frame["block"].drop_duplicates():
        blocks.append((str(block), frame[frame["block"] == block].to_dict("records")))
    return blocks


def _notes(records: Sequence[_Record]) -> tuple[Note, ...]:
    notes = []
    for record in records:
        if record["note"]:
            notes.append(Note(str(record["row"]), str(record["note"]), marked=not is_final(record)))
    return tuple(notes)


class _RowWriter:
    """Writes the rows of one block's table; the best final value of a column is set bold."""

    def __init__(self, columns: TableColumns, records: Sequence[_Record], has_settings: bool) -> None:
        self.columns, self.has_settings = columns, has_settings
        self.mean, self.deviation = spread_columns(columns.steering)
        self.best = {self.mean: _best(records, self.mean, columns.steering)}
        for metric in columns.shown:
            self.best[column_name(metric)] = _best(records, column_name(metric), metric)

    def row(self, record: _Record) -> tuple[Entry, ...]:
        """The entries of a row, in the header's order."""
        entries = [
            Entry(str(record["row"]), marked=not is_final(record)),
            Entry(str(record["n"])),
            Entry(f"{record['candidates_complete']}/{record['candidates_total']}"),
        ]
        for metric in self.columns.shown:
            entries.append(self._metric(record, metric))
        entries += [self._mean(record), *_configuration(record)]
        if self.has_settings:
            entries.append(Entry(str(record["settings"]) or MISSING))
        return tuple(entries)

    def _metric(self, record: _Record, metric: Metric) -> Entry:
        value, (digits, of_interval) = metric.scale * record[column_name(metric)], _DIGITS[metric.scale]
        detail = _interval(record, metric, of_interval)
        return self._number(record, column_name(metric), f"{value:.{digits}f}", detail)

    def _mean(self, record: _Record) -> Entry:
        scale = self.columns.steering.scale
        text = f"{scale * record[self.mean]:.4f} ± {scale * record[self.deviation]:.4f}"
        return self._number(record, self.mean, text)

    def _number(self, record: _Record, column: str, text: str, detail: str = "") -> Entry:
        value = float(record[column])
        if math.isnan(value):
            return Entry(MISSING)
        return Entry(text, bold=is_final(record) and value == self.best[column], detail=detail)


def _best(records: Sequence[_Record], column: str, metric: Metric) -> float:
    values = []
    for record in records:
        if is_final(record) and not math.isnan(record[column]):
            values.append(float(record[column]))
    return max(values, key=metric.gain, default=math.nan)


def _configuration(record: _Record) -> list[Entry]:
    """What was chosen: the loss, the constraint and its margin."""
    if not record["trial_id"]:
        return [Entry("missing"), Entry(MISSING), Entry(MISSING)]
    alm = str(record["alm_config"])
    if alm == "none":
        alm = MISSING
    return [Entry(str(record["loss_config"])), Entry(alm), Entry(_number(record["delta"], "g"))]


def _interval(record: _Record, metric: Metric, digits: int) -> str:
    """The interval of a metric in brackets, "(0.931–0.972)"; "" where it is undefined."""
    low, high = (metric.scale * float(record[column]) for column in interval_columns(metric))
    if math.isnan(low):
        return ""
    return f"({low:.{digits}f}–{high:.{digits}f})"


def _comparison_row(record: _Record) -> tuple[Entry, ...]:
    interval = MISSING
    if not math.isnan(record["low"]):
        interval = f"{record['low']:+.4f} to {record['high']:+.4f}"
    return (
        Entry(str(record["row"]), marked=not record["complete"]),
        Entry(str(record["pairs"])),
        Entry(_number(record["mean_difference"], "+.4f")),
        Entry(interval),
        Entry(_number(record["p_value"], ".3g")),
        Entry(str(record["remark"]) or MISSING),
    )


def _number(value: float, form: str) -> str:
    if math.isnan(value):
        return MISSING
    return format(float(value), form)
