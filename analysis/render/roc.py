"""A trial's ROC curve as SVG text, written in a millisecond: every trial of a sweep gets one.

The figures of the tables are matplotlib's (`figures`); importing it and drawing one takes 100 times as long.
"""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from analysis.records import OPERATING_POINTS, ensemble_scores
from trainer.metrics import binary as metrics

_INK, _GREY, _BLUE, _ORANGE = "#222222", "#8c96a3", "#1f5fa8", "#d9722e"
_WIDTH, _HEIGHT = 640, 660
_LEFT, _TOP, _SIDE = 60, 40, 560
_TITLE_LENGTH = 90


def roc_svg(targets: NDArray[np.int8], scores: NDArray[np.float32], *, title: str) -> str:
    """ROC curves of a trial: each replicate thin, the ensemble bold, its operating points marked.

    targets [examples] in {0, 1}; scores [replicates, examples], higher is more critical. Where the curve is
    undefined the picture says why.
    """
    ensemble = ensemble_scores(scores)
    reason = metrics.undefined_reason(targets, ensemble)
    if reason is None:
        content = _curves(targets, scores, ensemble)
    else:
        content = [_text(_LEFT + _SIDE / 2, _TOP + _SIDE / 2, f"ROC curve undefined: {reason}", "middle")]
    shown = title if len(title) <= _TITLE_LENGTH else title[: _TITLE_LENGTH - 1] + "…"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13" fill="{_INK}">'
    )
    ground = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return "\n".join([head, ground, *_frame(shown), *content, "</svg>"])


def _curves(
    targets: NDArray[np.int8], scores: NDArray[np.float32], ensemble: NDArray[np.float64]
) -> list[str]:
    parts = [_line(metrics.roc_points(targets, row), _GREY, 0.8) for row in scores]
    points = metrics.roc_points(targets, ensemble)
    parts.append(_line(points, _BLUE, 2.4))
    legend = [f"replicates ({len(scores)})", f"ensemble, AUC {metrics.auroc(targets, ensemble):.4f}"]
    for percent in OPERATING_POINTS:
        rate = metrics.fpr_at_tpr(targets, ensemble, percent / 100)
        x, y = _place(rate, float(points.tpr[points.fpr <= rate].max()))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{_ORANGE}" stroke="white"/>')
        legend.append(f"TPR ≥ {percent} %: FPR {100 * rate:.1f} %")
    for number, words in enumerate(reversed(legend)):
        parts.append(_text(_LEFT + _SIDE - 12, _TOP + _SIDE - 14 - 20 * number, words, "end"))
    return parts


def _frame(title: str) -> list[str]:
    parts = [_text(_LEFT + _SIDE / 2, 24, title, "middle")]
    for percent in range(0, 101, 20):
        x, y = _place(percent / 100, percent / 100)
        parts += [
            f'<path d="M{x:.0f} {_TOP}V{_TOP + _SIDE}M{_LEFT} {y:.0f}H{_LEFT + _SIDE}" stroke="#e6e8eb"/>',
            _text(x, _TOP + _SIDE + 20, str(percent), "middle"),
            _text(_LEFT - 8, y + 4, str(percent), "end"),
        ]
    middle = _TOP + _SIDE / 2
    return [
        *parts,
        f'<path d="M{_LEFT} {_TOP + _SIDE}L{_LEFT + _SIDE} {_TOP}" stroke="#c9ced4" stroke-dasharray="4 4"/>',
        _text(_LEFT + _SIDE / 2, _HEIGHT - 14, "False positive rate (%)", "middle"),
        f'<g transform="rotate(-90 16 {middle})">{_text(16, middle, "True positive rate (%)", "middle")}</g>',
    ]


def _line(points: metrics.RocPoints, color: str, width: float) -> str:
    """The curve's corners joined: points between two on one horizontal or vertical line are left out."""
    flat, steep = np.diff(points.fpr) == 0, np.diff(points.tpr) == 0
    between = (flat[:-1] & flat[1:]) | (steep[:-1] & steep[1:])
    kept = np.r_[True, ~between, True] if len(points.fpr) > 1 else np.array([True])
    places = (_place(x, y) for x, y in zip(points.fpr[kept], points.tpr[kept], strict=True))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>'


def _place(fpr: float, tpr: float) -> tuple[float, float]:
    return _LEFT + _SIDE * fpr, _TOP + _SIDE * (1 - tpr)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'
