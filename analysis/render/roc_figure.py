"""The ROC figure of a trial: curves, operating points, and the bands of the ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from analysis.render.axes import KEY, LINE, MARGIN, SMALL, TITLE, new_figure, place, quiet, set_title
from analysis.render.letters import fitted
from analysis.render.roc import ACROSS, DIAGONAL, GRID, INK, ORANGE, UPWARDS, RocPicture, corners
from analysis.statistics.bands import Band

_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_SIDE = 6.0
_INSIDE = 9, 3.2  # lines of a legend that stands in the axes, and how long they are
_BAND = "95 % interval of the FPR, at each TPR"


def roc_figure(
    picture: RocPicture, *, title: str, bands: Sequence[Band] = (), log_fpr: bool = False
) -> Figure:
    """The ROC curves of a trial, under a title of one line or several. Where they are undefined it says why.

    A legend that is too large for the axes stands below them.

    bands     of the ensembles, in the order of their curves
    log_fpr   whether the false positive rate has a logarithmic scale; then 0 stands at its left end
    """
    figure = new_figure(_SIDE, _SIDE + 0.2)
    axes = figure.add_subplot()
    if picture.undefined is None:
        least = _least(picture) if log_fpr else 0.0
        _draw(axes, picture, bands, least)
        if log_fpr:
            _set_log(axes, least)
        else:
            axes.set(xlim=(-1, 101), aspect="equal")
        is_inside = _tell_curves(figure, axes)
    else:
        is_inside = True
        axes.set(xlim=(-1, 101), aspect="equal")
        words = fitted(picture.undefined, TITLE, _SIDE - 1.6, most=8)
        axes.text(50, 50, words, ha="center", va="center", color=INK)
    axes.set(ylim=(-1, 101), xlabel=ACROSS, ylabel=UPWARDS)
    set_title(figure, title)
    quiet(axes)
    axes.grid(color=GRID, linewidth=0.8)
    if is_inside:
        place(figure, axes)
    return figure


def _least(picture: RocPicture) -> float:
    """Where 0 stands on a logarithmic scale, in %: at half the least rate that is not 0."""
    positive = [1.0]
    for curve in picture.curves:
        rates = curve.points.fpr[curve.points.fpr > 0]
        positive.append(float(rates.min(initial=1.0)))
    return 50 * min(positive)


def _set_log(axes: Axes, least: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(least, 100)
    axes.xaxis.set_major_locator(LogLocator(base=10))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw(axes: Axes, picture: RocPicture, bands: Sequence[Band], least: float) -> None:
    """Every rate below `least`, in %, stands there."""

    def across(rates: NDArray[np.float64]) -> NDArray[np.float64]:
        percents: NDArray[np.float64] = np.maximum(100 * rates, least)
        return percents

    chance = np.linspace(0, 1, 201) ** 2
    axes.plot(across(chance), 100 * chance, color=DIAGONAL, linewidth=1, linestyle=(0, (4, 4)))
    ensembles = [curve for curve in picture.curves if curve.is_ensemble]
    for curve, band in zip(ensembles, bands, strict=False):
        label = _BAND if curve is ensembles[0] else None
        axes.fill_betweenx(
            100 * band.tpr,
            across(band.low),
            across(band.high),
            color=curve.color,
            alpha=0.18,
            linewidth=0,
            label=label,
        )
    for curve in picture.curves:
        joined = corners(curve.points)
        axes.plot(
            across(joined.fpr),
            100 * joined.tpr,
            color=curve.color,
            linewidth=curve.width,
            alpha=None if curve.is_ensemble else 0.6,
            label=curve.label or None,
        )
    for mark, marker in zip(picture.marks, cycle(_MARKERS), strict=False):
        axes.plot(
            across(np.array([mark.fpr])),
            [100 * mark.tpr],
            marker,
            color=ORANGE,
            markeredgecolor="white",
            markersize=8,
            zorder=5,
            label=mark.label,
        )


def _tell_curves(figure: Figure, axes: Axes) -> bool:
    """The legend: in the axes where it leaves room for the curves, else below them; whether it is inside."""
    handles, labels = [], []
    for drawn in (*axes.lines, *axes.collections):
        if not str(drawn.get_label()).startswith("_"):
            handles.append(drawn)
            labels.append(str(drawn.get_label()))
    most, longest = _INSIDE
    texts = [fitted(label, SMALL, longest) for label in labels]
    if sum(text.count("\n") + 1 for text in texts) <= most:
        axes.legend(handles, texts, loc="lower right", frameon=False, fontsize=SMALL)
        return True
    texts = [fitted(label, SMALL, _SIDE - MARGIN - KEY) for label in labels]
    lines = sum(text.count("\n") + 1 for text in texts)
    figure.set_figheight(figure.get_figheight() + LINE * (lines + 1))
    figure.legend(handles, texts, loc="outside lower center", frameon=False, fontsize=SMALL)
    return False
