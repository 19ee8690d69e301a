"""The figure of the classes of blocks: training images of each, and in which shares samplers draw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.class_counts import ClassCounts, sampler_words
from analysis.confusion import class_names
from analysis.render.axes import new_figure
from analysis.render.class_axis import TINY, mark_classes
from analysis.render.letters import fitted
from analysis.render.roc import BLUE, COLORS, GREY, GRID, INK, ORANGE

# Letters in points; lengths in inches.
_TITLE, _SMALL = 10, 9
_PANEL, _HEIGHT, _LEGEND = 5.4, 3.2, 0.15
# Colour and width of a line: those that may lie on others are thin, and drawn later.
_STYLES = {"shuffle": (GREY, 4.5), "class_balanced": (BLUE, 3.5), "progressive": (ORANGE, 1.8)}


class _Curve(NamedTuple):
    """Shares of an epoch, 0 to 1, as they are drawn."""

    label: str
    shares: list[float]
    color: str
    width: float
    style: str


def classes_figure(found: Sequence[ClassCounts]) -> Figure:
    """A line per block: training images of each class, critical ones apart; expected shares per sampler.

    Of `progressive` the first and the last epoch.
    """
    longest = max((len(_curves(one)) for one in found), default=1)
    height = (_HEIGHT + _LEGEND * longest) * len(found)
    figure = new_figure(2 * _PANEL, height)
    grid = figure.subplots(len(found), 2, squeeze=False)
    for (left, right), one in zip(grid, found, strict=True):
        _draw_counts(left, one)
        _draw_shares(right, one)
        for axes in (left, right):
            _mark(axes, one)
    return figure


def _draw_counts(axes: Axes, one: ClassCounts) -> None:
    colors, labels = [], [str(label) for label in one.data.labels]
    for label in labels:
        colors.append(ORANGE if label in one.critical else GREY)
    axes.bar(range(len(labels)), one.counts, width=0.85, color=colors)
    axes.set_yscale("log")
    axes.set_ylim(0.8, 1.6 * max(one.counts))
    axes.set_ylabel("training images", fontsize=_SMALL)
    axes.set_title(fitted(one.block, _TITLE, _PANEL - 0.8), fontsize=_TITLE, loc="left")
    key = [Patch(color=GREY, label="class"), Patch(color=ORANGE, label="critical class")]
    axes.legend(handles=key, frameon=False, fontsize=TINY, loc="upper right", ncols=2)


def _curves(one: ClassCounts) -> list[_Curve]:
    """The shares of each sampler; of one that changes, those of the first and of the last epoch."""
    found, others = [], 0
    for sampler in one.samplers:
        words = sampler_words(sampler)
        color, width = _STYLES.get(words, (COLORS[2 + others % (len(COLORS) - 2)], 1.8))
        others += words not in _STYLES
        first, last = one.shares(sampler, progress=0), one.shares(sampler, progress=1)
        if first == last:
            found.append(_Curve(words, first, color, width, "-"))
        else:
            found.append(_Curve(f"{words}, first epoch", first, color, width, ":"))
            found.append(_Curve(f"{words}, last epoch", last, color, width, "--"))
    return found


def _draw_shares(axes: Axes, one: ClassCounts) -> None:
    places = range(len(one.counts))
    for curve in _curves(one):
        shares = [100 * share for share in curve.shares]
        axes.plot(
            places,
            shares,
            curve.style,
            color=curve.color,
            linewidth=curve.width,
            drawstyle="steps-mid",
            label=curve.label,
        )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("share of an epoch (%)", fontsize=_SMALL)
    axes.legend(frameon=False, fontsize=TINY, loc="upper right")
    axes.grid(axis="y", color=GRID, linewidth=0.8)


def _mark(axes: Axes, one: ClassCounts) -> None:
    mark_classes(axes, class_names(one.data), "x")
    axes.set_xlabel("class", fontsize=_SMALL)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", colors=INK, labelsize=TINY, length=2)
    axes.set_axisbelow(True)
