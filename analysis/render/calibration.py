"""How the calibration of ensembles is laid out: a table per block, a row per class of each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.render.document import MISSING, BlockTable, Document, Entry
from analysis.render.layout import by_block, with_words
from analysis.render.rows import Record, number
from analysis.statistics.calibration import NONE, OFFSET, PLATT

_METHODS = {NONE: "as it is", OFFSET: "offset", PLATT: "Platt"}
_CAPTION = (
    "Probabilities of the ensemble on test: as its scores have them; after an offset; after Platt scaling "
    "(slope and offset), both fitted on validation and right for its share of positives. Brier score: mean "
    "squared difference of probability and truth. ECE: expected calibration error of the decisions at "
    f"probability 0.5. Less is better. {MISSING}: the loss's score is no logit."
)
_DOUBLE_DAGGER = "‡: fitted on too few validation positives to be sure of."


def calibration_document(name: str, frame: pd.DataFrame, printed: Mapping[str, Sequence[str]]) -> Document:
    """Calibration before and after; `frame` as `analysis.calibration_frame.calibration_frame` gives it.

    `printed` are the classes that a block's table has, by the block's label; the CSV file has all.
    """
    header = ["Loss", "Class"]
    header += [f"Brier {words}" for words in _METHODS.values()]
    header += [f"ECE {words} (%)" for words in _METHODS.values()]
    header += ["Offset alone", "Platt slope", "Platt offset"]
    tables = []
    for block, records in by_block(frame).items():
        of_class: dict[tuple[str, str], dict[str, Record]] = {}
        for record in records:
            if record["class"] in printed[block]:
                key = str(record["row"]), str(record["class"])
                of_class.setdefault(key, {})[str(record["calibration"])] = record
        rows = [_row(by_method) for by_method in of_class.values()]
        table = BlockTable(block, tuple(header), tuple(rows))
        if len({name for _, name in of_class}) == 1:
            table = table.without("Class")
        tables.append(table)
    title = f"Calibration in the sweep {name}"
    document = Document(name, title, _CAPTION, (), tuple(tables), kind="calibration")
    return with_words(document, _DOUBLE_DAGGER) if document.has_unresolved else document


def _row(by_method: Mapping[str, Record]) -> tuple[Entry, ...]:
    first = next(iter(by_method.values()))
    entries = [Entry(str(first["row"]), marked=not first["complete"]), Entry(str(first["class"]))]
    for column, scale, form in (("brier", 1, ".4f"), ("calibration_error", 100, ".2f")):
        for method in _METHODS:
            entries.append(_entry(by_method.get(method), column, scale, form))
    entries.append(_entry(by_method.get(OFFSET), "offset", 1, "+.3f"))
    entries.append(_entry(by_method[PLATT], "slope", 1, ".3f"))
    entries.append(_entry(by_method[PLATT], "offset", 1, "+.3f"))
    return tuple(entries)


def _entry(record: Record | None, column: str, scale: int, form: str) -> Entry:
    if record is None:
        return Entry(MISSING)
    text = number(scale * float(record[column]), form)
    return Entry(text, unresolved=bool(record["unresolved"]) and text != MISSING)
