"""What the axes of all figures look like. Letters in points, lengths in inches."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.render.letters import fitted
from analysis.render.roc import INK

TITLE, SMALL, TINY = 10, 9, 7
MARGIN = 0.3
LINE = 0.17  # the height of a line of small letters
KEY = 0.55  # what a legend draws before a text


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, whose axes are laid out so that all texts have room."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def set_title(figure: Figure, title: str, *, most: int = 2) -> None:
    """A title above all axes, of one line or several; each is broken where it is too long."""
    width = float(figure.get_figwidth()) - MARGIN
    lines = [fitted(line, TITLE, width, most=most) for line in title.split("\n")]
    figure.suptitle("\n".join(lines), fontsize=TITLE)


def quiet(axes: Axes) -> None:
    """Without a frame at the top and on the right, small ticks, the grid behind all."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b8bec6")
    axes.tick_params(colors=INK, labelsize=SMALL, length=3)
    axes.set_axisbelow(True)
