"""A figure as the bytes of a file, the same ones whenever it is the same figure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# What matplotlib names clips, markers and images by: letters and ten random digits.
_RANDOM_NAME = re.compile(r'(?<=["#])(?:[a-z]|image)[0-9a-f]{10}(?=[")])')


@dataclass(frozen=True)
class Picture:
    """A figure to be written, and the numbers behind it.

    name       of its files, without an ending: "roc-0123456789abcdef"
    title      what it shows, in a line
    draw       gives the figure
    numbers    what is drawn; None where a CSV file beside the tables has it
    is_light   whether what `draw` holds is little, so that another process may draw it
    """

    name: str
    title: str
    draw: Callable[[], Figure]
    numbers: pd.DataFrame | None = None
    is_light: bool = True

    @property
    def figure(self) -> Figure:
        """The figure, drawn now."""
        return self.draw()


class Image(NamedTuple):
    """A figure as the bytes of files."""

    png: bytes
    svg: bytes


def image(draw: Callable[[], Figure]) -> Image:
    """The figure that is drawn, as PNG and SVG."""
    figure = draw()
    return Image(png(figure), svg(figure))  # laid out once, by the first


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as PNG, without a note of the software that drew it; it is laid out here, once.

    Its canvas writes it: `Figure.savefig` would draw a second time for the layout alone.
    """
    stream = BytesIO()
    before = figure.get_dpi()
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    figure.set_dpi(before)
    figure.set_layout_engine("none")
    return stream.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG, its letters as outlines, without a date or a note of the software that drew it."""
    stream = BytesIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})
    names: dict[str, str] = {}

    def in_order(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"n{len(names)}")

    return _RANDOM_NAME.sub(in_order, stream.getvalue().decode()).encode()
