"""The rows of a block's best-configuration table: numbers, their intervals, and which are bold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.render.document import MISSING, Entry
from analysis.table_columns import (
    BATCHES,
    CHOICE_COLUMNS,
    TAU,
    TIED,
    UNRESOLVED,
    TableColumns,
    column_name,
    each_column,
    interval_columns,
    mean_interval_columns,
    spread_columns,
)
from search_spaces.config import Metric

# Digits of a value, and of the ends of its interval, by the metric's scale.
DIGITS = {1.0: (4, 3), 100.0: (2, 1)}

Record = Mapping[Any, Any]  # a row of a frame


def has_batches(records: Sequence[Record]) -> bool:
    """Whether a row tells how many of its batches hold a critical example."""
    return any(not math.isnan(record.get(BATCHES, math.nan)) for record in records)


def _published_entry(record: Record, metric: Metric) -> Entry:
    """Published figures with as many digits as they were published with."""
    told = str(record[f"published_{metric.name}"])
    values = [f"{metric.scale * float(value):.6g}" for value in told.split("; ") if value]
    return Entry(" / ".join(values) or MISSING)


def is_final(record: Record) -> bool:
    """Whether the cell's choice is final and was made among trials that were all trained to their end."""
    return bool(record["complete"]) and not record["candidates_pruned"]


class RowWriter:
    """Writes the rows of one block's table; in bold what is best, or tied with it, of what is final."""

    def __init__(
        self,
        columns: TableColumns,
        records: Sequence[Record],
        published: tuple[Metric, ...],
        chosen_by: Metric | None,
    ) -> None:
        self.columns, self.published, self.chosen_by = columns, published, chosen_by
        self.has_batches = has_batches(records)
        self.mean, self.deviation = spread_columns(columns.steering)
        self.each = each_column(columns.steering)

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
            entries.append(Entry(number(100 * record[BATCHES], ".1f")))
        for metric in self.published:
            entries.append(_published_entry(record, metric))
        entries += _configuration(record)
        return tuple(entries)

    def _metric(self, record: Record, metric: Metric) -> Entry:
        value, (digits, of_interval) = metric.scale * record[column_name(metric)], DIGITS[metric.scale]
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
        each = [f"{scale * float(value):.3f}" for value in listed(record, self.each) if value]
        if each:
            detail = f"({', '.join(each)})"
        return self._number(record, self.mean, text, detail)

    def _number(self, record: Record, column: str, text: str, detail: str = "") -> Entry:
        value = float(record[column])
        if math.isnan(value):
            return Entry(MISSING)
        return Entry(text, bold=is_final(record) and column in listed(record, TIED), detail=detail)


def _choice_entry(record: Record, metric: Metric) -> Entry:
    """The validation value of what the rule goes by; in brackets the same without its luck, or epoch."""
    value, corrected, last = (metric.scale * float(record[column]) for column in CHOICE_COLUMNS)
    digits = DIGITS[metric.scale][0]
    if math.isnan(value):
        return Entry(MISSING)
    told = [] if math.isnan(corrected) else [f"{corrected:.{digits}f}"]
    if not math.isnan(last):
        told.append(f"last {last:.{digits}f}")
    return Entry(f"{value:.{digits}f}", detail=f"({', '.join(told)})" if told else "")


def listed(record: Record, column: str) -> list[str]:
    """The metrics' columns that a column of the frame names."""
    return str(record[column]).split("; ")


def _configuration(record: Record) -> list[Entry]:
    """What was chosen: the loss, the constraint and its margin."""
    if not record["trial_id"]:
        return [Entry("missing"), Entry(MISSING), Entry(MISSING)]
    alm = str(record["alm_config"])
    if alm == "none":
        alm = MISSING
    return [Entry(str(record["loss_config"])), Entry(alm), Entry(number(record["delta"], "g"))]


def _interval(record: Record, metric: Metric, digits: int) -> str:
    """The interval of a metric in brackets, "(0.931–0.972)"; "" where it is undefined."""
    low, high = (metric.scale * float(record[column]) for column in interval_columns(metric))
    if math.isnan(low):
        return ""
    return f"({low:.{digits}f}–{high:.{digits}f})"


def number(value: float, form: str) -> str:
    """The value in this form; a dash for NaN."""
    if math.isnan(value):
        return MISSING
    return format(float(value), form)
