"""Each label of a task with label sets, as a row's ensemble decides for it: at 0.5, and at its threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from analysis.cells import Cell
from search_spaces.config.metrics import auroc, average_precision
from search_spaces.paper.named import loss_name

COUNTED = ("true_positives", "false_positives", "false_negatives", "true_negatives")
SHARES = ("precision", "recall", "f1")
COLUMNS = (
    "block",
    "row",
    "trial_id",
    "loss_config",
    "label",
    "decision",
    "threshold",
    "threshold_low",
    "threshold_high",
    "threshold_deviation",
    "validation_positives",
    "unresolved",
    *COUNTED,
    *SHARES,
    "auc",
    "average_precision",
    "calibration_error",
)


def label_frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """Two rows per label of each cell with label sets: its decisions at 0.5, and at its chosen threshold.

    block                   data set and ratio
    row                     the settings that make the row
    trial_id                the chosen trial
    loss_config             that trial's loss
    label                   which label
    decision                "0.5", or the rule that chose the threshold on validation
    threshold               at a score of at least so much the label is decided for; 0 is p = 0.5
    threshold_low           lower end of its 95 % interval over validation examples
    threshold_high          upper end
    threshold_deviation     over replicates of each one's own threshold
    validation_positives    that it was chosen on
    unresolved              why the threshold is not said to be known
    true_positives          test images with the label that are decided for
    false_positives         without it, decided for
    false_negatives         with it, not decided for
    true_negatives          without it, not decided for
    precision               of the test split, as the next two
    recall                  likewise
    f1                      likewise
    auc                     of the label's test scores, whatever the threshold
    average_precision       likewise
    calibration_error       of the decisions at 0.5
    """
    rows: list[dict[str, Any]] = []
    for cell in cells:
        rows.extend(_rows(cell))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(cell: Cell) -> Iterator[dict[str, Any]]:
    test = cell.test
    if test is None or test.tuned is None or cell.chosen is None:
        return
    cell_facts = {"block": cell.block, "row": cell.row, "trial_id": cell.chosen_id}
    for label, chosen in test.tuned.thresholds.items():
        of_label = {
            **cell_facts,
            "loss_config": loss_name(cell.chosen.config.loss),
            "label": label,
            "auc": test.metrics[auroc(of=label).name],
            "average_precision": test.metrics[average_precision(of=label).name],
        }
        plain = {name: test.metrics[f"{name}/{label}"] for name in (*COUNTED, *SHARES)}
        yield {
            **of_label,
            **plain,
            "decision": "0.5",
            "threshold": 0.0,
            "unresolved": "",
            "calibration_error": test.metrics[f"calibration_error/{label}"],
        }
        yield {
            **of_label,
            **{name: test.tuned.decisions[f"{name}/{label}"] for name in (*COUNTED, *SHARES)},
            "decision": test.tuned.rule.name,
            "threshold": chosen.value,
            "threshold_low": chosen.low,
            "threshold_high": chosen.high,
            "threshold_deviation": chosen.deviation,
            "validation_positives": chosen.positives,
            "unresolved": chosen.unresolved or "",
            "calibration_error": math.nan,
        }
