"""The figure of which settings decide."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.render.axes import LINE, SMALL, new_figure, quiet, set_title
from analysis.render.letters import fitted
from analysis.render.roc import BLUE, GRID, INK

# In inches.
_WIDTH, _LABEL, _ROW, _AROUND = 6.4, 2.4, 0.34, 1.3
_MOST = 20


def importance_figure(frame: pd.DataFrame, *, title: str) -> Figure:
    """A bar per setting, the weightiest first, of at most 20.

    frame   the rows of one block, as `analysis.importance.importance_frame` gives them
    """
    shown = frame.head(_MOST)
    labels = [fitted(str(name), SMALL, _LABEL) for name in shown["setting"]]
    extra = sum(label.count("\n") for label in labels)
    figure = new_figure(_WIDTH, _ROW * len(shown) + LINE * extra + _AROUND)
    axes = figure.add_subplot()
    shares = 100 * shown["importance"]
    axes.barh(range(len(shown)), shares, color=BLUE, height=0.6)
    for place, (share, values) in enumerate(zip(shares, shown["values"], strict=True)):
        words = f" {share:.0f} % ({values} values)"
        axes.text(share, place, words, va="center", fontsize=SMALL, color=INK)
    axes.set_yticks(range(len(shown)), labels)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.35 * max(float(shares.max()), 1.0))
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= 100])
    axes.set_xlabel("importance for the best tenth on validation (%), PED-ANOVA", fontsize=SMALL)
    set_title(figure, title)
    quiet(axes)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    return figure
