"""The laid-out tables as LaTeX `table` environments that fit the text of an article.

The same input gives the same bytes, and these are ASCII. A table comes in parts that are at most as wide as
the text, each with the rows' labels; parts that are too high together stand in floats of their own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.render.document import MISSING, TRIAL, BlockTable, Document, Entry
from analysis.render.escape import latex_breakable, latex_text, single_line
from analysis.render.parts import parts
from analysis.render.points import entry_points, points

_TEXT_WIDTH, _GAP = 345.0, 4.0  # points: of article with paper of any size, and between two columns
_LABEL, _WORDS = 84.0, 120.0  # the widest column of labels, of other text
_FLOAT_LINES = 46  # of 8 points, in a float beside its caption

# Sizes in points, as widths are reckoned in them, whatever the document's are.
_SET = (
    r"\sloppy\centering\setlength{\tabcolsep}{2pt}",
    r"\renewcommand{\scriptsize}{\fontsize{7}{8}\selectfont}\fontsize{8}{9.5}\selectfont",
)
_HEAD = (
    "Needs in the preamble, with pdfLaTeX, XeLaTeX or LuaLaTeX:",
    r"\usepackage{booktabs}",
    "At most 345 pt wide, the text of article in one column; ASCII, so of any input encoding.",
    "A letter that pdfLaTeX's own fonts lack stands as its code point, such as U+80BA.",
)


@dataclass(frozen=True)
class _Column:
    """A column: its header's lines, its entries and how long each of them is, its own width; in points."""

    header: list[str]
    entries: list[Entry]
    lengths: list[float]
    width: float
    is_text: bool


@dataclass(frozen=True)
class _Piece:
    """Lines of LaTeX and about how many lines of text they set."""

    latex: tuple[str, ...]
    height: float


def latex(document: Document) -> str:
    """LaTeX `table` environments, a caption and a label on each; needs the package booktabs.

    The label of a block's first float is tab:SWEEP-BLOCK, of its next ones tab:SWEEP-BLOCK-2 ...; of other
    tables than the best ones tab:SWEEP-KIND-BLOCK.
    """
    lines = [f"% {latex_text(document.title)}"]
    for fact in document.facts:
        lines.append(f"% {latex_text(fact)}")
    lines += [f"% {words}" for words in _HEAD]
    used: set[str] = set()
    for table in document.tables:
        lines += _trials(table)
    for table in map(_printed, document.tables):
        label = _label(f"{document.name} {document.kind}", table.title, used)
        shared = f" {table.shared_words}" if table.shared else ""
        caption = f"{table.title}.{shared} {document.full_caption}"
        lines += _floats(_pieces(table, _caption_lines(caption)), table.title, caption, label)
    return "\n".join(lines) + "\n"


def _printed(table: BlockTable) -> BlockTable:
    """What is set of a table: ids of trials are for who looks into the file."""
    return table.without(TRIAL)


def _trials(table: BlockTable) -> list[str]:
    """A comment for each row that names the chosen trial."""
    if TRIAL not in table.header:
        return []
    place, lines = table.header.index(TRIAL), []
    for row in table.rows:
        if row[place].text != MISSING:
            lines.append(f"% trial of {latex_text(f'{table.title}, {row[0].text}')}: {row[place].text}")
    return lines


def _label(sweep: str, block: str, used: set[str]) -> str:
    """A name to refer to, of letters that no package gives a meaning, and not in use yet."""
    words = [re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") for text in (sweep, block)]
    label = f"tab:{'-'.join(filter(None, words))}"
    if label in used or not words[1]:
        label = f"{label.rstrip(':')}-block-{len(used) + 1}"
    used.add(label)
    return label


def _floats(pieces: Sequence[_Piece], title: str, caption: str, label: str) -> list[str]:
    """The pieces in as many floats as they need."""
    floats: list[list[_Piece]] = []
    left = 0.0
    for piece in pieces:
        if not floats or piece.height > left:
            floats.append([])
            left = _FLOAT_LINES - (_caption_lines(caption) if len(floats) == 1 else 2)
        floats[-1].append(piece)
        left -= piece.height
    lines = []
    for number, held in enumerate(floats, start=1):
        lines += [r"\begin{table}", *_SET]
        told, name = caption, label
        if number > 1:
            told, name = f"{title}, continued.", f"{label}-{number}"
        lines.append(rf"\caption[{latex_text(title)}]{{{latex_breakable(told)}}}")
        lines.append(rf"\label{{{name}}}\par\medskip")
        for piece in held:
            lines += piece.latex
        lines.append(r"\end{table}")
    return lines


def _caption_lines(caption: str) -> float:
    """How high a caption is, in lines of a table."""
    return len(caption) / 65 * 1.3


def _pieces(table: BlockTable, caption_lines: float) -> list[_Piece]:
    """The parts of a table, of no more rows than a page takes beside the caption, then its notes."""
    most = _FLOAT_LINES - max(16, caption_lines + 4)  # 4 of the header and the rules
    measured = _measured(table)
    pieces = []
    for numbers in parts(table, [column.width for column in measured], _GAP, _TEXT_WIDTH):
        columns = [measured[number] for number in numbers]
        heights = [_row_height(columns, row) for row in range(len(table.rows))]
        of_header = max(len(column.header) for column in columns)
        for rows in _pages(heights, most):
            height = sum(heights[row] for row in rows) + of_header + 2
            pieces.append(_Piece(tuple(_tabular(columns, rows)), height))
    for note in table.notes:
        dagger = r"$^\dagger$ " if note.marked else ""
        text = rf"{{\raggedright {dagger}{latex_breakable(note.said)}\par}}"
        pieces.append(_Piece((text,), math.ceil(points(note.said) / (0.9 * _TEXT_WIDTH))))
    return pieces


def _pages(heights: Sequence[float], most: float) -> list[list[int]]:
    """Numbers of rows, as many together as are at most so high; one at least."""
    pages: list[list[int]] = [[]]
    height = 0.0
    for row, of_row in enumerate(heights):
        if pages[-1] and height + of_row > most:
            pages.append([])
            height = 0.0
        pages[-1].append(row)
        height += of_row
    return pages


def _tabular(columns: Sequence[_Column], rows: Iterable[int]) -> list[str]:
    kinds, header = "", []
    for column in columns:
        kinds += f"p{{{column.width:.0f}pt}}" if column.is_text else "r"
        words = [latex_text(line) for line in column.header]
        stacked = r"\\".join(words)
        header.append(rf"\shortstack[r]{{{stacked}}}" if len(words) > 1 else stacked)
    lines = [rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}", r"\toprule", _line(header), r"\midrule"]
    for row in rows:
        lines.append(_line(_entry(column.entries[row], is_text=column.is_text) for column in columns))
    return [*lines, r"\bottomrule", r"\end{tabular}\par\medskip"]


def _entry(entry: Entry, *, is_text: bool) -> str:
    text = latex_breakable(entry.text) if is_text else latex_text(entry.text)
    if entry.bold:
        text = rf"\textbf{{{text}}}"
    text += latex_text(entry.signs)
    if entry.detail:
        text += rf"\,{{\scriptsize {latex_text(entry.detail)}}}"
    return rf"\raggedright {text}" if is_text else text


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \tabularnewline"


def _measured(table: BlockTable) -> list[_Column]:
    """Every column; text is set in one of at most _LABEL or _WORDS, numbers in one as wide as they are."""
    columns = []
    for number, name in enumerate(table.header):
        is_text, entries = table.is_text(number), [row[number] for row in table.rows]
        lengths = list(map(entry_points, entries))
        body = max(lengths, default=0.0)
        header = _header_lines(name, body, is_text=is_text)
        width = max(body, *map(points, header))
        if is_text:
            width = min(width + 1, _LABEL if number == 0 else _WORDS)
        columns.append(_Column(header, entries, lengths, width, is_text))
    return columns


def _header_lines(name: str, body: float, *, is_text: bool) -> list[str]:
    """A column's name, over numbers a word a line where it is wider than they are."""
    line = single_line(name)
    if is_text or points(line) <= body:
        return [line]
    return line.split()


def _row_height(columns: Iterable[_Column], row: int) -> int:
    """In lines: text that is wider than its column takes several."""
    lines = 1
    for column in columns:
        length = column.lengths[row]
        if length > column.width:
            lines = max(lines, math.ceil(length / (0.8 * column.width)))
    return lines
