"""The laid-out tables as Markdown, plain text and LaTeX. The same input gives the same bytes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from analysis.render.escape import latex_text, markdown_text, single_line
from analysis.render.layout import BlockTable, Document, Entry, Note

BOLD_MEANING = "Best complete cell of a column in bold."
STAR_MEANING = "* best complete cell of a column"
DAGGER_MEANING = "incomplete or pruned, never bold"

_Cells = list[str]


def markdown(document: Document) -> str:
    """GitHub Markdown, columns padded so that it reads well as text too. The facts stand below the tables."""
    lines = [f"# {markdown_text(document.title)}", "", markdown_text(_caption(document)), ""]
    for table in document.tables:
        lines += [f"## {markdown_text(table.title)}", "", *_pipe_table(table), ""]
        for note in table.notes:
            lines += [_dagger(note, "† ") + markdown_text(_said(note)), ""]
    for fact in document.facts:
        lines.append(f"- {markdown_text(fact)}")
    return _text(lines)


def plain(document: Document) -> str:
    """Plain text for a terminal: aligned columns, an asterisk behind the best complete value."""
    lines = [single_line(document.title), ""]
    for table in document.tables:
        lines += [single_line(table.title), *_aligned_table(table)]
        for note in table.notes:
            lines.append(_dagger(note, "† ") + single_line(_said(note)))
        lines.append("")
    lines.append(document.caption)
    if _has_bold(document):
        lines.append(STAR_MEANING)
    lines += map(single_line, document.facts)
    return _text(lines)


def latex(document: Document) -> str:
    """LaTeX `table` environments; needs the package booktabs."""
    lines = [f"% {latex_text(document.title)}"]
    for fact in document.facts:
        lines.append(f"% {latex_text(fact)}")
    for table in document.tables:
        lines += [r"\begin{table}", r"\centering\small", *_tabular(table)]
        lines.append(rf"\caption{{{latex_text(f'{table.title}. {_caption(document)}')}}}")
        notes = [_dagger(note, r"$^\dagger$ ") + latex_text(_said(note)) for note in table.notes]
        if notes:
            # A backslash pair breaks the line between two notes.
            lines.append(r"\par\small " + r"\\ ".join(notes))
        lines.append(r"\end{table}")
    return _text(lines)


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _said(note: Note) -> str:
    if note.marked:
        return f"{note.row} ({DAGGER_MEANING}): {note.text}"
    return f"{note.row}: {note.text}"


def _dagger(note: Note, dagger: str) -> str:
    return dagger if note.marked else ""


def _has_bold(document: Document) -> bool:
    for table in document.tables:
        for row in table.rows:
            if any(entry.bold for entry in row):
                return True
    return False


def _caption(document: Document) -> str:
    if _has_bold(document):
        return f"{document.caption} {BOLD_MEANING}"
    return document.caption


def _pipe_table(table: BlockTable) -> list[str]:
    header = list(map(markdown_text, table.header))
    rows = [list(map(_markdown_entry, row)) for row in table.rows]
    widths, rule = [], []
    for column, width in enumerate(_widths([header, *rows])):
        widths.append(max(3, width))
        dashes = "-" * (widths[-1] - 1)
        rule.append(f":{dashes}" if table.is_text(column) else f"{dashes}:")
    lines = []
    for cells in (header, rule, *rows):
        lines.append(f"| {' | '.join(_padded(table, cells, widths))} |")
    return lines


def _markdown_entry(entry: Entry) -> str:
    text = markdown_text(entry.text)
    if entry.bold:
        text = f"**{text}**"
    if entry.marked:
        text += " †"
    if entry.detail:
        text += f" {markdown_text(entry.detail)}"
    return text


def _aligned_table(table: BlockTable) -> list[str]:
    """The header, a rule and the rows. Numbers stay aligned under each other, digit by digit."""
    header, rows = list(table.header), _plain_rows(table)
    widths = _widths([header, *rows])
    lines = [_plain_line(table, header, widths), "  ".join("─" * width for width in widths)]
    for row in rows:
        lines.append(_plain_line(table, row, widths))
    return lines


def _plain_rows(table: BlockTable) -> list[_Cells]:
    rows: list[_Cells] = [[] for _ in table.rows]
    for column in zip(*table.rows, strict=True):
        starred = any(entry.bold for entry in column)
        longest = max(len(entry.detail) for entry in column)
        for row, entry in zip(rows, column, strict=True):
            row.append(_plain_entry(entry, starred, longest))
    return rows


def _plain_entry(entry: Entry, starred: bool, longest: int) -> str:
    """The entry's text; in a column that holds a star, others get a space, so that digits stay aligned.

    For the same reason a detail is filled up to the column's `longest`.
    """
    text = single_line(entry.text)
    if starred:
        text += "*" if entry.bold else " "
    if entry.marked:
        text += " †"
    if longest:
        text += f" {single_line(entry.detail):{longest}}"
    return text


def _plain_line(table: BlockTable, cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(table, cells, widths)).rstrip()


def _tabular(table: BlockTable) -> list[str]:
    columns = ""
    for column in range(len(table.header)):
        columns += "l" if table.is_text(column) else "r"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [_latex_line(map(latex_text, table.header)), r"\midrule"]
    for row in table.rows:
        lines.append(_latex_line(map(_latex_entry, row)))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _latex_entry(entry: Entry) -> str:
    text = latex_text(entry.text)
    if entry.bold:
        text = rf"\textbf{{{text}}}"
    if entry.marked:
        text += r"$^\dagger$"
    if entry.detail:
        text += f" {latex_text(entry.detail)}"
    return text


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _padded(table: BlockTable, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    aligned = []
    for column, (text, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - _width(text))
        aligned.append(text + space if table.is_text(column) else space + text)
    return aligned


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """The greatest width of each column."""
    return [max(map(_width, column)) for column in zip(*lines, strict=True)]


def _width(text: str) -> int:
    """Columns that a terminal gives the text: wide characters take two, combining ones none."""
    width = 0
    for character in text:
        if unicodedata.combining(character):
            continue
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width
