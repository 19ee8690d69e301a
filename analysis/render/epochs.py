"""The figure of a constraint over the epochs of a trial."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from analysis.render.axes import SMALL, new_figure, quiet, set_title
from analysis.render.roc import BLUE, GREY, GRID

_PANELS = {
    "violation": "violation q",
    "multiplier_mean": "multipliers λ, mean",
    "multiplier_max": "multipliers λ, largest",
    "penalty": "penalty μ",
}
_PANEL, _HEIGHT = 3.3, 2.6  # in inches
_SPAN = 20  # a quantity that spans more than this factor, and is never 0, has a logarithmic scale


def epochs_figure(frame: pd.DataFrame, *, title: str) -> Figure:
    """Violation, multipliers and penalty, a panel each: replicates thin, their mean thick.

    frame   as `analysis.numbers.epochs.epochs_frame` gives it, with one epoch at least
    """
    figure = new_figure(2 * _PANEL, 2 * _HEIGHT + 0.8)
    grid = figure.subplots(2, 2, sharex=True)
    for axes, (name, words) in zip(grid.ravel(), _PANELS.items(), strict=True):
        _draw(axes, frame, name)
        axes.set_title(words, fontsize=SMALL, loc="left")
    for axes in grid[-1]:
        axes.set_xlabel("epoch", fontsize=SMALL)
    set_title(figure, title)
    lines = grid[0, 0].plot(
        [], [], color=GREY, linewidth=0.8, label=f"replicates ({frame['seed'].nunique()})"
    )
    lines += grid[0, 0].plot([], [], color=BLUE, linewidth=2.4, label="mean over replicates")
    figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False, fontsize=SMALL)
    return figure


def _draw(axes: Axes, frame: pd.DataFrame, name: str) -> None:
    for _, of_seed in frame.groupby("seed"):
        axes.plot(of_seed["epoch"], of_seed[name], color=GREY, linewidth=0.8, alpha=0.7)
    mean = frame.groupby("epoch")[name].mean()
    # A single epoch is a point, not a line.
    axes.plot(mean.index, mean, color=BLUE, linewidth=2.4, marker="o" if len(mean) == 1 else "")
    least, most = frame[name].min(), frame[name].max()
    if least > 0 and most > _SPAN * least:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())  # each would be drawn, and measured with its text
    elif least >= 0 and most > 0:
        axes.set_ylim(0, 1.06 * most)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    quiet(axes)
    axes.yaxis.get_offset_text().set_fontsize(SMALL)
    axes.grid(color=GRID, linewidth=0.8)
