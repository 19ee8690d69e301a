"""A figure as the bytes of a file, the same ones whenever it is the same figure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO

import pandas as pd
from matplotlib.figure import Figure

# What matplotlib names clips, markers and images by: letters and ten random digits.
_RANDOM_NAME = re.compile(r'(?<=["#])(?:[a-z]|image)[0-9a-f]{10}(?=[")])')


@dataclass(frozen=True)
class Picture:
    """A figure to be written, and the numbers behind it.

    name      of its files, without an ending: "roc-0123456789abcdef"
    title     what it shows, in a line
    numbers   what is drawn; None where a CSV file beside the tables has it
    """

    name: str
    title: str
    figure: Figure
    numbers: pd.DataFrame | None = None


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as PNG, without a note of the software that drew it; it is laid out here, once."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    figure.set_layout_engine("none")
    return stream.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG, its letters as outlines, without a date or a note of the software that drew it."""
    stream = BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    names: dict[str, str] = {}

    def in_order(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"n{len(names)}")

    return _RANDOM_NAME.sub(in_order, stream.getvalue().decode()).encode()
