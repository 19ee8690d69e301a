"""The figure of labels that stand together: of the images with a label, how many have each other one."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.co_occurrence import CoOccurrence, of_label
from analysis.confusion import class_names
from analysis.render.axes import LINE, MARGIN, SMALL, TITLE, new_figure
from analysis.render.class_axis import are_turned, mark_classes
from analysis.render.heat import colour_bar, draw_rates
from analysis.render.letters import fitted

_PANEL = 4.2  # inches


def co_occurrence_figure(found: CoOccurrence) -> Figure:
    """A panel per split: of the images with a row's label, the share in % that has a column's too.

    The diagonal, where a label meets itself, is left blank.
    """
    names = class_names(found.data)
    width = _PANEL * len(found.splits)
    is_turned = are_turned(names)
    words = f"{found.block}: share of the images with a label that have another too (%)"
    above = fitted(words, TITLE, width - MARGIN)
    height = _PANEL + LINE * above.count("\n") + 0.6 * is_turned
    figure = new_figure(width, height)
    grid = figure.subplots(1, len(found.splits), squeeze=False)[0]
    for axes, (split, counts) in zip(grid, found.splits.items(), strict=True):
        shares = 100 * of_label(counts)
        np.fill_diagonal(shares, np.nan)
        image = draw_rates(axes, shares)
        mark_classes(axes, names, "x")
        mark_classes(axes, names, "y")
        axes.set_xlabel("also has", fontsize=SMALL)
        axes.set_ylabel("images with", fontsize=SMALL)
        axes.set_title(split, fontsize=SMALL)
        colour_bar(figure, axes, image)
    figure.suptitle(above, fontsize=TITLE)
    return figure
