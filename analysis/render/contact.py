"""A contact sheet: a row of examples per class or label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.render.letters import fitted, inches
from analysis.render.roc import INK

# Letters in points; lengths in inches.
_TITLE, _SMALL = 10, 9
_CELL, _MARGIN, _HEAD, _WIDEST = 0.85, 0.15, 0.55, 2.4
# The gap between images, as a share of an image's side.
_GAP = 0.06
_WHITE = 255


class SheetRow(NamedTuple):
    """What a row is called, and its images: uint8 [n, C, H, W], grey or colour."""

    name: str
    images: NDArray[Any]


def contact_sheet(rows: Sequence[SheetRow], *, title: str) -> Figure:
    """The rows below one another, images at the size of a thumb. All images have one shape."""
    mosaic, pitch = _mosaic(rows)
    names = [fitted(row.name, _SMALL, _WIDEST, most=3) for row in rows]
    left = 2 * _MARGIN + max(inches(line, _SMALL) for name in names for line in name.split("\n"))
    most = max(len(row.images) for row in rows)
    across, upwards = most * _CELL, len(rows) * _CELL * pitch[0] / pitch[1]
    width, height = left + across + _MARGIN, _HEAD + upwards + _MARGIN
    head = fitted(title, _TITLE, width - 2 * _MARGIN, most=2)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / width, _MARGIN / height, across / width, upwards / height))
    axes.imshow(mosaic, interpolation="nearest", aspect="auto")
    axes.set_yticks([(row + 0.5) * pitch[0] for row in range(len(rows))], names, fontsize=_SMALL, color=INK)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.text(_MARGIN / width, 1 - _MARGIN / height, head, fontsize=_TITLE, va="top", color=INK)
    return figure


def _mosaic(rows: Sequence[SheetRow]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """All images on white, uint8 [H, W, 3], and the height and width of a cell with its gap."""
    high, wide = rows[0].images.shape[2:]
    pitch = high + max(1, round(_GAP * high)), wide + max(1, round(_GAP * wide))
    most = max(len(row.images) for row in rows)
    mosaic = np.full((len(rows) * pitch[0], most * pitch[1], 3), _WHITE, dtype=np.uint8)
    for place, row in enumerate(rows):
        for position, image in enumerate(row.images):
            top, left = place * pitch[0], position * pitch[1]
            mosaic[top : top + high, left : left + wide] = image.transpose(1, 2, 0)
    return mosaic, pitch
