"""The classes of a task along an axis of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes

from analysis.render.letters import drawable
from analysis.render.roc import INK

# So many classes each have their label; of more every tenth place is marked.
LABELLED, _STEP = 25, 10
# Letters of a label that is not turned, and the most of any.
UPRIGHT, _LONGEST = 2, 12
TINY = 7  # letters in points


def mark_classes(axes: Axes, labels: Sequence[str], side: Literal["x", "y"]) -> None:
    """The classes at an axis: by their labels, of many every tenth place from 0."""
    set_ticks = axes.set_xticks if side == "x" else axes.set_yticks
    if len(labels) > LABELLED:
        places = range(0, len(labels), _STEP)
        set_ticks(places, [str(place) for place in places])
    else:
        is_turned = side == "x" and max(map(len, labels)) > UPRIGHT
        set_ticks(range(len(labels)), [_short(label) for label in labels], rotation=90 if is_turned else 0)
    axes.tick_params(axis=side, colors=INK, labelsize=TINY, length=2)


def _short(label: str) -> str:
    text = drawable(label).replace("$", r"\$")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
