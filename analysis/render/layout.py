"""How the best-configuration table is laid out: one table per block, whatever it is written as afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

MISSING = "–"

# Frame column -> True where higher is better; the best comparable cell of a block is set bold.
_BEST = {
    "auc": True,
    "fpr_at_tpr_98": False,
    "fpr_at_tpr_95": False,
    "fpr_at_tpr_90": False,
    "auc_mean": True,
}
_HEADER = (
    "Loss",
    "Replicates",
    "Candidates",
    "AUC",
    "FPR@98 (%)",
    "FPR@95 (%)",
    "FPR@90 (%)",
    "AUC mean ± std",
    "Loss config",
    "ALM config",
    "δ",
)
_TEXT_COLUMNS = ("Loss", "Loss config", "ALM config", "Settings", "Remark")
_CAPTION = (
    "Test scores averaged over replicates (the ensemble): AUC, and false positive rate in % at a true "
    "positive rate of at least 98, 95 and 90 %; in brackets 95 % intervals, a stratified bootstrap over test "
    "examples of these very networks; AUC mean ± standard deviation (ddof 0) over replicates. "
    "Candidates: complete / all."
)
_COMPARISON_CAPTION = (
    "Mean over seeds of the difference in test AUC, with the constraint minus without; 95 % percentile "
    "bootstrap interval over seeds and test examples; Wilcoxon's signed-rank test over seeds, two-sided, not "
    "corrected for the number of rows. The interval asks what other seeds and other test examples would "
    "give, p what other seeds would give on these test examples: one may exclude 0 and the other not. "
    "†: a cell of the row is incomplete or has pruned candidates."
)


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


def best_document(title: str, facts: tuple[str, ...], frame: pd.DataFrame) -> Document:
    """The best-configuration tables; `frame` as `analysis.tables.best_frame` gives it."""
    return Document(title, _CAPTION, facts, block_tables(frame))


def comparison_document(title: str, frame: pd.DataFrame) -> Document:
    """With against without the constraint; `frame` as `analysis.tables.comparison_frame` gives it."""
    header = ("Loss", "Pairs", "Δ AUC", "95 % interval", "p", "Remark")
    tables = []
    for block in frame["block"].drop_duplicates():
        records = frame[frame["block"] == block].to_dict("records")
        rows = tuple(_comparison_row(r) for r in records)
        tables.append(BlockTable(str(block), header, rows, ()))
    return Document(title, _COMPARISON_CAPTION, (), tuple(tables))


def _comparison_row(record: Mapping[Any, Any]) -> tuple[Entry, ...]:
    def number(column: str, form: str) -> str:
        return MISSING if math.isnan(record[column]) else format(float(record[column]), form)

    interval = f"{number('low', '+.4f')} to {number('high', '+.4f')}"
    return (
        Entry(str(record["row"]), marked=not record["complete"]),
        Entry(str(record["pairs"])),
        Entry(number("mean_difference", "+.4f")),
        Entry(MISSING if math.isnan(record["low"]) else interval),
        Entry(number("p_value", ".3g")),
        Entry(str(record["remark"]) or MISSING),
    )


def block_tables(frame: pd.DataFrame) -> tuple[BlockTable, ...]:
    """The frame of `analysis.tables.best_frame`, block by block, in its order."""
    has_settings = bool((frame["settings"] != "").any())
    header = (*_HEADER, "Settings") if has_settings else _HEADER
    tables = []
    for block in frame["block"].drop_duplicates():
        records = frame[frame["block"] == block].to_dict("records")
        best = {name: _best(records, name, higher) for name, higher in _BEST.items()}
        rows = tuple(_row(r, best, has_settings) for r in records)
        notes = tuple(
            Note(str(r["row"]), str(r["note"]), marked=not is_final(r)) for r in records if r["note"]
        )
        tables.append(BlockTable(str(block), header, rows, notes))
    return tuple(tables)


def _best(records: list[dict[Any, Any]], column: str, higher: bool) -> float:
    values = [float(r[column]) for r in records if is_final(r) and not math.isnan(r[column])]
    return (max(values) if higher else min(values)) if values else math.nan


def is_final(record: Mapping[Any, Any]) -> bool:
    """Whether the cell's choice is final and was made among trials that were all trained to their end."""
    return bool(record["complete"]) and not record["candidates_pruned"]


def _row(record: Mapping[Any, Any], best: Mapping[str, float], has_settings: bool) -> tuple[Entry, ...]:
    def number(column: str, text: str, detail: str = "") -> Entry:
        value = float(record[column])
        if math.isnan(value):
            return Entry(MISSING)
        return Entry(text, bold=is_final(record) and value == best[column], detail=detail)

    def rate(percent: int) -> Entry:
        column = f"fpr_at_tpr_{percent}"
        return number(column, f"{100 * record[column]:.2f}", _interval(record, column, 100, ".1f"))

    entries = [
        Entry(str(record["row"]), marked=not is_final(record)),
        Entry(str(record["n"])),
        Entry(f"{record['candidates_complete']}/{record['candidates_total']}"),
        number("auc", f"{record['auc']:.4f}", _interval(record, "auc", 1, ".3f")),
        *(rate(percent) for percent in (98, 95, 90)),
        number("auc_mean", f"{record['auc_mean']:.4f} ± {record['auc_std']:.4f}"),
    ]
    if record["trial_id"]:
        alm = MISSING if record["alm_config"] == "none" else str(record["alm_config"])
        margin = MISSING if math.isnan(record["delta"]) else f"{record['delta']:g}"
        entries += [Entry(str(record["loss_config"])), Entry(alm), Entry(margin)]
    else:
        entries += [Entry("missing"), Entry(MISSING), Entry(MISSING)]
    if has_settings:
        entries.append(Entry(str(record["settings"]) or MISSING))
    return tuple(entries)


def _interval(record: Mapping[Any, Any], column: str, scale: float, form: str) -> str:
    """The interval of a column in brackets, "(0.931–0.972)"; "" where it is undefined."""
    low, high = (scale * float(record[f"{column}_{end}"]) for end in ("low", "high"))
    return "" if math.isnan(low) else f"({low:{form}}–{high:{form}})"
