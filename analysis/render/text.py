"""The laid-out tables as Markdown, plain text and LaTeX. The same input gives the same bytes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from analysis.render.escape import latex_text, markdown_text, single_line
from analysis.render.layout import BlockTable, Document, Entry, Note

BOLD_MEANING = "Best complete cell of a column in bold."
DAGGER_MEANING = "incomplete or pruned, never bold"


def markdown(document: Document) -> str:
    """GitHub Markdown, columns padded so that it reads well as text too. The facts stand below the tables."""
    lines = [f"# {markdown_text(document.title)}", "", markdown_text(_caption(document)), ""]
    for table in document.tables:
        header = [markdown_text(h) for h in table.header]
        rows = [[_markdown_entry(e) for e in row] for row in table.rows]
        lines += [f"## {markdown_text(table.title)}", "", *_pipe_table(table, header, rows), ""]
        lines += [
            line for note in table.notes for line in ("† " * note.marked + markdown_text(_said(note)), "")
        ]
    return "\n".join([*lines, *(f"- {markdown_text(fact)}" for fact in document.facts)]) + "\n"


def plain(document: Document) -> str:
    """Plain text for a terminal: aligned columns, an asterisk behind the best complete value."""
    lines = [single_line(document.title), ""]
    for table in document.tables:
        header = list(table.header)
        starred = {i for row in table.rows for i, entry in enumerate(row) if entry.bold}
        details = [max(len(entry.detail) for entry in column) for column in zip(*table.rows, strict=True)]
        rows = []
        for row in table.rows:
            rows.append([_plain_entry(e, i in starred, details[i]) for i, e in enumerate(row)])
        widths = _widths([header, *rows])
        lines += [single_line(table.title), _plain_line(table, header, widths)]
        lines += ["  ".join("─" * w for w in widths)]
        lines += [_plain_line(table, row, widths) for row in rows]
        lines += ["† " * note.marked + single_line(_said(note)) for note in table.notes]
        lines += [""]
    lines += [
        document.caption,
        *(["* best complete cell of a column"] if _has_bold(document) else []),
        *(single_line(fact) for fact in document.facts),
    ]
    return "\n".join(lines) + "\n"


def latex(document: Document) -> str:
    """LaTeX `table` environments; needs the package booktabs."""
    lines = [f"% {latex_text(document.title)}", *(f"% {latex_text(fact)}" for fact in document.facts)]
    for table in document.tables:
        columns = "".join("l" if table.is_text(i) else "r" for i in range(len(table.header)))
        lines += [r"\begin{table}", r"\centering\small", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        lines += [_latex_line([latex_text(h) for h in table.header]), r"\midrule"]
        lines += [_latex_line([_latex_entry(e) for e in row]) for row in table.rows]
        lines += [r"\bottomrule", r"\end{tabular}"]
        notes = "".join(
            r"\\ " + r"$^\dagger$ " * note.marked + latex_text(_said(note)) for note in table.notes
        )
        lines += [rf"\caption{{{latex_text(f'{table.title}. {_caption(document)}')}}}"]
        lines += [rf"\par\small{notes.removeprefix(chr(92) * 2)}"] if notes else []
        lines += [r"\end{table}"]
    return "\n".join(lines) + "\n"


def _said(note: Note) -> str:
    return f"{note.row} ({DAGGER_MEANING}): {note.text}" if note.marked else f"{note.row}: {note.text}"


def _has_bold(document: Document) -> bool:
    return any(entry.bold for table in document.tables for row in table.rows for entry in row)


def _caption(document: Document) -> str:
    return f"{document.caption} {BOLD_MEANING}" if _has_bold(document) else document.caption


def _markdown_entry(entry: Entry) -> str:
    text = markdown_text(entry.text)
    detail = f" {markdown_text(entry.detail)}" if entry.detail else ""
    return _mark(f"**{text}**" if entry.bold else text, entry, " †") + detail


def _plain_entry(entry: Entry, starred: bool, width: int) -> str:
    """The entry's text; in a column that holds a star, others get a space, so that digits stay aligned.

    For the same reason a detail is filled up to the column's `width` of details.
    """
    star = "*" if entry.bold else " " if starred else ""
    detail = f" {single_line(entry.detail):{width}}" if width else ""
    return _mark(single_line(entry.text) + star, entry, " †") + detail


def _latex_entry(entry: Entry) -> str:
    text = latex_text(entry.text)
    detail = f" {latex_text(entry.detail)}" if entry.detail else ""
    return _mark(rf"\textbf{{{text}}}" if entry.bold else text, entry, r"$^\dagger$") + detail


def _mark(text: str, entry: Entry, mark: str) -> str:
    return text + mark if entry.marked else text


def _pipe_table(table: BlockTable, header: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(3, w) for w in _widths([header, *rows])]
    rule = [":" + "-" * (w - 1) if table.is_text(i) else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return [f"| {' | '.join(_padded(table, cells, widths))} |" for cells in (header, rule, *rows)]


def _plain_line(table: BlockTable, cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(table, cells, widths)).rstrip()


def _padded(table: BlockTable, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    aligned = []
    for i, (text, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - _width(text))
        aligned.append(text + space if table.is_text(i) else space + text)
    return aligned


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(_width(text) for text in column) for column in zip(*lines, strict=True)]


def _width(text: str) -> int:
    """Columns that a terminal gives the text: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
