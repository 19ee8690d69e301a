"""The classes of a task along an axis of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes

from analysis.render.letters import drawable
from analysis.render.roc import INK

# So many classes each have their label; of more every tenth has.
_LABELLED, _STEP = 25, 10
# Letters of a label that is not turned, and the most of any.
_UPRIGHT, _LONGEST = 2, 12
TINY = 7  # letters in points


def mark_classes(axes: Axes, labels: Sequence[str], side: Literal["x", "y"]) -> None:
    """The classes at an axis, by their labels; of many the first and every tenth behind it."""
    set_ticks = axes.set_xticks if side == "x" else axes.set_yticks
    places = _marked(labels)
    words = [_short(labels[place]) for place in places]
    set_ticks(places, words, rotation=90 if side == "x" and are_turned(labels) else 0)
    axes.tick_params(axis=side, colors=INK, labelsize=TINY, length=2)


def are_turned(labels: Sequence[str]) -> bool:
    """Whether labels stand upright below an axis, and take room there."""
    return max(len(labels[place]) for place in _marked(labels)) > _UPRIGHT


def _marked(labels: Sequence[str]) -> range:
    """The places that are marked."""
    return range(0, len(labels), 1 if len(labels) <= _LABELLED else _STEP)


def _short(label: str) -> str:
    text = drawable(label).replace("$", r"\$")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
