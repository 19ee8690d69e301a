"""The ROC picture of a trial: what is drawn, and its form as SVG, written in a millisecond.

Every trial of a sweep gets the SVG. The figures beside the tables are matplotlib's (`figures`); importing it
and drawing one takes 100 times as long.

One column: each replicate thin, the ensemble bold, its operating points marked. Several columns: the ensemble
of each in a colour of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.records import ensemble_outputs
from analysis.render.escape import text_width
from analysis.render.folding import folded
from search_spaces.config import Targets, Task, percent
from trainer.metrics import binary as metrics
from trainer.tasks.base import Column, task_arrays

INK, GREY, BLUE, ORANGE = "#222222", "#8c96a3", "#1f5fa8", "#d9722e"
DIAGONAL, GRID = "#c9ced4", "#e6e8eb"
ACROSS, UPWARDS = "False positive rate (%)", "True positive rate (%)"
# Of several columns, one after another.
COLORS = (BLUE, ORANGE, "#2e8b57", "#7d4fa8", "#b8860b", "#c0395b", "#3f9fb5", "#6b6b6b")
_WIDTH, _HEIGHT = 640, 660
_LEFT, _TOP, _SIDE = 60, 40, 560
# Pixels: how long a text may be in the picture and in its axes, and from line to line.
_ACROSS, _WITHIN, _LINE = 620, 510, 18


@dataclass(frozen=True)
class Curve:
    """A ROC curve to draw; `label` "" for one that the legend does not tell."""

    points: metrics.RocPoints
    color: str
    label: str
    is_ensemble: bool

    @property
    def width(self) -> float:
        """Of the line, in points or pixels."""
        return 2.4 if self.is_ensemble else 0.8


@dataclass(frozen=True)
class Mark:
    """An operating point: its two rates (0 to 1)."""

    fpr: float
    tpr: float
    label: str


@dataclass(frozen=True)
class RocPicture:
    """What a ROC picture shows, in the order of drawing; nothing but the words `undefined`, where it is."""

    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    undefined: str | None = None


def roc_picture(
    task: Task, rates: Targets, targets: NDArray[Any], outputs: NDArray[np.float32]
) -> RocPicture:
    """The ROC curves of a trial, and its operating points at each true positive rate of `rates`.

    targets [examples]; outputs [replicates, examples] or [replicates, examples, classes].
    """
    arrays = task_arrays(task, rates)
    ensemble = ensemble_outputs(outputs)
    reason = arrays.undefined_reason(targets, ensemble)
    if reason is not None:
        return RocPicture(undefined=f"ROC curve undefined: {reason}")
    columns = arrays.columns(targets, ensemble)
    if len(columns) > 1:
        return RocPicture(tuple(map(_curve_of_several, columns, cycle(COLORS))))
    ranked, (scores,) = _compared(columns[0])
    _, rows = _compared(arrays.columns(targets, outputs)[0])
    curves, label = [], f"replicates ({len(outputs)})"
    for row in rows:
        curves.append(Curve(metrics.roc_points(ranked, row), GREY, label, is_ensemble=False))
        label = ""  # the legend tells them once
    label = f"ensemble, AUC {metrics.auroc(ranked, scores):.4f}"
    points = metrics.roc_points(ranked, scores)
    curves.append(Curve(points, BLUE, label, is_ensemble=True))
    marks = [_mark(points, metrics.fpr_at_tpr(ranked, scores, rate), rate) for rate in rates.tpr]
    return RocPicture(tuple(curves), tuple(marks))


def roc_svg(picture: RocPicture, *, title: str) -> str:
    """The picture as SVG text. Where the curve is undefined it says why."""
    if picture.undefined is None:
        content = _drawn(picture)
    else:
        content = []
        for number, words in enumerate(folded(picture.undefined, _WITHIN, _pixels, most=10)):
            content.append(_text(_LEFT + _SIDE / 2, _TOP + _SIDE / 2 + _LINE * number, words, "middle"))
    (title,) = folded(title, _ACROSS, _pixels, most=1)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13" fill="{INK}">'
    )
    ground = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return "\n".join([head, ground, *_frame(title), *content, "</svg>"])


def _curve_of_several(column: Column, color: str) -> Curve:
    ranked, (scores,) = _compared(column)
    label = f"{column.name}, AUC {metrics.auroc(ranked, scores):.4f}"
    return Curve(metrics.roc_points(ranked, scores), color, label, is_ensemble=True)


def _compared(column: Column) -> tuple[NDArray[np.int8], NDArray[Any]]:
    """Targets [n] and scores [rows, n] of the n examples that a column compares, in their order."""
    taken = column.positive | column.negative
    return column.positive[taken].astype(np.int8), column.scores[:, taken]


def _mark(points: metrics.RocPoints, fpr: float, rate: float) -> Mark:
    reached = float(points.tpr[points.fpr <= fpr].max())
    return Mark(fpr, reached, f"TPR ≥ {percent(rate)} %: FPR {100 * fpr:.1f} %")


def _drawn(picture: RocPicture) -> list[str]:
    parts, legend = [], []
    for curve in picture.curves:
        parts.append(_line(curve.points, curve.color, curve.width))
        if curve.label:
            legend.append((curve.label, curve.color))
    for mark in picture.marks:
        x, y = _place(mark.fpr, mark.tpr)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{ORANGE}" stroke="white"/>')
        legend.append((mark.label, ORANGE))
    # One curve needs no key to its colour.
    has_key = not picture.marks and len(picture.curves) > 1
    for number, (words, color) in enumerate(reversed(legend)):
        x, y = _LEFT + _SIDE - 12, _TOP + _SIDE - 14 - 20 * number
        if has_key:
            parts.append(f'<path d="M{x - 16} {y - 4}H{x}" stroke="{color}" stroke-width="2.4"/>')
            x -= 24
        (words,) = folded(words, _WITHIN, _pixels, most=1)
        parts.append(_text(x, y, words, "end"))
    return parts


def _frame(title: str) -> list[str]:
    parts = [_text(_WIDTH / 2, 24, title, "middle")]
    for tick in range(0, 101, 20):
        x, y = _place(tick / 100, tick / 100)
        parts += [
            f'<path d="M{x:.0f} {_TOP}V{_TOP + _SIDE}M{_LEFT} {y:.0f}H{_LEFT + _SIDE}" stroke="{GRID}"/>',
            _text(x, _TOP + _SIDE + 20, str(tick), "middle"),
            _text(_LEFT - 8, y + 4, str(tick), "end"),
        ]
    middle = _TOP + _SIDE / 2
    return [
        *parts,
        f'<path d="M{_LEFT} {_TOP + _SIDE}L{_LEFT + _SIDE} {_TOP}" stroke="{DIAGONAL}" '
        'stroke-dasharray="4 4"/>',
        _text(_LEFT + _SIDE / 2, _HEIGHT - 14, ACROSS, "middle"),
        f'<g transform="rotate(-90 16 {middle})">{_text(16, middle, UPWARDS, "middle")}</g>',
    ]


def corners(points: metrics.RocPoints) -> metrics.RocPoints:
    """A curve without its points between two others on one horizontal or vertical line."""
    flat, steep = np.diff(points.fpr) == 0, np.diff(points.tpr) == 0
    between = (flat[:-1] & flat[1:]) | (steep[:-1] & steep[1:])
    kept = np.r_[True, ~between, True][: len(points.fpr)]
    return metrics.RocPoints(points.fpr[kept], points.tpr[kept], points.thresholds[kept])


def _line(points: metrics.RocPoints, color: str, width: float) -> str:
    """The curve's corners joined."""
    pairs, joined = [], corners(points)
    for fpr, tpr in zip(joined.fpr, joined.tpr, strict=True):
        x, y = _place(fpr, tpr)
        pairs.append(f"{x:.1f},{y:.1f}")
    return f'<polyline points="{" ".join(pairs)}" fill="none" stroke="{color}" stroke-width="{width}"/>'


def _place(fpr: float, tpr: float) -> tuple[float, float]:
    return _LEFT + _SIDE * fpr, _TOP + _SIDE * (1 - tpr)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'


def _pixels(text: str) -> float:
    """How long a text is at most, in a browser's font of 13 pixels without serifs."""
    length = 0.0
    for letter in text:
        if letter in "mMwW@%…" or text_width(letter) > 1:
            length += 13
        else:
            length += 10.3 if letter.isupper() else 8.4
    return length
