"""How operating points are laid out: a table per block, a row per true positive rate of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.render.document import MISSING, BlockTable, Document, Entry
from analysis.render.layout import by_block, with_words
from analysis.render.rows import Record, number
from analysis.statistics.operating import OF_GROUPS
from search_spaces.config import percent

_HEADER = ("Loss", "Class", "TPR asked (%)", "Threshold", "TP", "FP", "FN", "TN", "TPR (%)", "FPR (%)")
_CAPTION = (
    "The threshold of each true positive rate is fixed on validation, of the ensemble's scores, and applied "
    "to the test examples: the four counts, and the rates that this very threshold reaches, in brackets "
    "their 95 % intervals{how}. FPR of test ROC: the paper's, whose threshold is read off the test examples "
    "themselves. Precision and NPV: the share of right ones among those called positive and negative, {at}."
)
_DOUBLE_DAGGER = (
    "‡: not resolved, without interval: too few validation or test positives to tell that true positive rate "
    "from 100 %."
)


def operating_document(
    name: str, frame: pd.DataFrame, printed: Mapping[str, Sequence[str]], prevalence: float | None
) -> Document:
    """Operating points; `frame` as `analysis.operating_frame.operating_frame` gives it.

    printed      the classes that a block's table has, by the block's label; the CSV file has all
    prevalence   at which precision and NPV are told too
    """
    tables = []
    for block, records in by_block(frame).items():
        told = [record for record in records if record["class"] in printed[block]]
        header = [*_HEADER, "FPR of test ROC (%)", "Precision (%)", "NPV (%)"]
        if prevalence is not None:
            header += [f"{what} at {percent(prevalence)} %" for what in ("Precision", "NPV")]
        rows = [_row(record, asked=prevalence is not None) for record in told]
        table = BlockTable(block, tuple(header), tuple(rows))
        if len({str(record["class"]) for record in told}) == 1:
            table = table.without("Class")
        tables.append(table)
    at = "at the test examples' prevalence"
    if prevalence is not None:
        at += f", and at {percent(prevalence)} %"
    how = ", of whole groups that are drawn" if OF_GROUPS in set(frame["interval"]) else " (Clopper-Pearson)"
    title = f"Operating points of the sweep {name}"
    document = Document(
        name, title, _CAPTION.format(how=how, at=at), (), tuple(tables), kind="operating-points"
    )
    return with_words(document, _DOUBLE_DAGGER) if document.has_unresolved else document


def _row(record: Record, *, asked: bool) -> tuple[Entry, ...]:
    entries = [
        Entry(str(record["row"]), marked=not record["complete"]),
        Entry(str(record["class"])),
        Entry(percent(record["target_tpr"]), unresolved=bool(record["unresolved"])),
        Entry(number(record["threshold"], ".4f")),
    ]
    for name in ("true_positives", "false_positives", "false_negatives", "true_negatives"):
        entries.append(Entry(MISSING if pd.isna(record[name]) else str(record[name])))
    for rate in ("tpr", "fpr"):
        entries.append(_rate(record, rate))
    shares = ["roc_fpr", "precision", "negative_predictive_value"]
    if asked:
        shares += ["asked_precision", "asked_negative_predictive_value"]
    for name in shares:
        entries.append(Entry(number(100 * float(record[name]), ".2f")))
    return tuple(entries)


def _rate(record: Record, name: str) -> Entry:
    """A rate in per cent, its interval in brackets."""
    low, high = 100 * float(record[f"{name}_low"]), 100 * float(record[f"{name}_high"])
    detail = "" if math.isnan(low) else f"({low:.1f}–{high:.1f})"
    return Entry(number(100 * float(record[name]), ".2f"), detail=detail)
