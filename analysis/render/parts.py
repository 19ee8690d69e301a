"""A table that is too wide for its page or terminal, cut into parts that each begin with the first column."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.render.document import BlockTable


def parts(table: BlockTable, widths: Sequence[float], gap: float, limit: float) -> list[tuple[int, ...]]:
    """The columns of each part, so that a part is at most `limit` wide where its columns allow it.

    A table that fits is one part, its columns in their order. Of others the results come first, then what
    was chosen (`BlockTable.by_weight`). `widths` are those of the columns, and between two of them is a gap.
    """
    in_order = tuple(range(len(widths)))
    if sum(widths) + gap * (len(widths) - 1) <= limit:
        return [in_order]
    found = []
    current, width = [0], widths[0]
    for column in table.by_weight():
        wider = width + gap + widths[column]
        if wider > limit and len(current) > 1:
            found.append(tuple(current))
            current, wider = [0], widths[0] + gap + widths[column]
        current.append(column)
        width = wider
    return [*found, tuple(current)]
