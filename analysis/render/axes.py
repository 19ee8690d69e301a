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
_LABELS, _MARGIN_RIGHT, _TITLE_LINE = 0.72, 0.2, 0.17


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, whose axes are laid out so that all texts have room."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def place(figure: Figure, axes: Axes, *, lines_below: int = 0) -> None:
    """Place the only axes of a figure below its title, with room for labels on the left and below.

    The same room wherever tick labels have up to three digits and labels are in letters of a title's size:
    to measure all texts, as new figures do, takes as long as to draw them. `lines_below` are those of small
    letters, as of a legend, under the axes. A frame of equal scales lies in the middle of its room.
    """
    width, height = map(float, figure.get_size_inches())
    title = figure.get_suptitle().count("\n") + 1
    left, right, low = _LABELS / width, 1 - _MARGIN_RIGHT / width, (_LABELS + LINE * lines_below) / height
    top = 0.97 - (_TITLE_LINE * title + 0.08) / height
    figure.set_layout_engine("none")
    axes.set_position((left, low, right - left, top - low))


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
