"""Figures: the ROC curve of a trial, and the table as a picture.

Drawn with matplotlib's objects and its Agg canvas; nothing global is touched, so threads may draw at once.
"""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.records import OPERATING_POINTS, ensemble_scores
from analysis.render.escape import single_line
from analysis.render.layout import is_final
from analysis.tables import Tables, write_whole
from trainer.metrics import binary as metrics

_INK, _GREY, _BLUE, _ORANGE = "#222222", "#8c96a3", "#1f5fa8", "#d9722e"
_LINE = 64  # characters that fit above a panel
_MARKERS = ("o", "s", "D")


def roc_figure(targets: NDArray[np.int8], scores: NDArray[np.float32], *, title: str) -> Figure:
    """ROC curves of a trial: each replicate thin, the ensemble bold, its operating points marked.

    targets [examples] in {0, 1}; scores [replicates, examples], higher is more critical. Where the curve is
    undefined the figure says why.
    """
    figure = Figure(figsize=(6.0, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ensemble = ensemble_scores(scores)
    reason = metrics.undefined_reason(targets, ensemble)
    if reason is None:
        _draw_roc(axes, targets, scores, ensemble)
    else:
        axes.text(50, 50, f"ROC curve undefined: {_plain(reason)}", ha="center", color=_INK, wrap=True)
    axes.set(
        xlim=(-1, 101),
        ylim=(-1, 101),
        xlabel="False positive rate (%)",
        ylabel="True positive rate (%)",
        aspect="equal",
    )
    axes.set_title(_plain(title), fontsize=10, wrap=True)
    _quiet(axes)
    axes.grid(color="#e6e8eb", linewidth=0.8)
    return figure


def table_figure(frame: pd.DataFrame) -> Figure:
    """FPR at 98 % TPR per loss, with and without the constraint, a panel per block; less is better.

    Thin bars are the 95 % intervals over test examples. `frame` is `analysis.tables.Tables.frame`. Cells that
    are incomplete or have pruned candidates are hollow. The two of a loss stand a little apart, so that equal
    values show.
    """
    blocks = list(frame["block"].drop_duplicates())
    columns = min(2, max(1, len(blocks)))
    lines = max(1, math.ceil(len(blocks) / columns))
    tallest = max((int(frame.loc[frame["block"] == b, "family"].nunique()) for b in blocks), default=1)
    size = (5.2 * columns, lines * (1.2 + 0.42 * tallest) + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, block in zip(grid, blocks, strict=False):
        _draw_block(axes, frame[frame["block"] == block], str(block))
    for axes in grid[len(blocks) :]:
        axes.set_axis_off()
    handles = [
        axes_line
        for label, color in (("without constraint", _GREY), ("with ALM constraint", _BLUE))
        for axes_line in grid[0].plot([], [], "o", color=color, label=label)
    ]
    if not all(is_final(record) for record in frame.to_dict("records")):
        handles += grid[0].plot(
            [], [], "o", color=_INK, markerfacecolor="white", label="incomplete or pruned"
        )
    # As wide as one panel at most.
    figure.legend(
        handles=handles, loc="outside lower center", ncols=2 if columns == 1 else 3, frameon=False, fontsize=9
    )
    return figure


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as PNG, without a note of the software that drew it."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def write_figures(tables: Tables, out_dir: str | Path) -> tuple[Path, ...]:
    """Write `table.png` and, per cell with a result, `roc-<trial id>.png`; returns their paths."""
    folder = Path(out_dir)
    files = [write_whole(folder / "table.png", png(table_figure(tables.frame)))]
    for cell in tables.cells:
        if cell.test is not None:
            figure = roc_figure(cell.test.targets, cell.test.scores, title=f"{cell.block}  {cell.row}")
            files.append(write_whole(folder / f"roc-{cell.test.trial_id}.png", png(figure)))
    return tuple(files)


def _draw_roc(
    axes: Axes, targets: NDArray[np.int8], scores: NDArray[np.float32], ensemble: NDArray[np.float64]
) -> None:
    axes.plot([0, 100], [0, 100], color="#c9ced4", linewidth=1, linestyle=(0, (4, 4)))
    label: str | None = f"replicates ({len(scores)})"
    for row in scores:
        points = metrics.roc_points(targets, row)
        axes.plot(100 * points.fpr, 100 * points.tpr, color=_GREY, linewidth=0.8, alpha=0.6, label=label)
        label = None
    points = metrics.roc_points(targets, ensemble)
    area = metrics.auroc(targets, ensemble)
    axes.plot(
        100 * points.fpr, 100 * points.tpr, color=_BLUE, linewidth=2.4, label=f"ensemble, AUC {area:.4f}"
    )
    for percent, marker in zip(OPERATING_POINTS, _MARKERS, strict=True):
        rate = metrics.fpr_at_tpr(targets, ensemble, percent / 100)
        reached = float(points.tpr[points.fpr <= rate].max())
        axes.plot(
            [100 * rate],
            [100 * reached],
            marker,
            color=_ORANGE,
            markeredgecolor="white",
            markersize=8,
            zorder=5,
            label=f"TPR ≥ {percent} %: FPR {100 * rate:.1f} %",
        )
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _draw_block(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    families = list(rows["family"].drop_duplicates())
    for position, family in enumerate(families):
        pair = rows[rows["family"] == family].dropna(subset=["fpr_at_tpr_98"]).to_dict("records")
        places = [
            (100 * float(r["fpr_at_tpr_98"]), position + (0.14 if r["constrained"] else -0.14)) for r in pair
        ]
        axes.plot([x for x, _ in places], [y for _, y in places], color="#d5dae0", linewidth=3, zorder=1)
        for record, (rate, height) in zip(pair, places, strict=True):
            color = _BLUE if record["constrained"] else _GREY
            face = color if is_final(record) else "white"
            ends = [100 * float(record[f"fpr_at_tpr_98_{end}"]) for end in ("low", "high")]
            axes.plot(
                ends, [height, height], color=color, linewidth=1.2, marker="|", markersize=5, zorder=1.5
            )
            axes.plot([rate], [height], "o", color=color, markerfacecolor=face, markersize=8, zorder=2)
        if not pair:
            across = axes.get_yaxis_transform()
            axes.text(0.02, position, "no result", transform=across, va="center", color=_GREY, fontsize=9)
    axes.set_yticks(range(len(families)), families)
    axes.set_ylim(len(families) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.set_xlabel("FPR at 98 % TPR (%), test ensemble, 95 % interval", fontsize=9)
    axes.set_title(_plain(title, _LINE), fontsize=10, loc="left")
    _quiet(axes)
    axes.grid(axis="x", color="#e6e8eb", linewidth=0.8)


def _quiet(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b8bec6")
    axes.tick_params(colors=_INK, labelsize=9, length=3)
    axes.set_axisbelow(True)


def _plain(text: str, longest: int = 200) -> str:
    """Text for a picture: on one line, short enough to leave room for the axes, never read as mathematics."""
    line = single_line(text)
    short = line if len(line) <= longest else f"{line[: longest - 1]}…"
    return short.replace("$", r"\$")
