"""How the best-configuration table is laid out: one table per block, whatever it is written as afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from analysis.render.captions import (
    BATCHES_CAPTION,
    best_caption,
    published_caption,
    unresolved_caption,
)
from analysis.render.document import (
    BEST_ALONE,
    BEST_OR_TIED,
    CONFIGURATION,
    COUNTS,
    MISSING,
    TRIAL,
    BlockTable,
    Document,
    Entry,
    Note,
)
from analysis.render.rows import Record, RowWriter, has_batches, is_final
from analysis.table_columns import (
    BATCHES,
    PUBLISHED_COLUMNS,
    SCORED_LAST,
    TableColumns,
    column_name,
    spread_columns,
)
from search_spaces.config import Metric
from search_spaces.config.metrics import accuracy, macro_f1

_SOURCE, _BATCHES = PUBLISHED_COLUMNS[-1], "Critical batches (%)"

Settings = Mapping[str, str]  # value by dotted name


def best_document(
    name: str,
    facts: tuple[str, ...],
    frame: pd.DataFrame,
    columns: Mapping[str, TableColumns],
    settings: Mapping[str, Settings],
    ids: Mapping[str, str],
    chosen_by: Mapping[str, Metric],
    *,
    is_drawn: bool = True,
) -> Document:
    """The best-configuration tables of the sweep `name`.

    frame      as `analysis.frames.best_frame` gives it
    columns    the metrics that a block's table shows, by the block's label
    settings   what may differ beside loss and constraint, by the chosen trial's id
    ids        the short form of a trial's id
    chosen_by  what the selection rule of a block goes by; nothing of blocks in which nothing is selected
    is_drawn   whether test examples were drawn, for intervals and ties
    """
    tables = block_tables(frame, columns, settings, ids, chosen_by)
    title = f"Best configurations of the sweep {name}"
    caption = best_caption(
        columns.values(),
        is_drawn=is_drawn,
        is_selected=bool(chosen_by),
        tells_last=bool(frame[SCORED_LAST].notna().any()),
    )
    meaning = BEST_OR_TIED if is_drawn else BEST_ALONE
    document = Document(name, title, caption, facts, tables, bold_meaning=meaning)
    if document.has_unresolved:
        document = with_words(document, unresolved_caption(columns.values()))
    if BATCHES in frame:
        document = with_words(document, BATCHES_CAPTION)
    if _SOURCE in frame:
        document = with_words(document, published_caption(filter(None, frame[_SOURCE])))
    return document


def with_words(document: Document, words: str) -> Document:
    """The document with more words in its caption."""
    return replace(document, caption=f"{document.caption} {words}")


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
        of_batches = [_BATCHES] if has_batches(records) else []
        of_choice = [f"Val. {chosen_by[block].header}"] if block in chosen_by else []
        header = ["Loss", *COUNTS, *of_metrics, spread, *of_choice, *of_batches, *figures, *CONFIGURATION]
        writer = RowWriter(of_block, records, tuple(figures.values()), chosen_by.get(block))
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


def _published(records: Sequence[Record]) -> dict[str, Metric]:
    """The headers of the published figures that rows of a block have, and the metrics that these are."""
    found = {}
    for metric in (macro_f1(), accuracy()):
        column = f"published_{metric.name}"
        if any(record.get(column, "") for record in records):
            found[f"Published {metric.header[0].lower()}{metric.header[1:]}"] = metric
    return found


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


def _notes(records: Sequence[Record]) -> tuple[Note, ...]:
    notes = []
    for record in records:
        if record["note"]:
            notes.append(Note(str(record["row"]), str(record["note"]), marked=not is_final(record)))
    return tuple(notes)


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
