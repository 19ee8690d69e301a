"""The laid-out tables as LaTeX `table` environments that fit the text of an article.

The same input gives the same bytes, and these are ASCII. A table comes in parts that are at most as wide as
the text, each with the rows' labels; parts that are too high together stand in floats of their own. Widths
are reckoned from the letters of Computer Modern, which are wider than those of most fonts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.render.document import MISSING, TRIAL, BlockTable, Document, Entry
from analysis.render.escape import latex_breakable, latex_text, single_line
from analysis.render.parts import parts

_TEXT_WIDTH, _GAP = 345.0, 4.0  # points: of article with paper of any size, and between two columns
_LABEL, _WORDS = 84.0, 120.0  # the widest column of labels, of other text
_FLOAT_LINES = 46  # of 8 points, in a float beside its caption
_BOLD, _SMALL = 1.153, 0.945  # against letters of normal weight, and of the intervals against the values

# Widths of characters in points, measured in Computer Modern of 8 points; others are as wide as a digit.
_DIGIT, _THIN_SPACE = 4.26, 1.42
_LETTERS = {
    2.37: "!',.:;[]`il",
    2.61: "fj",
    2.84: " -",
    3.08: "I",
    3.36: "()rts_",
    3.79: "cez",
    4.5: "kqvxy",
    4.74: "Sbdhnpu",
    5.31: "ZL",
    5.79: "FEP",
    6.14: "BCTw",
    6.5: "RAHNUVXYD",
    6.7: "&+=@KOQG±<>|×≥≤",
    7.1: "#%m",
    7.8: "M",
    8.7: "W…—→",
}
_WIDTHS = {letter: width for width, letters in _LETTERS.items() for letter in letters}
_POINT_CODE = 36.0  # "U+80BA "

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
class _Piece:
    """Lines of LaTeX and about how many lines of text they set."""

    latex: tuple[str, ...]
    height: float


def latex(document: Document) -> str:
    """LaTeX `table` environments, a caption and a label on each; needs the package booktabs.

    The label of a block's first float is tab:SWEEP-BLOCK, of its next ones tab:SWEEP-BLOCK-2 ...
    """
    lines = [f"% {latex_text(document.title)}"]
    for fact in document.facts:
        lines.append(f"% {latex_text(fact)}")
    lines += [f"% {words}" for words in _HEAD]
    used: set[str] = set()
    for table in document.tables:
        lines += _trials(table)
    for table in map(_printed, document.tables):
        label = _label(document.name, table.title, used)
        shared = f" {table.shared_words}" if table.shared else ""
        caption = f"{table.title}.{shared} {document.full_caption}"
        lines += _floats(_pieces(table), table.title, caption, label)
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
            caption_lines = len(caption) / 65 * 1.3 if len(floats) == 1 else 2
            left = _FLOAT_LINES - caption_lines
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


def _pieces(table: BlockTable) -> list[_Piece]:
    """The parts of a table, of no more rows than a page takes, then its notes."""
    widths = [_column_width(table, column) for column in range(len(table.header))]
    pieces = []
    for columns in parts(table, widths, _GAP, _TEXT_WIDTH):
        heights = [_row_height(row, columns, widths) for row in table.rows]
        for rows in _pages(heights, _FLOAT_LINES - 16):
            latex_lines = _tabular(table, columns, widths, rows)
            height = sum(heights[row] for row in rows) + _header_height(table, columns) + 2
            pieces.append(_Piece(tuple(latex_lines), height))
    for note in table.notes:
        dagger = r"$^\dagger$ " if note.marked else ""
        text = rf"{{\raggedright {dagger}{latex_breakable(note.said)}\par}}"
        pieces.append(_Piece((text,), math.ceil(_width(note.said) / (0.9 * _TEXT_WIDTH))))
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


def _tabular(
    table: BlockTable, columns: Sequence[int], widths: Sequence[float], rows: Iterable[int]
) -> list[str]:
    kinds = ""
    for column in columns:
        kinds += f"p{{{widths[column]:.0f}pt}}" if table.is_text(column) else "r"
    lines = [rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}", r"\toprule"]
    header = []
    for column in columns:
        words = [latex_text(line) for line in _header_lines(table, column)]
        stacked = r"\\".join(words)
        header.append(rf"\shortstack[r]{{{stacked}}}" if len(words) > 1 else stacked)
    lines += [_line(header), r"\midrule"]
    for row in rows:
        entries = []
        for column in columns:
            entries.append(_entry(table.rows[row][column], is_text=table.is_text(column)))
        lines.append(_line(entries))
    return [*lines, r"\bottomrule", r"\end{tabular}\par\medskip"]


def _entry(entry: Entry, *, is_text: bool) -> str:
    text = latex_breakable(entry.text) if is_text else latex_text(entry.text)
    if entry.bold:
        text = rf"\textbf{{{text}}}"
    if entry.marked:
        text += r"$^\dagger$"
    if entry.detail:
        text += rf"\,{{\scriptsize {latex_text(entry.detail)}}}"
    return rf"\raggedright {text}" if is_text else text


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \tabularnewline"


def _header_lines(table: BlockTable, column: int) -> list[str]:
    """A column's name, over numbers a word a line where it is wider than they are."""
    name = single_line(table.header[column])
    body = max((_entry_width(row[column]) for row in table.rows), default=0.0)
    if table.is_text(column) or _width(name) <= body:
        return [name]
    return name.split()


def _header_height(table: BlockTable, columns: Iterable[int]) -> int:
    return max(len(_header_lines(table, column)) for column in columns)


def _row_height(row: Sequence[Entry], columns: Iterable[int], widths: Sequence[float]) -> int:
    """In lines: text that is wider than its column takes several."""
    lines = 1
    for column in columns:
        width = _entry_width(row[column])
        if width > widths[column]:
            lines = max(lines, math.ceil(width / (0.8 * widths[column])))
    return lines


def _column_width(table: BlockTable, column: int) -> float:
    """In points; text is set in a column of at most _LABEL or _WORDS, numbers in one as wide as they are."""
    body = max((_entry_width(row[column]) for row in table.rows), default=0.0)
    header = max(map(_width, _header_lines(table, column)))
    if table.is_text(column):
        return min(max(body, header) + 1, _LABEL if column == 0 else _WORDS)
    return max(body, header)


def _entry_width(entry: Entry) -> float:
    width = _width(entry.text) * (_BOLD if entry.bold else 1)
    if entry.marked:
        width += _DIGIT
    if entry.detail:
        width += _THIN_SPACE + _SMALL * _width(entry.detail)
    return width


def _width(text: str) -> float:
    """Points, rather too many than too few."""
    width = 0.0
    for character in single_line(text):
        is_code = latex_text(character).startswith("U+")
        width += _POINT_CODE if is_code else _WIDTHS.get(character, _DIGIT)
    return width
