"""The 68 configurations that the paper's authors publish for their tables on CIFAR-10 and CIFAR-100.

Source: configuration tables of the code released with Sangalli et al., NeurIPS 2021. A published cell names
the loss that was selected for a table row, used without the constraint and, but for MBAUC, with it.
"""

from __future__ import annotations

from typing import NamedTuple


class Selected(NamedTuple):
    """One loss of a block, and the constraint and delta with which it was combined (None: it was not)."""

    loss: str
    constraint: str | None = None
    delta: float | None = None


# By data set and ratio, in the order of the tables.
SELECTED: dict[tuple[str, int], tuple[Selected, ...]] = {
    ("cifar10", 100): (
        Selected("baseline_BCE", "ALM_17_beg", 0.25),
        Selected("baseline_s_LM_m05", "ALM_16_beg", 0.1),
        Selected("baseline_s_FL_g05", "ALM_16_beg", 0.5),
        Selected("baseline_a_LM_m05", "ALM_17_beg", 0.25),
        Selected("baseline_a_FL_g1", "ALM_15_beg", 0.25),
        Selected("baseline_cb_BCE_99", "ALM_14_beg", 0.5),
        Selected("baseline_WBCE_1_3", "ALM_17_beg", 1.0),
        Selected("baseline_LDAM", "ALM_16_beg", 1.0),
        Selected("baseline_MBAUC"),
    ),
    ("cifar10", 200): (
        Selected("baseline_BCE", "ALM_15_beg", 0.5),
        Selected("baseline_s_LM_m05", "ALM_19_beg", 0.0),
        Selected("baseline_s_FL_g05", "ALM_17_beg", 0.0),
        Selected("baseline_a_LM_m05", "ALM_19_beg", 0.0),
        Selected("baseline_a_FL_g05", "ALM_17_beg", 1.0),
        Selected("baseline_cb_BCE_99", "ALM_14_beg", 0.1),
        Selected("baseline_WBCE_1_3", "ALM_17_beg", 0.1),
        Selected("baseline_LDAM", "ALM_18_beg", 0.25),
        Selected("baseline_MBAUC"),
    ),
    ("cifar100", 100): (
        Selected("baseline_BCE", "ALM_13_beg", 0.1),
        Selected("baseline_s_LM_m05", "ALM_13_beg", 1.0),
        Selected("baseline_s_FL_g2", "ALM_15_beg", 0.25),
        Selected("baseline_a_LM_m2", "ALM_13_beg", 0.5),
        Selected("baseline_a_FL_g2", "ALM_14_beg", 0.1),
        Selected("baseline_cb_BCE_99", "ALM_12_beg", 0.25),
        Selected("baseline_WBCE_1", "ALM_17_beg", 1.0),
        Selected("baseline_LDAM", "ALM_17_beg", 0.5),
        Selected("baseline_MBAUC"),
    ),
    ("cifar100", 200): (
        Selected("baseline_BCE", "ALM_13_beg", 0.1),
        Selected("baseline_s_LM_m2", "ALM_14_beg", 0.5),
        Selected("baseline_s_FL_g2", "ALM_13_beg", 0.1),
        Selected("baseline_a_LM_m4", "ALM_13_beg", 0.5),
        Selected("baseline_a_FL_g2", "ALM_13_beg", 0.25),
        Selected("baseline_cb_BCE_99", "ALM_13_beg", 1.0),
        Selected("baseline_WBCE_1", "ALM_16_beg", 1.0),
        Selected("baseline_LDAM", "ALM_13_beg", 0.25),
        Selected("baseline_MBAUC"),
    ),
}


def published_settings() -> list[dict[str, object]]:
    """The tables row by row: per block nine losses without the constraint, then eight with it."""
    rows: list[dict[str, object]] = []
    for (dataset, ratio), selected in SELECTED.items():
        block: dict[str, object] = {"dataset": dataset, "ratio": ratio}
        rows += [{**block, "loss": row.loss} for row in selected]
        rows += [
            {**block, "loss": row.loss, "constraint": row.constraint, "delta": row.delta}
            for row in selected
            if row.constraint is not None
        ]
    return rows
