"""Figures of many classes at once: confusion matrices, and the recall of every class in every row.

Up to 10 classes values are written into the fields; up to 25 each class has its label; of more every tenth
has. 100 x 100 stays an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from analysis.cells import Cell
from analysis.confusion import Confusion, Matrix, class_names
from analysis.render.axes import SMALL, TITLE, new_figure
from analysis.render.class_axis import TINY, are_turned, mark_classes
from analysis.render.letters import fitted
from analysis.render.roc import INK

_WRITTEN = 10
# Letters in points; lengths in inches.
_PANEL, _ABOVE = 4.6, 0.17  # a panel, and a further line above it
_LABEL = 2.4  # a row's label
_ROW, _LEAST = 0.3, 1.4

_Rates = NDArray[np.float64]


def confusion_figure(found: Confusion) -> Figure:
    """Shares of each true class in %, of the ensemble on test: before, after, and after minus before."""
    after = _shares(found.after)
    panels: list[tuple[str, _Rates, bool]] = [(f"{found.cell.row}", after, False)]
    if found.before is not None and found.baseline is not None:
        before = _shares(found.before)
        panels = [
            (f"before: {found.baseline.row}", before, False),
            (f"after: {found.cell.row}", after, False),
            ("after minus before (points)", after - before, True),
        ]
    width = _PANEL * len(panels)
    words = f"{found.cell.block}: share of each class's test images (%), ensemble"
    above = fitted(words, TITLE, width - 0.3)
    titles = [fitted(title, SMALL, _PANEL - 1.2, most=3) for title, _, _ in panels]
    lines = above.count("\n") + max(title.count("\n") for title in titles)
    is_turned = are_turned(found.names)
    height = _PANEL + _ABOVE * lines + 0.5 * is_turned
    figure = new_figure(width, height)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, title, (_, values, is_difference) in zip(grid, titles, panels, strict=True):
        image = draw_rates(axes, values, is_difference=is_difference)
        mark_classes(axes, found.names, "x")
        mark_classes(axes, found.names, "y")
        axes.set_xlabel("taken for", fontsize=SMALL)
        axes.set_ylabel("true class", fontsize=SMALL)
        axes.set_title(title, fontsize=SMALL)
        colour_bar(figure, axes, image)
    figure.suptitle(above, fontsize=TITLE)
    return figure


def recall_figure(cells: Sequence[Cell]) -> Figure:
    """The recall of each class in %, a line per row of a block's table; of the ensembles on test."""
    rows = [cell for cell in cells if cell.test is not None]
    labels = [str(label) for label in cells[0].data.labels]
    values = np.full((len(rows), len(labels)), np.nan)
    for place, cell in enumerate(rows):
        if cell.test is not None:
            values[place] = [100 * cell.test.metrics[f"recall/{label}"] for label in labels]
    names = [fitted(cell.row, SMALL, _LABEL) for cell in rows]
    lines = sum(name.count("\n") + 1 for name in names)
    width = _LABEL + max(_PANEL, min(9.0, 0.45 * len(labels)))
    height = 1.5 + max(_LEAST, _ROW * len(rows), 0.19 * lines)
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    image = draw_rates(axes, values, square=False)
    mark_classes(axes, class_names(cells[0].data), "x")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("class", fontsize=SMALL)
    axes.tick_params(axis="y", colors=INK, labelsize=SMALL, length=0)
    colour_bar(figure, axes, image)
    words = f"{cells[0].block}: recall of each class (%), test ensemble"
    figure.suptitle(fitted(words, TITLE, width - 0.3), fontsize=TITLE)
    return figure


def _shares(matrix: Matrix) -> _Rates:
    """Of each row in %; NaN for a class without an image."""
    sizes = matrix.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        shares: _Rates = 100 * matrix / sizes
    return shares


def draw_rates(axes: Axes, values: _Rates, *, is_difference: bool = False, square: bool = True) -> AxesImage:
    """Rates in %, or differences of rates, [rows, columns] as fields; what is NaN stays blank."""
    limits: dict[str, Any] = {"cmap": "Blues", "vmin": 0, "vmax": 100}
    if is_difference:
        largest = float(np.nanmax(np.abs(values), initial=1.0))
        limits = {"cmap": "RdBu", "vmin": -largest, "vmax": largest}
    image = axes.imshow(values, aspect="equal" if square else "auto", interpolation="nearest", **limits)
    if values.shape[1] <= _WRITTEN:
        _write(axes, values, is_difference=is_difference)
    return image


def _write(axes: Axes, values: _Rates, *, is_difference: bool) -> None:
    """The values in their fields, light on dark."""
    dark = 0.6 * float(np.nanmax(np.abs(values), initial=1.0)) if is_difference else 60.0
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value) or round(value) == 0:
            continue
        text = f"{value:+.0f}" if is_difference else f"{value:.0f}"
        color = "white" if abs(value) > dark else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=TINY, color=color)


def colour_bar(figure: Figure, axes: Axes, image: AxesImage) -> None:
    """What the colours of the fields mean."""
    bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
    bar.ax.tick_params(colors=INK, labelsize=TINY, length=2)
    bar.outline.set_visible(False)
