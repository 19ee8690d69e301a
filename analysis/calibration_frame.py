"""Calibration of the chosen ensembles as a data frame, in full precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.cells import Cell
from analysis.statistics.calibration import Calibrated

Found = Mapping[str, Sequence[Calibrated]]  # by the chosen trial's id

_COLUMNS = (
    "block",
    "row",
    "complete",
    "trial_id",
    "class",
    "calibration",
    "slope",
    "offset",
    "validation_positives",
    "validation_negatives",
    "unresolved",
    "brier",
    "calibration_error",
)


def calibration_frame(cells: Sequence[Cell], found: Found) -> pd.DataFrame:
    """A row per calibration of each class of each cell.

    block                  data set and ratio
    row                    the settings that make the row
    complete               whether the cell is, without pruned candidates
    trial_id               the chosen trial
    class                  the critical class or label, of label sets every label; "positive" of a binary task
    calibration            "none", "offset" (slope 1) or "platt" (Platt scaling); a loss whose score is no
                           logit has the last alone
    slope                  of the logit, slope times score plus offset; fitted on validation
    offset                 likewise
    validation_positives   that these were fitted on
    validation_negatives   likewise
    unresolved             why these are too few to be sure of
    brier                  Brier score on test, 0 to 1
    calibration_error      expected calibration error of the decisions at probability 0.5 on test, 0 to 1
    """
    rows: list[dict[str, Any]] = []
    for cell in cells:
        for one in found.get(cell.chosen_id, ()):
            rows.append(_row(cell, one))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _row(cell: Cell, one: Calibrated) -> dict[str, Any]:
    return {
        "block": cell.block,
        "row": cell.row,
        "complete": cell.comparable,
        "trial_id": cell.chosen_id,
        "class": one.column,
        "calibration": one.method,
        "slope": one.slope,
        "offset": one.offset,
        "validation_positives": one.validation_positives,
        "validation_negatives": one.validation_negatives,
        "unresolved": one.unresolved,
        "brier": one.brier,
        "calibration_error": one.calibration_error,
    }
