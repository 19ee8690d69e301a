"""The laid-out tables as Markdown. The same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.render.document import BlockTable, Document, Entry
from analysis.render.escape import markdown_text, text_width


def markdown(document: Document) -> str:
    """GitHub Markdown, columns padded so that it reads well as text too. The facts stand below the tables."""
    lines = [f"# {markdown_text(document.title)}", "", markdown_text(document.full_caption), ""]
    for table in document.tables:
        lines += [f"## {markdown_text(table.title)}", ""]
        if table.shared:
            lines += [markdown_text(table.shared_words), ""]
        lines += [*_pipe_table(table), ""]
        for note in table.notes:
            dagger = "† " if note.marked else ""
            lines += [dagger + markdown_text(note.said), ""]
    for fact in document.facts:
        lines.append(f"- {markdown_text(fact)}")
    return "\n".join(lines) + "\n"


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
    if entry.signs:
        text += f" {entry.signs}"
    if entry.detail:
        text += f" {markdown_text(entry.detail)}"
    return text


def _padded(table: BlockTable, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    aligned = []
    for column, (text, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - text_width(text))
        aligned.append(text + space if table.is_text(column) else space + text)
    return aligned


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """The greatest width of each column."""
    return [max(map(text_width, column)) for column in zip(*lines, strict=True)]
