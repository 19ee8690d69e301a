"""The landscape of a cell: what each candidate reaches on validation, over its margin and penalty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.render.axes import KEY, LINE, MARGIN, SMALL, TINY, new_figure, quiet, set_title
from analysis.render.letters import fitted, inches
from analysis.render.roc import GREY, GRID, INK, ORANGE
from analysis.render.rows import Record
from search_spaces.config import Metric

# In inches.
_PANEL, _HEIGHT, _FIELD, _AROUND = 3.4, 3.2, 0.62, 1.5
_ABREAST, _MOST_PANELS = 3, 12
# Of up to so many values an axis has a place for each; of more it is a scale.
_MOST_PLACES = 10
_COLORS = "cividis"
# Marks of candidates without a value, by their state.
_WITHOUT = {"pruned": "v", "diverged": "P", "failed": "X", "partial": "s", "pending": "."}


@dataclass(frozen=True)
class _Axis:
    """Where the values of a setting stand: at places of their own, or on a scale."""

    label: str
    values: tuple[float, ...]

    @property
    def has_places(self) -> bool:
        return len(self.values) <= _MOST_PLACES

    def at(self, value: float) -> float:
        """Where a value stands."""
        return float(self.values.index(value)) if self.has_places else value


def landscape_figure(frame: pd.DataFrame, metric: Metric, *, title: str) -> Figure:
    """A panel per loss, and per further settings in which candidates differ, as long as these are few.

    Colour and number tell the value on validation; candidates without one are told apart by their mark; a
    ring marks the chosen one.

    frame    as `analysis.numbers.landscape.landscape_frame` gives it
    metric   whose values these are
    """
    panels = _panels(frame)
    margins = _Axis("margin δ", tuple(sorted(set(frame["margin"]))))
    penalties = _Axis("penalty μ", tuple(sorted(set(frame["penalty"]))))
    across = min(_ABREAST, len(panels))
    upwards = math.ceil(len(panels) / across)
    width = max(_PANEL, _FIELD * len(margins.values) + 0.9 if margins.has_places else 0)
    height = max(_HEIGHT, 0.4 * len(penalties.values) + 1 if penalties.has_places else 0)
    figure = new_figure(width * across + 1.0, height * upwards + _AROUND)
    grid = figure.subplots(upwards, across, squeeze=False)
    values = frame["value"].dropna()
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    colors = ScalarMappable(Normalize(low, high if high > low else low + 1e-9), _COLORS)
    for axes, (name, records) in zip(grid.ravel(), panels.items(), strict=False):
        _draw(axes, records, (margins, penalties), colors)
        axes.set_title(fitted(name, SMALL, width - 0.6, most=3), fontsize=SMALL)
    for axes in grid.ravel()[len(panels) :]:
        axes.set_axis_off()
    bar = figure.colorbar(colors, ax=grid, shrink=0.8, pad=0.02)
    bar.set_label(fitted(f"{metric.words} on validation, {metric.better} is better", SMALL, height))
    bar.ax.tick_params(colors=INK, labelsize=SMALL, length=2)
    bar.outline.set_visible(False)
    set_title(figure, title)
    _tell(figure, grid[0, 0], frame)
    return figure


def _panels(frame: pd.DataFrame) -> dict[str, list[Record]]:
    """Candidates by what their panel is called."""
    together: dict[str, list[Record]] = {}
    apart: dict[str, list[Record]] = {}
    for record in frame.to_dict("records"):
        others = f", {record['others']}" if record["others"] else ""
        together.setdefault(str(record["loss"]), []).append(record)
        apart.setdefault(f"{record['loss']}{others}", []).append(record)
    return apart if len(apart) <= _MOST_PANELS else together


def _draw(axes: Axes, records: Sequence[Record], scales: tuple[_Axis, _Axis], colors: ScalarMappable) -> None:
    has_places = all(scale.has_places for scale in scales)
    # The chosen one last, so that it lies on top of others at its place.
    for record in sorted(records, key=lambda record: bool(record["chosen"])):
        x, y = scales[0].at(record["margin"]), scales[1].at(record["penalty"])
        value = record["value"]
        if math.isnan(value):
            axes.plot([x], [y], _WITHOUT.get(record["state"], "."), color=GREY, markersize=8)
            continue
        color = colors.to_rgba(value)
        marker = "s" if has_places else "o"
        axes.plot([x], [y], marker, color=color, markersize=21 if has_places else 9, markeredgecolor="white")
        if record["chosen"]:
            size = 27 if has_places else 15
            axes.plot([x], [y], "o", color=ORANGE, markerfacecolor="none", markersize=size, markeredgewidth=2)
        if has_places:
            light = colors.to_rgba(value)[1] < 0.55  # by its green, as the colours grow lighter
            words = f"{value:.3f}".removeprefix("0")
            shade = "white" if light else INK
            axes.text(x, y, words, ha="center", va="center", fontsize=TINY, color=shade)
            if record["state"] != "done":
                mark = _WITHOUT.get(record["state"], ".")
                axes.plot([x + 0.3], [y + 0.3], mark, color=GREY, markersize=6)
    _scale(axes, scales)
    quiet(axes)
    axes.grid(color=GRID, linewidth=0.8)


def _scale(axes: Axes, scales: tuple[_Axis, _Axis]) -> None:
    margins, penalties = scales
    axes.set_xlabel(margins.label, fontsize=SMALL)
    axes.set_ylabel(penalties.label, fontsize=SMALL)
    if margins.has_places:
        axes.set_xticks(range(len(margins.values)), [f"{value:.3g}" for value in margins.values])
        axes.set_xlim(-0.7, len(margins.values) - 0.3)
    if penalties.has_places:
        axes.set_yticks(range(len(penalties.values)), [f"{value:.3g}" for value in penalties.values])
        axes.set_ylim(-0.7, len(penalties.values) - 0.3)
    else:
        axes.set_yscale("log")


def _tell(figure: Figure, axes: Axes, frame: pd.DataFrame) -> None:
    """The legend below all panels: the marks that occur."""
    told: Mapping[str, tuple[str, str]] = {}
    if frame["chosen"].any():
        told = {"chosen": ("o", ORANGE)}
    for state, marker in _WITHOUT.items():
        if (frame["state"] == state).any():
            told = {**told, state: (marker, GREY)}
    handles = []
    for label, (marker, color) in told.items():
        face = "none" if label == "chosen" else color
        handles += axes.plot([], [], marker, color=color, markerfacecolor=face, label=label, markersize=8)
    if handles:
        width = float(figure.get_figwidth()) - MARGIN
        longest = max(inches(label, SMALL) for label in told) + KEY + LINE
        abreast = max(1, min(len(handles), int(width / longest)))
        figure.legend(
            handles=handles, loc="outside lower center", ncols=abreast, frameon=False, fontsize=SMALL
        )
