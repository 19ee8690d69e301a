"""The figure of labels that stand together: of the images with a label, how many have each other one."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.co_occurrence import CoOccurrence, of_label
from analysis.confusion import class_names
from analysis.render.class_axis import are_turned, mark_classes
from analysis.render.heat import colour_bar, draw_rates
from analysis.render.letters import fitted

# Letters in points; lengths in inches.
_TITLE, _SMALL = 10, 9
_PANEL, _LINE = 4.2, 0.17


def co_occurrence_figure(found: CoOccurrence) -> Figure:
    """A panel per split: of the images with a row's label, the share in % that has a column's too.

    The diagonal, where a label meets itself, is left blank.
    """
    names = class_names(found.data)
    width = _PANEL * len(found.splits)
    is_turned = are_turned(names)
    words = f"{found.block}: share of the images with a label that have another too (%)"
    above = fitted(words, _TITLE, width - 0.3)
    height = _PANEL + _LINE * above.count("\n") + 0.6 * is_turned
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(1, len(found.splits), squeeze=False)[0]
    for axes, (split, counts) in zip(grid, found.splits.items(), strict=True):
        shares = 100 * of_label(counts)
        np.fill_diagonal(shares, np.nan)
        image = draw_rates(axes, shares)
        mark_classes(axes, names, "x")
        mark_classes(axes, names, "y")
        axes.set_xlabel("also has", fontsize=_SMALL)
        axes.set_ylabel("images with", fontsize=_SMALL)
        axes.set_title(split, fontsize=_SMALL)
        colour_bar(figure, axes, image)
    figure.suptitle(above, fontsize=_TITLE)
    return figure
