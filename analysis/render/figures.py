"""Figures: the ROC curve of a trial, and the table as a picture.

Drawn with matplotlib's objects and its Agg canvas; nothing global is touched, so threads may draw at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.render.escape import single_line
from analysis.render.layout import is_final
from analysis.render.roc import ACROSS, BLUE, DIAGONAL, GREY, GRID, INK, ORANGE, UPWARDS, RocPicture
from analysis.table_columns import TableColumns, column_name, interval_columns
from search_spaces.config import Metric

_LINE = 64  # characters that fit above a panel
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_APART = 0.14  # of the two rows of a pair


def roc_figure(picture: RocPicture, *, title: str) -> Figure:
    """The ROC curves of a trial. Where they are undefined the figure says why."""
    figure = Figure(figsize=(6.0, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if picture.undefined is None:
        _draw_roc(axes, picture)
    else:
        axes.text(50, 50, _plain(picture.undefined), ha="center", color=INK, wrap=True)
    axes.set(xlim=(-1, 101), ylim=(-1, 101), xlabel=ACROSS, ylabel=UPWARDS, aspect="equal")
    axes.set_title(_plain(title), fontsize=10, wrap=True)
    _quiet(axes)
    axes.grid(color=GRID, linewidth=0.8)
    return figure


def table_figure(frame: pd.DataFrame, columns: Mapping[str, TableColumns]) -> Figure:
    """One metric per loss, with and without the constraint, a panel per block.

    Of a binary task it is the FPR at the first target TPR, of which less is better. Thin bars are the 95 %
    intervals over test examples. Cells that are incomplete or have pruned candidates are hollow. The two of a
    loss stand a little apart, so that equal values show.

    frame     as `analysis.frames.best_frame` gives it
    columns   the metrics that a block's table shows, by the block's label
    """
    blocks = list(frame["block"].drop_duplicates())
    across = min(2, max(1, len(blocks)))
    lines = max(1, math.ceil(len(blocks) / across))
    tallest = int(_lines(frame).groupby(frame["block"]).nunique().max())
    size = (5.2 * across, lines * (1.2 + 0.42 * tallest) + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, across, squeeze=False).ravel()
    for axes, block in zip(grid, blocks, strict=False):
        _draw_block(axes, frame[frame["block"] == block], columns[block].pictured, str(block))
    for axes in grid[len(blocks) :]:
        axes.set_axis_off()
    handles = []
    for label, color in (("without constraint", GREY), ("with ALM constraint", BLUE)):
        handles += grid[0].plot([], [], "o", color=color, label=label)
    if not all(is_final(record) for record in frame.to_dict("records")):
        hollow = "incomplete or pruned"
        handles += grid[0].plot([], [], "o", color=INK, markerfacecolor="white", label=hollow)
    # As wide as one panel at most.
    figure.legend(
        handles=handles, loc="outside lower center", ncols=2 if across == 1 else 3, frameon=False, fontsize=9
    )
    return figure


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as PNG, without a note of the software that drew it."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def _draw_roc(axes: Axes, picture: RocPicture) -> None:
    axes.plot([0, 100], [0, 100], color=DIAGONAL, linewidth=1, linestyle=(0, (4, 4)))
    for curve in picture.curves:
        axes.plot(
            100 * curve.points.fpr,
            100 * curve.points.tpr,
            color=curve.color,
            linewidth=curve.width,
            alpha=None if curve.is_ensemble else 0.6,
            label=curve.label or None,
        )
    for mark, marker in zip(picture.marks, cycle(_MARKERS), strict=False):
        axes.plot(
            [100 * mark.fpr],
            [100 * mark.tpr],
            marker,
            color=ORANGE,
            markeredgecolor="white",
            markersize=8,
            zorder=5,
            label=mark.label,
        )
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _draw_block(axes: Axes, rows: pd.DataFrame, metric: Metric, title: str) -> None:
    lines = _lines(rows)
    names = list(lines.drop_duplicates())
    for position, name in enumerate(names):
        pair = rows[lines == name].dropna(subset=[column_name(metric)]).to_dict("records")
        _draw_pair(axes, pair, metric, position)
        if not pair:
            across = axes.get_yaxis_transform()
            axes.text(0.02, position, "no result", transform=across, va="center", color=GREY, fontsize=9)
    axes.set_yticks(range(len(names)), [_plain(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.08)
    quantity = f"{metric.words} (%)" if metric.scale == 100 else metric.words
    axes.set_xlabel(f"{quantity}, test ensemble, 95 % interval", fontsize=9)
    axes.set_title(_plain(title, _LINE), fontsize=10, loc="left")
    _quiet(axes)
    axes.grid(axis="x", color=GRID, linewidth=0.8)


def _lines(rows: pd.DataFrame) -> pd.Series[str]:
    """The label of each row's line: rows that the constraint alone tells apart share one."""
    return rows["row"].str.replace(" + ALM", "", regex=False)


def _draw_pair(axes: Axes, pair: Sequence[Mapping[Any, Any]], metric: Metric, position: int) -> None:
    """Rows that differ in the constraint, joined by a line; each with its interval."""
    values, heights, colors = [], [], []
    for record in pair:
        values.append(metric.scale * float(record[column_name(metric)]))
        apart, color = (_APART, BLUE) if record["constrained"] else (-_APART, GREY)
        heights.append(position + apart)
        colors.append(color)
    axes.plot(values, heights, color="#d5dae0", linewidth=3, zorder=1)
    for record, value, height, color in zip(pair, values, heights, colors, strict=True):
        face = color if is_final(record) else "white"
        ends = [metric.scale * float(record[column]) for column in interval_columns(metric)]
        axes.plot(ends, [height, height], color=color, linewidth=1.2, marker="|", markersize=5, zorder=1.5)
        axes.plot([value], [height], "o", color=color, markerfacecolor=face, markersize=8, zorder=2)


def _quiet(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b8bec6")
    axes.tick_params(colors=INK, labelsize=9, length=3)
    axes.set_axisbelow(True)


def _plain(text: str, longest: int = 200) -> str:
    """Text for a picture: on one line, short enough to leave room for the axes, never read as mathematics."""
    line = single_line(text)
    if len(line) > longest:
        line = f"{line[: longest - 1]}…"
    return line.replace("$", r"\$")
