"""Throughput and peak memory against replicates per device, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.render.letters import fitted

_WIDTH = 9.0  # inches
_INK, _GREY = "#222222", "#8c96a3"
_COLOURS = ("#1f5fa8", "#d9722e", "#4c8a4a", "#7a5195")


def draw_scaling(result: Mapping[str, Any], path: Path) -> None:
    """Write the figure of a result's summary as PNG."""
    scaling_figure(result).savefig(path, dpi=150, format="png", metadata={"Software": None})


def scaling_figure(result: Mapping[str, Any]) -> Figure:
    """The figure of a result's summary. Dashed: the usual loop where it was measured too."""
    figure = Figure(figsize=(_WIDTH, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    speed, memory = figure.subplots(1, 2)
    for colour, one in zip(_COLOURS, result["summary"]["scaling"], strict=False):
        rows = [row for row in one["rows"] if row["train"] and row["peak_memory_bytes"]]
        counts = [row["replicates"] for row in rows]
        style: dict[str, Any] = {"marker": "o", "color": colour, "label": f"width {one['width']}"}
        speed.plot(counts, [row["train"]["median"] for row in rows], **style)
        speed.fill_between(
            counts,
            [row["train"]["min"] for row in rows],
            [row["train"]["max"] for row in rows],
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
        memory.plot(counts, [row["peak_memory_bytes"] / row["replicates"] / 2**20 for row in rows], **style)
        plain = _plain_rate(result, one["width"])
        if plain is not None:
            speed.axhline(
                plain, color=colour, linestyle="--", linewidth=1, label=f"plain, width {one['width']}"
            )
    speed.set(ylabel="training images per second", yscale="log")
    memory.set(ylabel="peak memory per replicate (MiB)", yscale="log")
    counts = sorted({row["replicates"] for one in result["summary"]["scaling"] for row in one["rows"]})
    for axes in (speed, memory):
        axes.set(xlabel="replicates in one process", xscale="log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.grid(color="#e6e8eb", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK)
    if result["summary"]["scaling"]:
        speed.legend(frameon=False, fontsize=8)
    machine = result["machine"]
    place = machine.get("gpu") or f"{machine['processor']}, {machine['cores']} cores"
    title = fitted(f"ResNet-10, batch 64, with constraint: {place}", 10, _WIDTH - 0.3)
    figure.suptitle(title, fontsize=10, color=_GREY)
    return figure


def _plain_rate(result: Mapping[str, Any], width: int) -> float | None:
    for one in result["summary"]["comparisons"]:
        if one["width"] == width and one["constrained"]:
            rate = next((row["train"] for row in one["rows"] if row["kind"] == "plain"), None)
            return None if rate is None else float(rate["median"])
    return None
