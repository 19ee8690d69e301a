"""How the best-configuration table is laid out: one table per block, whatever it is written as afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.render.captions import (
    BATCHES_CAPTION,
    best_caption,
    comparison_caption,
    published_caption,
    unresolved_caption,
)
from analysis.render.document import CONFIGURATION, COUNTS, MISSING, TRIAL, BlockTable, Document, Entry, Note
from analysis.statistics.comparison import SIGNIFICANT
from analysis.table_columns import (
    BATCHES,
    CHOICE_COLUMNS,
    PUBLISHED_COLUMNS,
    TAU,
    TIED,
    UNRESOLVED,
    TableColumns,
    column_name,
    interval_columns,
    mean_interval_columns,
    spread_columns,
)
from search_spaces.config import Metric
from search_spaces.config.metrics import accuracy, macro_f1

# Digits of a value, and of the ends of its interval, by the metric's scale.
_DIGITS = {1.0: (4, 3), 100.0: (2, 1)}

_SOURCE, _BATCHES = PUBLISHED_COLUMNS[-1], "Critical batches (%)"

Record = Mapping[Any, Any]  # a row of a frame
Settings = Mapping[str, str]  # value by dotted name


def best_document(
    name: str,
    facts: tuple[str, ...],
    frame: pd.DataFrame,
    columns: Mapping[str, TableColumns],
    settings: Mapping[str, Settings],
    ids: Mapping[str, str],
    chosen_by: Mapping[str, Metric],
) -> Document:
    """The best-configuration tables of the sweep `name`.

    frame      as `analysis.frames.best_frame` gives it
    columns    the metrics that a block's table shows, by the block's label
    settings   what may differ beside loss and constraint, by the chosen trial's id
    ids        the short form of a trial's id
    chosen_by  what the selection rule of a block goes by; nothing of blocks in which nothing is selected
    """
    tables = block_tables(frame, columns, settings, ids, chosen_by)
    title = f"Best configurations of the sweep {name}"
    document = Document(name, title, best_caption(columns.values()), facts, tables)
    if document.has_unresolved:
        document = _with_words(document, unresolved_caption(columns.values()))
    if BATCHES in frame:
        document = _with_words(document, BATCHES_CAPTION)
    if _SOURCE in frame:
        document = _with_words(document, published_caption(filter(None, frame[_SOURCE])))
    return document


def _with_words(document: Document, words: str) -> Document:
    return replace(document, caption=f"{document.caption} {words}")


def comparison_document(
    name: str, facts: tuple[str, ...], frame: pd.DataFrame, columns: Mapping[str, TableColumns]
) -> Document:
    """With against without the constraint; `frame` as `analysis.frames.comparison_frame` gives it.

    `facts` say what holds over all pairs.
    """
    tables = []
    for block, records in by_block(frame).items():
        metrics = columns[block].headline
        steering = f"Δ {columns[block].steering.header} mean over seeds"
        header = (
            "Loss",
            "Seeds",
            COUNTS[1],
            *(f"Δ {metric.header}" for metric in metrics),
            steering,
            "Remark",
        )
        by_row: dict[str, dict[str, Record]] = {}
        for record in records:
            by_row.setdefault(str(record["row"]), {})[str(record["metric"])] = record
        rows = []
        for of_row in by_row.values():
            rows.append(_comparison_row(of_row, metrics, columns[block].steering))
        tables.append(BlockTable(block, header, tuple(rows)))
    title = f"With and without the constraint in the sweep {name}"
    seeds = sorted(set(frame["seeds"])) if len(frame) else []
    caption = comparison_caption(columns.values(), seeds)
    document = Document(name, title, caption, facts, tuple(tables), bold_meaning="")
    if document.has_unresolved:
        document = _with_words(document, unresolved_caption(columns.values()))
    return document


def block_tables(
    frame: pd.DataFrame,
    columns: Mapping[str, TableColumns],
    settings: Mapping[str, Settings],
    ids: Mapping[str, str],
    chosen_by: Mapping[str, Metric],
) -> tuple[BlockTable, ...]:
    """The frame of `analysis.frames.best_frame`, block by block, in its order.

    A block has a column of settings where its rows differ in some; those in which all agree are said once.
    """
    tables = []
    for block, records in by_block(frame).items():
        of_block = _with_values(columns[block], records)
        varying, shared = _told_apart([settings[r["trial_id"]] for r in records if r["trial_id"]])
        of_metrics = [metric.header for metric in of_block.shown]
        spread = f"{of_block.steering.header} mean ± std"
        if not _has_spread(records, of_block):
            spread = f"{of_block.steering.header} mean"
        figures = _published(records)
        of_batches = [_BATCHES] if _has_batches(records) else []
        of_choice = [f"Val. {chosen_by[block].header}"] if block in chosen_by else []
        header = ["Loss", *COUNTS, *of_metrics, spread, *of_choice, *of_batches, *figures, *CONFIGURATION]
        writer = _RowWriter(of_block, records, tuple(figures.values()), chosen_by.get(block))
        rows = []
        for record in records:
            row = writer.row(record)
            if varying:
                row += (_settings_entry(settings.get(record["trial_id"], {}), varying),)
            row += (Entry(ids.get(record["trial_id"], MISSING)),)
            rows.append(row)
        if varying:
            header.append("Settings")
        header.append(TRIAL)
        tables.append(BlockTable(block, tuple(header), tuple(rows), _notes(records), shared))
    return tuple(tables)


def _has_batches(records: Sequence[Record]) -> bool:
    """Whether a row tells how many of its batches hold a critical example."""
    return any(not math.isnan(record.get(BATCHES, math.nan)) for record in records)


def _published(records: Sequence[Record]) -> dict[str, Metric]:
    """The headers of the published figures that rows of a block have, and the metrics that these are."""
    found = {}
    for metric in (macro_f1(), accuracy()):
        column = f"published_{metric.name}"
        if any(record.get(column, "") for record in records):
            found[f"Published {metric.header[0].lower()}{metric.header[1:]}"] = metric
    return found


def _published_entry(record: Record, metric: Metric) -> Entry:
    """Published figures with as many digits as they were published with."""
    told = str(record[f"published_{metric.name}"])
    values = [f"{metric.scale * float(value):.6g}" for value in told.split("; ") if value]
    return Entry(" / ".join(values) or MISSING)


def _with_values(columns: TableColumns, records: Sequence[Record]) -> TableColumns:
    """The columns without those that no row with a result has: a group of no class, no adjusted decisions."""
    found = [record for record in records if record["trial_id"]]
    kept = []
    for metric in columns.shown:
        is_empty = all(math.isnan(record[column_name(metric)]) for record in found)
        if metric.role == "headline" or not found or not is_empty:
            kept.append(metric)
    return replace(columns, shown=tuple(kept))


def by_block(frame: pd.DataFrame) -> dict[str, list[Record]]:
    """The rows of each block of a frame, in its order."""
    blocks: dict[str, list[Record]] = {}
    for record in frame.to_dict("records"):
        blocks.setdefault(str(record["block"]), []).append(record)
    return blocks


def is_final(record: Record) -> bool:
    """Whether the cell's choice is final and was made among trials that were all trained to their end."""
    return bool(record["complete"]) and not record["candidates_pruned"]


def _notes(records: Sequence[Record]) -> tuple[Note, ...]:
    notes = []
    for record in records:
        if record["note"]:
            notes.append(Note(str(record["row"]), str(record["note"]), marked=not is_final(record)))
    return tuple(notes)


class _RowWriter:
    """Writes the rows of one block's table; the best final value of a column is set bold."""

    def __init__(
        self,
        columns: TableColumns,
        records: Sequence[Record],
        published: tuple[Metric, ...],
        chosen_by: Metric | None,
    ) -> None:
        self.columns, self.published, self.chosen_by = columns, published, chosen_by
        self.has_batches = _has_batches(records)
        self.mean, self.deviation = spread_columns(columns.steering)
        self.best = {self.mean: _best(records, self.mean, columns.steering)}
        for metric in columns.shown:
            self.best[column_name(metric)] = _best(records, column_name(metric), metric)

    def row(self, record: Record) -> tuple[Entry, ...]:
        """The entries of a row, in the header's order, without its settings."""
        entries = [
            Entry(str(record["row"]), marked=not is_final(record)),
            Entry(str(record["n"])),
            Entry(f"{record['candidates_complete']}/{record['candidates_total']}"),
        ]
        for metric in self.columns.shown:
            entries.append(self._metric(record, metric))
        entries.append(self._mean(record))
        if self.chosen_by is not None:
            entries.append(_choice_entry(record, self.chosen_by))
        if self.has_batches:
            entries.append(Entry(_number(100 * record[BATCHES], ".1f")))
        for metric in self.published:
            entries.append(_published_entry(record, metric))
        entries += _configuration(record)
        return tuple(entries)

    def _metric(self, record: Record, metric: Metric) -> Entry:
        value, (digits, of_interval) = metric.scale * record[column_name(metric)], _DIGITS[metric.scale]
        digits = 0 if metric.counts else digits
        detail = _interval(record, metric, of_interval)
        if metric in self.columns.ruled[:1] and not math.isnan(record.get(TAU, math.nan)):
            detail = f"(τ={record[TAU]:g})"
        entry = self._number(record, column_name(metric), f"{value:.{digits}f}", detail)
        if entry.text != MISSING and column_name(metric) in listed(record, UNRESOLVED):
            return replace(entry, unresolved=True, bold=False)
        return entry

    def _mean(self, record: Record) -> Entry:
        scale = self.columns.steering.scale
        text = f"{scale * record[self.mean]:.4f}"
        if not math.isnan(record[self.deviation]):  # of a single replicate there is none
            text += f" ± {scale * record[self.deviation]:.4f}"
        low, high = (scale * float(record[end]) for end in mean_interval_columns(self.columns.steering))
        detail = "" if math.isnan(low) else f"({low:.3f}–{high:.3f})"
        return self._number(record, self.mean, text, detail)

    def _number(self, record: Record, column: str, text: str, detail: str = "") -> Entry:
        value = float(record[column])
        if math.isnan(value):
            return Entry(MISSING)
        is_best = value == self.best[column] or column in listed(record, TIED)
        return Entry(text, bold=is_final(record) and is_best, detail=detail)


def _choice_entry(record: Record, metric: Metric) -> Entry:
    """The validation value of what the rule goes by; in brackets the same without its luck."""
    value, corrected = (metric.scale * float(record[column]) for column in CHOICE_COLUMNS)
    digits = _DIGITS[metric.scale][0]
    if math.isnan(value):
        return Entry(MISSING)
    detail = "" if math.isnan(corrected) else f"({corrected:.{digits}f})"
    return Entry(f"{value:.{digits}f}", detail=detail)


def listed(record: Record, column: str) -> list[str]:
    """The metrics' columns that a column of the frame names."""
    return str(record[column]).split("; ")


def _best(records: Sequence[Record], column: str, metric: Metric) -> float:
    """The best value of final rows; NaN where none says more than scores that know nothing would."""
    values = []
    for record in records:
        value = float(record[column])
        if is_final(record) and not math.isnan(value) and not metric.is_trivial(value):
            values.append(value)
    return max(values, key=metric.gain, default=math.nan)


def _has_spread(records: Sequence[Record], columns: TableColumns) -> bool:
    """Whether some row has a deviation over replicates, or none has a result."""
    mean, deviation = spread_columns(columns.steering)
    found = [record for record in records if not math.isnan(record[mean])]
    return not found or any(not math.isnan(record[deviation]) for record in found)


def _told_apart(settings: Sequence[Settings]) -> tuple[tuple[str, ...], str]:
    """The names of the settings in which these differ; those in which they agree, in words."""
    varying, shared = [], []
    for name in dict.fromkeys(name for one in settings for name in one):
        values = {one.get(name) for one in settings}
        if len(values) > 1:
            varying.append(name)
        else:
            shared.append(f"{name}={settings[0][name]}")
    return tuple(varying), ", ".join(shared)


def _settings_entry(settings: Settings, names: Sequence[str]) -> Entry:
    told = [f"{name}={settings[name]}" for name in names if name in settings]
    return Entry(", ".join(told) or MISSING)


def _configuration(record: Record) -> list[Entry]:
    """What was chosen: the loss, the constraint and its margin."""
    if not record["trial_id"]:
        return [Entry("missing"), Entry(MISSING), Entry(MISSING)]
    alm = str(record["alm_config"])
    if alm == "none":
        alm = MISSING
    return [Entry(str(record["loss_config"])), Entry(alm), Entry(_number(record["delta"], "g"))]


def _interval(record: Record, metric: Metric, digits: int) -> str:
    """The interval of a metric in brackets, "(0.931–0.972)"; "" where it is undefined."""
    low, high = (metric.scale * float(record[column]) for column in interval_columns(metric))
    if math.isnan(low):
        return ""
    return f"({low:.{digits}f}–{high:.{digits}f})"


def _comparison_row(
    records: Mapping[str, Record], metrics: Sequence[Metric], steering: Metric
) -> tuple[Entry, ...]:
    """A pair: `records` are its comparisons, by the column of the metric."""
    first = next(iter(records.values()))
    entries = [
        Entry(str(first["row"]), marked=not first["complete"]),
        Entry(str(first["seeds"])),
        Entry(f"{first['candidates_with']} / {first['candidates_without']}"),
    ]
    for metric in metrics:
        entries.append(_difference(records[column_name(metric)], metric))
    entries.append(_mean_difference(records[column_name(steering)], steering))
    remarks = dict.fromkeys(str(record["remark"]) for record in records.values() if record["remark"])
    entries.append(Entry("; ".join(remarks) or MISSING))
    return tuple(entries)


def _difference(record: Record, metric: Metric) -> Entry:
    """The difference of the ensembles, bold where it is significant; its interval and corrected p."""
    text = _signed(record["difference"], metric)
    if text == MISSING:
        return Entry(MISSING)
    details = []
    if not math.isnan(record["low"]):
        details.append(f"({_signed(record['low'], metric)} to {_signed(record['high'], metric)})")
    if not math.isnan(record["p_holm"]):
        details.append(f"p={record['p_holm']:.2g}")
    return Entry(
        text,
        bold=record["p_holm"] <= SIGNIFICANT,
        detail=" ".join(details),
        unresolved=not record["resolved"],
    )


def _mean_difference(record: Record, metric: Metric) -> Entry:
    """The mean over seeds, its interval, and in how many seeds the constraint is better."""
    text = _signed(record["mean_difference"], metric)
    if text == MISSING:
        return Entry(MISSING)
    details = []
    if not math.isnan(record["mean_low"]):
        details.append(f"({_signed(record['mean_low'], metric)} to {_signed(record['mean_high'], metric)})")
    details.append(f"{record['seeds_better']}/{record['seeds']} seeds")
    return Entry(text, detail=" ".join(details))


def _signed(value: float, metric: Metric) -> str:
    digits = _DIGITS[metric.scale][0]
    return _number(metric.scale * float(value), f"+.{digits}f")


def _number(value: float, form: str) -> str:
    if math.isnan(value):
        return MISSING
    return format(float(value), form)
