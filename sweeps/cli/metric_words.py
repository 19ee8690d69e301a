"""Metrics as text: their headers, values and intervals, with units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.render.document import MISSING

if TYPE_CHECKING:
    from search_spaces.config import Metric


def header_words(metric: Metric) -> str:
    """A metric's header without its unit, which stands with each value."""
    return metric.header.removesuffix(" (%)")


def interval_words(metric: Metric, low: float, high: float) -> str:
    """The two ends of an interval, with the unit."""
    if metric.scale == 100:
        return f"{100 * low:.1f}–{100 * high:.1f} %"
    return f"{low:.4f}–{high:.4f}"


def value_words(metric: Metric, value: float) -> str:
    """A metric's value with its unit; a dash where it is undefined."""
    if math.isnan(value):
        return MISSING
    if metric.counts:
        return f"{value:.0f}"
    return f"{100 * value:.1f} %" if metric.scale == 100 else f"{value:.4f}"
