"""The critical-difference diagram: mean ranks of rows, and which of them are not told apart.

After Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, with a line per
row, so that many rows with long names can be read.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.render.axes import LINE, SMALL, new_figure, quiet, set_title
from analysis.render.letters import fitted
from analysis.render.roc import BLUE, GREY, GRID, INK
from analysis.statistics.ranks import LEVEL, Ranks

# In inches.
_WIDTH, _LABEL, _ROW, _AROUND = 7.0, 2.4, 0.3, 1.9
_BARS = 0.25  # the width of one line that joins rows, in ranks of an axis of ten
_LEAST = 1.5  # places above the rows for the ruler


def critical_difference_figure(ranks: Ranks) -> Figure:
    """A dot per row at its mean rank, best on top; a bar joins rows that are not told apart.

    ranks   of a metric with a test
    """
    rows = ranks.ranked
    labels = [fitted(row.row, SMALL, _LABEL) for row in rows]
    extra = sum(label.count("\n") for label in labels)
    figure = new_figure(_WIDTH, _ROW * len(rows) + LINE * extra + _AROUND)
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        axes.plot([row.mean], [place], "o", color=BLUE, markersize=6, zorder=3)
        axes.text(row.mean, place - 0.42, f"{row.mean:.2f}", ha="center", va="center", fontsize=7, color=INK)
    _join(axes, ranks)
    _rule(axes, ranks.difference)
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.4, -0.6 - _LEAST)
    axes.set_xlabel("mean rank over data sets, 1 is best; bars: not told apart", fontsize=SMALL)
    statistic, p_value = ranks.friedman
    name = ranks.metric.words[0].upper() + ranks.metric.words[1:]
    title = f"{name}: mean ranks over {len(ranks.data_sets)} data sets"
    set_title(figure, f"{title}\nFriedman's test: F = {statistic:.2f}, p = {p_value:.2g}", most=3)
    quiet(axes)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    return figure


def _join(axes: Axes, ranks: Ranks) -> None:
    """Bars beside the dots, each over the rows that it joins."""
    means = [row.mean for row in ranks.ranked]
    names = [row.row for row in ranks.ranked]
    longest = max(len(means), 2)
    apart = _BARS * (longest - 1) / 9
    right = float(longest) + apart
    for number, group in enumerate(ranks.together):
        first, last = names.index(group[0]), names.index(group[-1])
        at = right + apart * number
        axes.plot([at, at], [first - 0.25, last + 0.25], color=INK, linewidth=3, solid_capstyle="butt")
        for place in range(first, last + 1):
            axes.plot([means[place], at], [place, place], ":", color=GREY, linewidth=0.8, zorder=1)
    axes.set_xlim(min(1.0, min(means)) - apart, right + apart * max(1, len(ranks.together)))


def _rule(axes: Axes, difference: float) -> None:
    """A ruler as long as the critical difference."""
    height = -0.6 - _LEAST / 2
    axes.plot([1, 1 + difference], [height, height], color=INK, linewidth=2, marker="|", markersize=9)
    words = f"critical difference {difference:.2f} (Nemenyi, {LEVEL:g})"
    axes.text(1, height - 0.45, words, ha="left", va="center", fontsize=SMALL, color=INK)
