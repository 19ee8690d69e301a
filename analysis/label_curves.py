"""Precision and recall of single labels, of the ensemble on test, of tasks with label sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.cells import Cell
from analysis.records import TestRecord
from search_spaces.config.metrics import average_precision
from trainer.metrics.precision_recall import precision_recall_points

CURVE, AT_HALF = "curve", "0.5"
_CURVE_COLUMNS = ("label", "point", "threshold", "recall", "precision", "unresolved")


def cells_of_label_sets(cells: Sequence[Cell]) -> list[Cell]:
    """The cells with a result, of tasks with label sets."""
    return [cell for cell in cells if cell.test is not None and cell.data.has_label_sets]


def precision_recall_frame(test: TestRecord) -> pd.DataFrame:
    """The precision-recall curve of each label, and the points at which it is decided for.

    label        which label
    point        "curve"; "0.5", or the rule that chose the label's threshold on validation
    threshold    at a score of at least so much the label is decided for; 0 is p = 0.5
    recall       of the test split at it
    precision    likewise; empty where the label is never decided for
    unresolved   of a chosen threshold, why it is not said to be known

    Of a curve at most 500 points stand here, and are drawn: its ends and points that are evenly many apart.
    """
    rows: list[dict[str, Any]] = []
    for place, label in enumerate(label_names(test)):
        points = precision_recall_points(test.targets[:, place], test.ensemble[:, place])
        for threshold, recall, precision in zip(*points, strict=True):
            rows.append(_point(label, CURVE, threshold, recall, precision))
        rows += _decisions(test, label)
    return pd.DataFrame(rows, columns=list(_CURVE_COLUMNS))


def label_names(test: TestRecord) -> tuple[str, ...]:
    """The labels, in the order of targets and outputs."""
    return tuple(map(str, test.config.data.labels))


def label_precision(test: TestRecord, label: str) -> float:
    """The average precision of a label's test scores."""
    return test.metrics[average_precision(of=label).name]


def _point(
    label: str, point: str, threshold: float, recall: float, precision: float, unresolved: str = ""
) -> dict[str, Any]:
    values = (label, point, threshold, recall, precision, unresolved)
    return dict(zip(_CURVE_COLUMNS, values, strict=True))


def _decisions(test: TestRecord, label: str) -> Iterator[dict[str, Any]]:
    """What deciding for a label comes to at 0.5, and at its chosen threshold."""
    if test.tuned is None:
        return
    chosen = test.tuned.thresholds[label]
    for point, threshold, values, unresolved in (
        (AT_HALF, 0.0, test.metrics, ""),
        (test.tuned.rule.name, chosen.value, test.tuned.decisions, chosen.unresolved or ""),
    ):
        decided = values[f"true_positives/{label}"] + values[f"false_positives/{label}"]
        precision = values[f"precision/{label}"] if decided else np.nan
        yield _point(label, point, threshold, values[f"recall/{label}"], precision, unresolved)
