"""The laid-out tables as plain text for a terminal. The same input gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.render.document import BlockTable, Document, Entry
from analysis.render.escape import single_line, text_width
from analysis.render.folding import folded
from analysis.render.parts import parts

_GAP = "  "
_LEAST = 10  # a column of text is folded to no less

_Lines = list[str]


def plain(document: Document, limit: int | None = None) -> str:
    """Aligned columns, an asterisk behind the best complete value.

    A table wider than `limit` characters comes in parts, one below the other: what is best first, then what
    is of single classes, then what was chosen. Long labels and sentences are folded. None: as wide as it is.
    """
    lines = [*folded(document.title, limit), ""]
    for table in document.tables:
        lines += folded(table.title, limit)
        if table.shared:
            lines += folded(table.shared_words, limit)
        lines += _aligned(table, limit)
        for note in table.notes:
            dagger = "† " if note.marked else ""
            lines += folded(dagger + note.said, limit)
        lines.append("")
    lines += folded(document.caption, limit)
    if document.has_bold and document.bold_meaning:
        lines += folded(f"* {document.bold_meaning}", limit)
    for fact in document.facts:
        lines += folded(fact, limit)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Column:
    """A column's header and the cell of each row, all of them as lines."""

    header: _Lines
    cells: list[_Lines]
    is_text: bool

    @cached_property
    def width(self) -> int:
        """Of the longest line."""
        lines = list(self.header)
        for cell in self.cells:
            lines += cell
        return max(map(text_width, lines), default=0)

    def padded(self, text: str) -> str:
        """The text filled up to the column's width."""
        space = " " * (self.width - text_width(text))
        return text + space if self.is_text else space + text


def _aligned(table: BlockTable, limit: int | None) -> _Lines:
    """The table, whole or part by part. Numbers stay aligned under each other, digit by digit."""
    columns = _columns(table)
    if limit is not None and _width(columns) > limit:
        columns = _narrowed(columns, limit)
    room = math.inf if limit is None else limit
    lines: _Lines = []
    for part in parts(table, [column.width for column in columns], len(_GAP), room):
        if lines:
            lines.append("")
        lines += _drawn([columns[number] for number in part])
    return lines


def _drawn(columns: Sequence[_Column]) -> _Lines:
    """The header, a rule and the rows."""
    lines = _row([column.header for column in columns], columns, at_bottom=True)
    lines.append(_GAP.join("─" * column.width for column in columns))
    for cells in zip(*(column.cells for column in columns), strict=True):
        lines += _row(cells, columns)
    return lines


def _row(cells: Sequence[_Lines], columns: Sequence[_Column], *, at_bottom: bool = False) -> _Lines:
    """The lines of one row; cells of fewer lines stand at its top, or at its bottom."""
    height = max(map(len, cells))
    filled = []
    for cell in cells:
        empty = [""] * (height - len(cell))
        filled.append([*empty, *cell] if at_bottom else [*cell, *empty])
    lines = []
    for texts in zip(*filled, strict=True):
        padded = [column.padded(text) for column, text in zip(columns, texts, strict=True)]
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _columns(table: BlockTable) -> list[_Column]:
    """Every column, a line per cell."""
    columns = []
    for number, name in enumerate(table.header):
        entries = [row[number] for row in table.rows]
        starred = any(entry.bold for entry in entries)
        longest = max((text_width(entry.detail) for entry in entries), default=0)
        signed = not table.is_text(number) and any(entry.signs for entry in entries)
        cells = [[_text(entry, starred, signed, longest)] for entry in entries]
        columns.append(_Column([single_line(name)], cells, table.is_text(number)))
    return columns


def _narrowed(columns: Sequence[_Column], limit: int) -> list[_Column]:
    """The columns with headers and texts folded: labels to a third of the line, others to what is left.

    So are numbers whose details alone are longer.
    """
    narrow: list[_Column] = []
    for number, column in enumerate(columns):
        room = limit // 3 if number == 0 else limit - narrow[0].width - len(_GAP)
        cells = column.cells
        if column.is_text or column.width > room:
            cells = [folded(text.strip(), max(room, _LEAST)) for (text,) in cells]
        within = max((text_width(line) for cell in cells for line in cell), default=0)
        (name,) = column.header
        words = [text_width(word) for word in name.split()]
        narrow.append(_Column(folded(name, max(within, *words)), cells, column.is_text))
    return narrow


def _text(entry: Entry, starred: bool, signed: bool, longest: int) -> str:
    """The entry's text; in a column that holds a star, others get a space, so that digits stay aligned.

    Likewise in a column of numbers of which some are `signed`. For the same reason a detail is filled up to
    the column's `longest`.
    """
    text = single_line(entry.text)
    if starred:
        text += "*" if entry.bold else " "
    if entry.signs:
        text += f" {entry.signs}"
    elif signed:
        text += "  "
    if longest:
        text += f" {single_line(entry.detail):{longest}}"
    return text
