"""A sweep's report: tables, figures, notes and provenance in one HTML file that a person sends to another.

It opens from disk, and asks no network for anything. The same results give the same bytes.
"""

from __future__ import annotations

import base64
import json
import re

from analysis.cells import Cell
from analysis.crew import ALONE, Crew
from analysis.pictures import drawn_pictures, pictures
from analysis.render.html import Figures, Section, Shown, page
from analysis.tables import Tables, written

# Those that are seen at once; others are folded up.
_OPEN_TABLES = ("best", "comparisons")
_OPEN_FIGURES = ("table", "effect")
# By a figure's name without its number, in the order of the page. Others follow.
_KINDS = {
    "table": "The table as a picture",
    "effect": "The constraint's effect over all pairs of rows",
    "ranks": "Mean ranks over data sets",
    "roc": "ROC curves on test",
    "reliability": "Reliability on test",
    "landscape": "Candidates by margin and penalty, on validation",
    "epochs": "The constraint over epochs",
    "importance": "Which settings decide",
    "precision-recall": "Precision and recall of each label",
    "co-occurrence": "Labels that stand together",
    "recall": "Recall of each class",
    "confusion": "Decisions on test",
    "classes": "Classes and samplers",
}
# What tells files of one kind apart.
_NUMBER = re.compile(r"-([0-9a-f]{16}|[0-9]+)$")
_SOURCES = ("Block", "Row", "Trial", "Replicates", "Candidates", "Decided by", "Data", "Commits")


def report(tables: Tables, sweep: str, *, log_fpr: bool = False, crew: Crew = ALONE) -> str:
    """The report as HTML; `log_fpr` and `crew` as `analysis.pictures.write_figures` takes them."""
    sections = []
    for table in written(tables, sweep):
        if table.document is not None and (table.document.tables or table.document.facts):
            sections.append(Section(table.name, table.document, table.name in _OPEN_TABLES))
    sources = _SOURCES, [_source(cell) for cell in tables.cells]
    provenance = json.dumps(tables.provenance, indent=1, allow_nan=False, ensure_ascii=False)
    figures = _figures(tables, crew, log_fpr=log_fpr)
    return page(f"Report of the sweep {sweep}", tables.document.facts, sections, figures, sources, provenance)


def _figures(tables: Tables, crew: Crew, *, log_fpr: bool) -> list[Figures]:
    """All figures, by their kind."""
    kinds: dict[str, list[Shown]] = {kind: [] for kind in _KINDS}
    for picture, drawn in drawn_pictures(pictures(tables, log_fpr=log_fpr, crew=crew), crew):
        encoded = base64.b64encode(drawn.svg).decode()
        kind = _NUMBER.sub("", picture.name)
        kinds.setdefault(kind, []).append(Shown(picture.title, encoded))
    found = []
    for kind, shown in kinds.items():
        if shown:
            title = _KINDS.get(kind, kind[0].upper() + kind[1:])
            found.append(Figures(title, tuple(shown), kind in _OPEN_FIGURES))
    return found


def _source(cell: Cell) -> tuple[str, ...]:
    """A cell's way back to its trial, in words."""
    sources = () if cell.chosen is None else cell.chosen.sources
    return (
        cell.block,
        cell.row,
        cell.chosen_id or "none",
        f"{cell.found}/{cell.expected}",
        f"{cell.candidates_complete}/{len(cell.candidates)}",
        cell.decided_by,
        ", ".join(sorted({source.data_sha256[:12] for source in sources})),
        ", ".join(sorted({source.commit[:12] for source in sources})),
    )
