"""How the comparison with and without the constraint is laid out: a table per block, a row per pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.render.captions import comparison_caption, unresolved_caption
from analysis.render.document import COUNTS, MISSING, BlockTable, Document, Entry
from analysis.render.layout import by_block, with_words
from analysis.render.rows import DIGITS, Record, number
from analysis.statistics.comparison import SIGNIFICANT
from analysis.table_columns import TableColumns, column_name
from search_spaces.config import Metric


def comparison_document(
    name: str, facts: tuple[str, ...], frame: pd.DataFrame, columns: Mapping[str, TableColumns]
) -> Document:
    """With against without the constraint; `frame` as `analysis.comparison_frame.comparison_frame` gives it.

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
    document = Document(name, title, caption, facts, tuple(tables), bold_meaning="", kind="comparisons")
    if document.has_unresolved:
        document = with_words(document, unresolved_caption(columns.values()))
    return document


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
    text = signed(record["difference"], metric)
    if text == MISSING:
        return Entry(MISSING)
    details = []
    if not math.isnan(record["low"]):
        details.append(f"({signed(record['low'], metric)} to {signed(record['high'], metric)})")
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
    text = signed(record["mean_difference"], metric)
    if text == MISSING:
        return Entry(MISSING)
    details = []
    if not math.isnan(record["mean_low"]):
        details.append(f"({signed(record['mean_low'], metric)} to {signed(record['mean_high'], metric)})")
    details.append(f"{record['seeds_better']}/{record['seeds']} seeds")
    return Entry(text, detail=" ".join(details))


def signed(value: float, metric: Metric) -> str:
    """A difference in a metric with its sign, as many digits as the metric has in a table."""
    digits = DIGITS[metric.scale][0]
    return number(metric.scale * float(value), f"+.{digits}f")
