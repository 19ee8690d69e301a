"""Operating points as a data frame, in full precision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.cells import Cell
from analysis.statistics.operating import OperatingPoint

COUNTED = ("true_positives", "false_positives", "false_negatives", "true_negatives")
_COLUMNS = (
    "block",
    "row",
    "complete",
    "trial_id",
    "class",
    "target_tpr",
    "threshold",
    "validation_positives",
    "unresolved",
    *COUNTED,
    "tpr",
    "tpr_low",
    "tpr_high",
    "fpr",
    "fpr_low",
    "fpr_high",
    "interval",
    "roc_fpr",
    "prevalence",
    "precision",
    "negative_predictive_value",
    "asked_prevalence",
    "asked_precision",
    "asked_negative_predictive_value",
)


def operating_frame(
    cells: Sequence[Cell], points: Mapping[str, Sequence[OperatingPoint]], prevalence: float | None = None
) -> pd.DataFrame:
    """A row per true positive rate of each class of each cell; `points` are those of the chosen trials.

    block                             data set and ratio
    row                               the settings that make the row
    complete                          whether the cell is, without pruned candidates
    trial_id                          the chosen trial
    class                             the critical class or label, of label sets every label; "positive" of a
                                      binary task
    target_tpr                        the true positive rate that the threshold reaches on validation
    threshold                         of the ensemble's score, fixed on validation: at least so much is
                                      positive; halfway between the last score that it takes and the next
                                      lower one; empty where validation has none
    validation_positives              that it was chosen on
    unresolved                        why there are too few positives; such a row has no intervals
    true_positives                    test examples that are positive and called so
    false_positives                   negative, called positive
    false_negatives                   positive, called negative
    true_negatives                    negative, called so
    tpr                               the true positive rate that is reached on test
    tpr_low                           lower end of its 95 % interval
    tpr_high                          upper end
    fpr                               the false positive rate that is reached on test
    fpr_low                           lower end of its 95 % interval
    fpr_high                          upper end
    interval                          how the intervals were made: exact (Clopper-Pearson), or, where the data
                                      have groups, by a bootstrap that draws whole ones
    roc_fpr                           the paper's: at that true positive rate on test, its threshold read off
                                      the test ROC curve
    prevalence                        share of the test examples that are positive
    precision                         of those called positive, at that prevalence
    negative_predictive_value         of those called negative, likewise
    asked_prevalence                  what `tables --prevalence` says; empty without, as the next two
    asked_precision                   at that prevalence, the two rates as on test
    asked_negative_predictive_value   likewise
    """
    rows = []
    for cell in cells:
        for point in points.get(cell.chosen_id, ()):
            rows.append(_row(cell, point, math.nan if prevalence is None else prevalence))
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    return frame.astype(dict.fromkeys(COUNTED, "Int64"))


def _row(cell: Cell, point: OperatingPoint, asked: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "block": cell.block,
        "row": cell.row,
        "complete": cell.comparable,
        "trial_id": cell.chosen_id,
        "class": point.column,
        "target_tpr": point.target,
        "threshold": point.threshold,
        "validation_positives": point.validation_positives,
        "unresolved": point.unresolved,
        "roc_fpr": point.roc_fpr,
        "prevalence": point.prevalence,
        "asked_prevalence": asked,
    }
    if not point.exists:
        return row
    return {
        **row,
        **{name: getattr(point, name) for name in COUNTED},
        "tpr": point.tpr,
        "tpr_low": point.tpr_interval.low,
        "tpr_high": point.tpr_interval.high,
        "fpr": point.fpr,
        "fpr_low": point.fpr_interval.low,
        "fpr_high": point.fpr_interval.high,
        "interval": point.interval,
        "precision": point.precision(point.prevalence),
        "negative_predictive_value": point.negative_predictive_value(point.prevalence),
        "asked_precision": point.precision(asked),
        "asked_negative_predictive_value": point.negative_predictive_value(asked),
    }
