"""The figure of the labels of a trial, a panel each: precision and recall.

Critical labels come first; of many labels the first 16 have a panel. What is blue, orange or black has a
marker or a line of its own too, so that it is told apart without colours and in print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.cells import Cell
from analysis.confusion import called
from analysis.label_curves import AT_HALF, CURVE, label_names, label_precision
from analysis.records import TestRecord
from analysis.render.axes import MARGIN, SMALL, TITLE, new_figure, quiet
from analysis.render.document import DOUBLE_DAGGER
from analysis.render.letters import fitted
from analysis.render.roc import BLUE, GREY, GRID, INK, ORANGE

MOST_PANELS = 16
_TINY = 8  # letters in points
# Lengths in inches.
_PANEL, _ABREAST, _LEGEND = 2.9, 4, 0.24
_TICKS = (0, 20, 40, 60, 80, 100)


class _Grid(NamedTuple):
    figure: Figure
    panels: dict[str, Axes]


def precision_recall_figure(cell: Cell, test: TestRecord, frame: pd.DataFrame) -> Figure:
    """The precision-recall curve of each label, and what is decided at 0.5 and at the chosen threshold.

    `frame` as `analysis.label_curves.precision_recall_frame` gives it. The dashed line is the label's share
    of the test images, the precision of chance.
    """
    grid = _grid(cell, "precision and recall of each label, test ensemble")
    for label, axes in grid.panels.items():
        has = test.targets[:, label_names(test).index(label)] == 1
        axes.axhline(100 * float(has.mean()), color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
        rows = frame[frame["label"] == label]
        curve = rows[rows["point"] == CURVE]
        axes.plot(100 * curve["recall"], 100 * curve["precision"], color=BLUE, linewidth=1.8)
        signs = _draw_points(axes, rows[rows["point"] != CURVE])
        precision = label_precision(test, label)
        facts = f"AP {precision:.3f}, {int(has.sum()):,} of {len(has):,} images"
        _name(axes, f"{called(cell.data, label)}{signs}", facts)
    keys = [
        Line2D([], [], color=BLUE, linewidth=1.8, label="ensemble"),
        Line2D([], [], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), label="share of images"),
    ]
    if test.tuned is not None:
        keys.append(_point_key(f"at {AT_HALF}", is_half=True))
        keys.append(_point_key(f"at the threshold of validation ({test.tuned.rule.name})"))
        if any(one.unresolved for one in test.tuned.thresholds.values()):
            keys.append(_point_key(f"{DOUBLE_DAGGER} threshold not resolved", hollow=True))
    _finish(grid, keys, "Recall (%)", "Precision (%)")
    return grid.figure


def shown_labels(cell: Cell) -> tuple[str, ...]:
    """The labels that have a panel: critical ones first, and of many the first of these."""
    critical = cell.data.columns("one_vs_rest")
    names = sorted(map(str, cell.data.labels), key=lambda name: name not in critical)
    return tuple(names[:MOST_PANELS])


def _grid(cell: Cell, words: str) -> _Grid:
    """A figure with a panel for each label, and what it shows above them."""
    shown = shown_labels(cell)
    if len(cell.data.labels) > len(shown):
        words = f"{words}; {len(shown)} of {len(cell.data.labels)} labels"
    across = _abreast(len(shown))
    lines = math.ceil(len(shown) / across)
    width = _PANEL * across
    titles = [fitted(text, TITLE, width - MARGIN, most=2) for text in (cell.block, cell.row, words)]
    above = sum(title.count("\n") + 1 for title in titles) * 0.2
    figure = new_figure(width, (_PANEL + 0.25) * lines + above + 1.1)
    figure.suptitle("\n".join(titles), fontsize=TITLE)
    every = figure.subplots(lines, across, squeeze=False).ravel()
    for axes in every[len(shown) :]:
        axes.set_axis_off()
    return _Grid(figure, dict(zip(shown, every, strict=False)))


def _abreast(panels: int) -> int:
    return min(_ABREAST, max(2, panels))


def _draw_points(axes: Axes, rows: pd.DataFrame) -> str:
    """The points at which a label is decided for; the sign of a threshold that is not resolved."""
    signs = ""
    for row in rows.to_dict("records"):
        is_half, is_hollow = row["point"] == AT_HALF, bool(row["unresolved"])
        signs += DOUBLE_DAGGER * is_hollow
        key = _point_key("", is_half=is_half, hollow=is_hollow)
        key.set_data([100 * float(row["recall"])], [100 * float(row["precision"])])
        key.set_zorder(6 if is_half else 5)
        key.set_clip_on(False)
        axes.add_line(key)
    return signs


def _point_key(label: str, *, is_half: bool = False, hollow: bool = False) -> Line2D:
    """A point as it is drawn, and told."""
    marker, color = ("o", INK) if is_half else ("D", ORANGE)
    face = color
    if is_half:
        face = "none"
    elif hollow:
        face = "white"
    return Line2D(
        [],
        [],
        linestyle="",
        marker=marker,
        color=color,
        markerfacecolor=face,
        markeredgewidth=1.4,
        markersize=6.5,
        label=label,
    )


def _name(axes: Axes, name: str, facts: str) -> None:
    title = fitted(name, SMALL, _PANEL - 0.9, most=2)
    axes.set_title(f"{title}\n{fitted(facts, SMALL, _PANEL - 0.4)}", fontsize=SMALL, loc="left", color=INK)


def _finish(grid: _Grid, keys: Sequence[Line2D], across: str, upwards: str) -> None:
    """Axes from 0 to 100, their words at the left and below, and the legend below all panels."""
    abreast = _abreast(len(grid.panels))
    for place, axes in enumerate(grid.panels.values()):
        if place + abreast >= len(grid.panels):
            axes.set_xlabel(across, fontsize=_TINY)
        if place % abreast == 0:
            axes.set_ylabel(upwards, fontsize=_TINY)
        axes.set(xlim=(-2, 102), ylim=(-2, 102), xticks=_TICKS, yticks=_TICKS)
        quiet(axes)
        axes.tick_params(labelsize=_TINY)
        axes.grid(color=GRID, linewidth=0.8)
    columns = 2 if len(keys) > 3 else 3
    grid.figure.legend(handles=keys, loc="outside lower center", ncols=columns, frameon=False, fontsize=SMALL)
