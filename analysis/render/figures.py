"""The table as a picture: one metric per row of it, a panel per block.

Drawn with matplotlib's objects and its Agg canvas; nothing global is touched, so threads may draw at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.render.axes import KEY, LINE, MARGIN, SMALL, TITLE, new_figure, quiet
from analysis.render.layout import by_block
from analysis.render.letters import fitted, inches
from analysis.render.roc import BLUE, GREY, GRID, INK
from analysis.render.rows import Record, is_final, listed
from analysis.table_columns import UNRESOLVED, TableColumns, column_name, interval_columns
from search_spaces.config import Metric

_APART = 0.14  # of the two rows of a pair
# In inches.
_PANEL, _LABEL = 5.2, 1.9  # a panel with its labels, and these at most
_ROW = 0.42  # the height of a row


def table_figure(frame: pd.DataFrame, columns: Mapping[str, TableColumns]) -> Figure:
    """One metric per loss, with and without the constraint, a panel per block.

    Of a binary task it is the FPR, of which less is better, at the first target TPR that the test positives
    resolve, and else what steers. Thin bars are the 95 % intervals over test examples. Cells that are
    incomplete or have pruned candidates are hollow. The two of a loss stand a little apart, so that equal
    values show.

    frame     as `analysis.frames.best_frame` gives it
    columns   the metrics that a block's table shows, by the block's label
    """
    panels = []
    for block, records in by_block(frame).items():
        panels.append(_Panel(block, records, _pictured(columns[block], records)))
    across = min(2, max(1, len(panels)))
    lines = [panels[start : start + across] for start in range(0, len(panels), across)]
    heights = [max(panel.height for panel in line) for line in lines] or [_ROW]
    width = _PANEL * across
    figure = new_figure(width, sum(heights) + 0.7)
    grid = figure.subplots(len(heights), across, squeeze=False, height_ratios=heights).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        panel.draw(axes)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles = []
    for label, color in (("without constraint", GREY), ("with ALM constraint", BLUE)):
        handles += grid[0].plot([], [], "o", color=color, label=label)
    if not all(panel.is_final for panel in panels):
        hollow = "incomplete or pruned"
        handles += grid[0].plot([], [], "o", color=INK, markerfacecolor="white", label=hollow)
    longest = max(inches(handle.get_label(), SMALL) for handle in handles)
    abreast = max(1, min(len(handles), int((width - MARGIN) / (longest + KEY))))
    figure.legend(handles=handles, loc="outside lower center", ncols=abreast, frameon=False, fontsize=SMALL)
    return figure


def _pictured(columns: TableColumns, records: Sequence[Record]) -> Metric:
    """What the panel of a block shows."""
    found = [record for record in records if record["trial_id"]]
    for metric in columns.headline[1:]:
        is_rate = metric.better == "lower" and not metric.is_of_one_class
        if is_rate and not any(column_name(metric) in listed(record, UNRESOLVED) for record in found):
            return metric
    return columns.steering


class _Panel:
    """A block's panel: its title, the label of each line, and how high it is in inches."""

    def __init__(self, title: str, records: Sequence[Record], metric: Metric) -> None:
        self._metric = metric
        self._lines: dict[str, list[Record]] = {}
        for record in records:
            self._lines.setdefault(_line(record), []).append(record)
        self._labels = [fitted(name, SMALL, _LABEL) for name in self._lines]
        self.is_final = all(map(is_final, records))
        beside = max((inches(line, SMALL) for label in self._labels for line in label.split("\n")), default=0)
        within = _PANEL - beside - 2 * MARGIN
        quantity = f"{metric.words} (%)" if metric.scale == 100 else metric.words
        self._title = fitted(title, TITLE, within)
        self._quantity = fitted(f"{quantity}, test ensemble, 95 % interval", SMALL, within)

    @property
    def height(self) -> float:
        """Of the panel with its words above and below it."""
        row = _ROW + LINE * max((label.count("\n") for label in self._labels), default=0)
        words = self._title.count("\n") + self._quantity.count("\n")
        return 1.2 + row * len(self._lines) + LINE * words

    def draw(self, axes: Axes) -> None:
        """Draw the block's cells with results, and say where there is none."""
        is_empty = True
        for position, records in enumerate(self._lines.values()):
            pair = [record for record in records if not math.isnan(record[column_name(self._metric)])]
            is_empty = is_empty and not pair
            _draw_pair(axes, pair, self._metric, position)
            if not pair:
                across = axes.get_yaxis_transform()
                axes.text(
                    0.02, position, "no result", transform=across, va="center", color=GREY, fontsize=SMALL
                )
        axes.set_yticks(range(len(self._labels)), self._labels)
        axes.set_ylim(len(self._labels) - 0.4, -0.6)
        axes.margins(x=0.08)
        if is_empty:
            axes.set_xticks([])
        axes.set_xlabel(self._quantity, fontsize=SMALL)
        axes.set_title(self._title, fontsize=TITLE, loc="left")
        quiet(axes)
        axes.grid(axis="x", color=GRID, linewidth=0.8)


def _line(record: Record) -> str:
    """The label of a row's line: rows that the constraint alone tells apart share one."""
    return str(record["row"]).replace(" + ALM", "")


def _draw_pair(axes: Axes, pair: Sequence[Record], metric: Metric, position: int) -> None:
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
