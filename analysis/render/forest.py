"""The forest plot of the constraint's effect: every pair of rows in every metric, and the mean over pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.render.axes import KEY, LINE, MARGIN, SMALL, TITLE, new_figure, quiet, set_title
from analysis.render.letters import fitted, inches
from analysis.render.roc import BLUE, GREY, GRID, INK, ORANGE
from analysis.render.rows import Record
from analysis.statistics.comparison import SIGNIFICANT
from analysis.table_columns import column_name
from search_spaces.config import Metric

# In inches.
_PANEL, _LABEL, _ROW, _AROUND = 2.3, 2.6, 0.34, 1.6
_ABREAST = 4
_APART = 0.15  # of the two marks of a pair
_BOTH = ("difference", "low", "high"), ("mean_difference", "mean_low", "mean_high")


def forest_figure(frame: pd.DataFrame, metrics: Sequence[Metric]) -> Figure:
    """A panel per metric, at most four abreast; a row per pair below its block, the mean over pairs last.

    Per pair two marks with their 95 % intervals, which answer two questions: the ensembles as they are, over
    test examples; the mean over seeds, over seeds and test examples. What is not resolved is a cross without
    an interval; hollow is what is incomplete.

    frame     as `analysis.numbers.effect.effect_frame` gives it, of one pair at least
    """
    lines = _lines(frame)
    labels = [fitted(text, SMALL, _LABEL) for text, _ in lines]
    beside = max(inches(part, SMALL) for label in labels for part in label.split("\n"))
    across = min(_ABREAST, len(metrics))
    upwards = math.ceil(len(metrics) / across)
    heights = [_ROW + LINE * label.count("\n") for label in labels]
    figure = new_figure(beside + MARGIN + _PANEL * across, (sum(heights) + _AROUND) * upwards + LINE * 4)
    grid = figure.subplots(upwards, across, squeeze=False)
    for place, axes in enumerate(grid.ravel()):
        if place >= len(metrics):
            axes.set_axis_off()
            continue
        _draw(axes, lines, metrics[place])
        shown = labels if place % across == 0 else [""] * len(labels)
        axes.set_yticks(range(len(lines)), shown)
        for tick, (_, records) in zip(axes.get_yticklabels(), lines, strict=True):
            tick.set_fontweight("normal" if records else "bold")
    set_title(figure, "With the constraint minus without, on test", most=3)
    _tell(figure, grid[0, 0], frame)
    return figure


def _lines(frame: pd.DataFrame) -> list[tuple[str, dict[str, Record]]]:
    """The rows of the figure: a block's name without records, or a pair's name and records by metric."""
    found: list[tuple[str, dict[str, Record]]] = []
    block = None
    for record in frame.to_dict("records"):
        if record["block"] != block:
            block = record["block"]
            found.append((str(block) or "All blocks", {}))
        name = str(record["row"]).replace(" + ALM", "")
        if found[-1][0] != name or not found[-1][1]:
            found.append((name, {}))
        found[-1][1][str(record["metric"])] = record
    return found


def _draw(axes: Axes, lines: Sequence[tuple[str, dict[str, Record]]], metric: Metric) -> None:
    axes.axvline(0, color=GREY, linewidth=1, zorder=1)
    for place, (_, records) in enumerate(lines):
        record = records.get(column_name(metric))
        if record is None:
            continue
        is_mean = not record["block"]
        for (value, low, high), apart, color, marker in zip(
            _BOTH, (-_APART, _APART), (BLUE, ORANGE), ("o", "D"), strict=True
        ):
            if math.isnan(record[value]):
                continue
            height = place + (0 if is_mean else apart)
            ends = [metric.scale * float(record[low]), metric.scale * float(record[high])]
            axes.plot(ends, [height, height], color=color, linewidth=1.4, marker="|", markersize=5, zorder=2)
            face = color if record["complete"] else "white"
            shape = marker if record["resolved"] else "x"
            axes.plot(
                [metric.scale * float(record[value])],
                [height],
                shape,
                color=color,
                markerfacecolor=face,
                markersize=7 if is_mean else 6,
                zorder=3,
            )
        if not is_mean and record["p_holm"] <= SIGNIFICANT:
            at = axes.get_yaxis_transform()
            axes.text(0.99, place, "*", transform=at, ha="right", va="center", color=INK, fontsize=TITLE)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.margins(x=0.12)
    unit = " (points)" if metric.scale == 100 else ""
    quantity = metric.words[0].upper() + metric.words[1:]
    axes.set_title(fitted(f"{quantity}{unit}", SMALL, _PANEL - 0.2), fontsize=SMALL)
    side = "left" if metric.better == "lower" else "right"
    axes.set_xlabel(f"better: {side}", fontsize=SMALL)
    axes.locator_params(axis="x", nbins=4)
    quiet(axes)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)


def _tell(figure: Figure, axes: Axes, frame: pd.DataFrame) -> None:
    """The legend below all panels: what occurs, and no more."""
    told = [("ensembles, interval over test examples", "o", BLUE, BLUE)]
    if frame["mean_difference"].notna().any():
        told.append(("mean over seeds, interval over seeds and test examples", "D", ORANGE, ORANGE))
    if not frame["resolved"].all():
        told.append(("too few positives to read it: no interval", "x", INK, INK))
    if not frame["complete"].all():
        told.append(("incomplete or pruned", "o", INK, "white"))
    if (frame["p_holm"] <= SIGNIFICANT).any():
        told.append((f"ensembles differ, p ≤ {SIGNIFICANT:g} (Holm)", "$*$", INK, INK))
    handles = []
    for label, marker, color, face in told:
        handles += axes.plot(
            [], [], linestyle="none", marker=marker, color=color, markerfacecolor=face, label=label
        )
    width = float(figure.get_figwidth()) - MARGIN
    longest = max(inches(label, SMALL) for label, *_ in told) + KEY
    abreast = max(1, min(len(told), int(width / longest)))
    figure.legend(handles=handles, loc="outside lower center", ncols=abreast, frameon=False, fontsize=SMALL)
