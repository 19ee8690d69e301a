"""How the constraint's effect across blocks, and the rows' mean ranks, are laid out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.render.comparisons import signed
from analysis.render.document import MISSING, BlockTable, Document, Entry, Note
from analysis.render.rows import Record, number
from analysis.table_columns import column_name
from search_spaces.config import Metric

_ACROSS = (
    "The constraint's effect on test over all blocks with a row with and without it, of single networks. "
    "Interquartile mean: of the differences of all replicates, with the constraint minus without, but for "
    "the lowest and the highest quarter. Probability of improvement: that a replicate with the constraint is "
    "better than one without, equal ones counted half, mean over pairs (Agarwal et al. 2021). In brackets "
    "95 % intervals; then how many blocks."
)
_RANKS = (
    "Mean ranks of the rows on test, 1 is best: in each block by the ensembles, equal values share their "
    "ranks; mean over the blocks of a data set, and then over data sets."
)


def across_document(
    name: str, facts: Sequence[str], frame: pd.DataFrame, metrics: Sequence[Metric]
) -> Document:
    """Both numbers, a table each; `frame` as `analysis.across_frame.across_frame` gives it.

    Metrics without a value in any row are left out: `facts` say why.
    """
    shown = _with_values(frame, "difference", metrics)
    rows = _by_row(frame)
    differences, shares = [], []
    for row, records in rows.items():
        of_row = [records.get(column_name(metric)) for metric in shown]
        entries = [_difference(record, metric) for record, metric in zip(of_row, shown, strict=True)]
        differences.append((Entry(row), *entries))
        shares.append((Entry(row), *map(_share, of_row)))
    tables: tuple[BlockTable, ...] = ()
    if shown:
        header = ("Loss", *(f"Δ {metric.header}" for metric in shown))
        notes = _notes(rows, shown)
        # Of a probability the header has no unit: it is none of the metric's.
        of_shares = ("Loss", *(metric.header.removesuffix(" (%)") for metric in shown))
        tables = (
            BlockTable("Interquartile mean of differences", header, tuple(differences), notes),
            BlockTable("Probability of improvement", of_shares, tuple(shares)),
        )
    title = f"With and without the constraint across blocks of the sweep {name}"
    return Document(name, title, _ACROSS, tuple(facts), tables, bold_meaning="", kind="across")


def ranks_document(
    name: str, facts: Sequence[str], frame: pd.DataFrame, metrics: Sequence[Metric]
) -> Document:
    """Mean ranks; `frame` as `analysis.rank_frame.rank_frame` gives it.

    Metrics in which no row is ranked are left out: `facts` say why.
    """
    shown = _with_values(frame, "mean_rank", metrics)
    rows = _by_row(frame)
    told = []
    for row, records in rows.items():
        entries = [_rank(records.get(column_name(metric))) for metric in shown]
        told.append((Entry(row), *entries))
    tables: tuple[BlockTable, ...] = ()
    if shown:
        header = ("Loss", *(metric.header.removesuffix(" (%)") for metric in shown))
        tables = (BlockTable("Mean ranks", header, tuple(told), _notes(rows, shown)),)
    title = f"Mean ranks over the data sets of the sweep {name}"
    return Document(name, title, _RANKS, tuple(facts), tables, bold_meaning="", kind="ranks")


def _with_values(frame: pd.DataFrame, column: str, metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics of which some row has a value."""
    have = set(frame.loc[frame[column].notna(), "metric"])
    return [metric for metric in metrics if column_name(metric) in have]


def _by_row(frame: pd.DataFrame) -> dict[str, dict[str, Record]]:
    """The records of each row, by the column of the metric."""
    found: dict[str, dict[str, Record]] = {}
    for record in frame.to_dict("records"):
        found.setdefault(str(record["row"]), {})[str(record["metric"])] = record
    return found


def _notes(rows: Mapping[str, Mapping[str, Record]], metrics: Sequence[Metric]) -> tuple[Note, ...]:
    """Why a row has no value, or no interval, in which metrics."""
    notes = []
    for row, records in rows.items():
        reasons: dict[str, list[str]] = {}
        for metric in metrics:
            record = records.get(column_name(metric))
            if record is not None and record["remark"]:
                reasons.setdefault(str(record["remark"]), []).append(metric.header)
        for reason, headers in reasons.items():
            notes.append(Note(row, f"{', '.join(headers)}: {reason}", marked=False))
    return tuple(notes)


def _difference(record: Record | None, metric: Metric) -> Entry:
    if record is None or math.isnan(record["difference"]):
        return Entry(MISSING)
    ends = [signed(record[end], metric) for end in ("difference_low", "difference_high")]
    return Entry(signed(record["difference"], metric), detail=_detail(record, ends))


def _rank(record: Record | None) -> Entry:
    return Entry(MISSING if record is None else number(float(record["mean_rank"]), ".2f"))


def _share(record: Record | None) -> Entry:
    if record is None or math.isnan(record["improvement"]):
        return Entry(MISSING)
    ends = [number(float(record[end]), ".2f") for end in ("improvement_low", "improvement_high")]
    return Entry(number(float(record["improvement"]), ".2f"), detail=_detail(record, ends))


def _detail(record: Record, ends: Sequence[str]) -> str:
    """The interval, where there is one, and in how many blocks."""
    interval = "" if MISSING in ends else f"({ends[0]} to {ends[1]}) "
    return f"{interval}{record['blocks']} blocks"
