"""The reliability diagram: how often examples of a probability are positive, before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.render.axes import LINE, MARGIN, SMALL, new_figure, place, quiet, set_title
from analysis.render.letters import fitted
from analysis.render.roc import BLUE, DIAGONAL, GREY, GRID, ORANGE
from analysis.statistics.calibration import NONE, OFFSET, PLATT, Calibrated

# Told apart by marker and line too: in print, and by whoever sees no colours.
_STYLES = {
    NONE: ("as its scores have it", GREY, "o", ":"),
    OFFSET: ("offset, fitted on validation", ORANGE, "s", "--"),
    PLATT: ("Platt scaling, fitted on validation", BLUE, "^", "-"),
}
_PANEL, _LEGEND = 3.6, 0.9  # inches
_ACROSS = 3


def reliability_figure(classes: Mapping[str, Sequence[Calibrated]], *, title: str) -> Figure:
    """A panel per class, by its name, with a line for each of its calibrations, under a title.

    A point is a bin of about equally many test examples; thin bars are the exact 95 % intervals of the share
    of positives after the last calibration. What is calibrated lies on the diagonal.
    """
    across = min(_ACROSS, max(1, len(classes)))
    down = -(-len(classes) // across) or 1
    height = _PANEL * down + _LEGEND + 2 * LINE * (title.count("\n") + 1)
    figure = new_figure(_PANEL * max(across, 1.3), height)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, calibrated) in zip(grid, classes.items(), strict=False):
        _draw(axes, calibrated)
        if len(classes) > 1:
            axes.set_title(fitted(name, SMALL, _PANEL - 2 * MARGIN, most=2), fontsize=SMALL)
    for axes in grid[len(classes) :]:
        axes.set_axis_off()
    set_title(figure, title)
    handles = {line.get_label(): line for axes in grid for line in axes.lines if line.get_label()[0] != "_"}
    figure.legend(handles=list(handles.values()), loc="outside lower center", frameon=False, fontsize=SMALL)
    if len(classes) == 1:
        place(figure, grid[0], lines_below=len(handles) + 1)
    return figure


def _draw(axes: Axes, calibrated: Sequence[Calibrated]) -> None:
    axes.plot([0, 100], [0, 100], color=DIAGONAL, linewidth=1, linestyle=(0, (4, 4)))
    for one in calibrated:
        label, color, marker, dashes = _STYLES[one.method]
        across = [100 * part.mean_probability for part in one.bins]
        upwards = [100 * part.observed for part in one.bins]
        if one is calibrated[-1]:
            lows = [100 * part.interval.low for part in one.bins]
            highs = [100 * part.interval.high for part in one.bins]
            axes.vlines(across, lows, highs, color=color, linewidth=1, alpha=0.5)
        axes.plot(
            across,
            upwards,
            color=color,
            marker=marker,
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            linewidth=1.2,
            linestyle=dashes,
            label=label,
        )
    axes.set(xlim=(-2, 102), ylim=(-2, 102), aspect="equal")
    axes.set_xlabel("Mean probability (%)", fontsize=SMALL)
    axes.set_ylabel("Share of positives (%)", fontsize=SMALL)
    quiet(axes)
    axes.grid(color=GRID, linewidth=0.8)
