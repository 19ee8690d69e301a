"""The numbers behind the landscape of a cell's candidates over margin and penalty."""

from __future__ import annotations

import math

import pandas as pd

from analysis.cells import Cell
from analysis.records import TrialRecord
from analysis.settings import settings_text, varying_settings
from search_spaces.paper.named import loss_name

_COLUMNS = ("loss", "others", "margin", "penalty", "value", "state", "chosen", "trial_id")
_CONSTRAINT = ("growth", "introduce_at", "growth_rule", "max_growth_steps", "comparison")


def landscape_frame(cell: Cell) -> pd.DataFrame:
    """A row per candidate of a cell with the constraint.

    loss       the candidate's loss
    others     its further settings in which candidates of the cell differ
    margin     of its constraint, delta
    penalty    of its constraint at the start, mu
    value      what the selection rule goes by, on validation; empty where it has no result
    state      "done", or why it is not: "partial", "pruned", "diverged", "failed", "pending"
    chosen     whether the rule chose it
    trial_id   the candidate
    """
    varying = varying_settings([candidate.config for candidate in cell.candidates], ())
    of_constraint = [name for name in _CONSTRAINT if len(_values(cell, name)) > 1]
    rows = []
    for candidate in cell.candidates:
        constraint = candidate.config.constraint
        if constraint is None:
            continue
        others = [f"{name}={getattr(constraint, name)}" for name in of_constraint]
        others.append(settings_text(candidate.config, varying))
        rows.append(
            (
                loss_name(candidate.config.loss),
                ", ".join(filter(None, others)),
                constraint.margin,
                constraint.penalty,
                _value(cell, candidate),
                candidate.standing.status,
                candidate is cell.chosen,
                candidate.trial_id,
            )
        )
    rows.sort(key=lambda row: row[:4] + row[-1:])
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _values(cell: Cell, name: str) -> set[object]:
    """The values of a field of the candidates' constraints."""
    constraints = [candidate.config.constraint for candidate in cell.candidates]
    return {getattr(constraint, name) for constraint in constraints if constraint is not None}


def _value(cell: Cell, candidate: TrialRecord) -> float:
    if candidate.validation is None or not cell.rule.selects:
        return math.nan
    return cell.rule.value(candidate.validation)
