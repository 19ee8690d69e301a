"""The numbers of the tables as data frames, in full precision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.bootstrap import UNDEFINED, Interval
from analysis.cells import Cell
from analysis.records import TestRecord, TrialRecord
from analysis.settings import read_settings, settings_text, varying_settings
from analysis.statistics import constraint_comparisons
from analysis.table_columns import (
    BATCHES,
    PUBLISHED_COLUMNS,
    TAU,
    UNRESOLVED,
    TableColumns,
    column_name,
    interval_columns,
    spread_columns,
)
from search_spaces.paper.named import constraint_name, loss_name
from search_spaces.published.figure import Published
from search_spaces.published.found import published

_COMPARED = ("block", "row", "pairs", "mean_difference", "low", "high", "p_value", "complete", "remark")


def best_frame(
    cells: Sequence[Cell], columns: Mapping[str, TableColumns], rows: Sequence[str]
) -> pd.DataFrame:
    """A row per cell.

    block                 data set and ratio
    row                   the settings that make the row
    family                the row without the constraint
    constrained           whether the row has the constraint
    n                     replicates of the chosen trial, found and wanted: "n=7/10"
    found                 replicates of the chosen trial that completed
    expected              replicates that it wants
    complete              whether nothing of the cell is failed or pending
    candidates_complete   trials of the cell with every replicate
    candidates_total      trials of the cell
    candidates_pruned     trials of the cell that were stopped early
    <metric>              of the ensemble on test, 0 to 1, as the block's table shows it; `auc` is the AUROC
    <metric>_low          lower end of its 95 % interval over test examples; empty where it has none
    <metric>_high         upper end
    adjusted_<metric>     of the ensemble after post-hoc logit adjustment (`analysis.adjusted`)
    adjusted_tau          by how much its logits are lowered for frequent classes; chosen on validation
    unresolved            metrics at a true positive rate for which there are too few test positives
    critical_batches      share of the constraint's training batches that hold a critical example, 0 to 1;
                          this column stands where a result of the sweep tells it
    published_macro_f1    what others published of such a trial, 0 to 1; several where it has several names
    published_accuracy    likewise; these columns stand where a row of the sweep has such figures
    published_source      who published it
    <steering>_mean       mean over replicates of each one's own value of what steers, on test
    <steering>_std        its deviation over replicates, ddof 0
    loss_config           the chosen trial's loss
    alm_config            its constraint, without the margin
    delta                 its margin
    settings              its other settings that vary in the sweep
    rule                  the selection rule
    val_<steering>        the chosen trial's value of what steers, of the ensemble on validation
    decided_by            which of the rule's criteria decided
    trial_id              the chosen trial
    note                  why the cell is incomplete, a metric undefined, or results not to be mixed
    """
    names, figures = _varying(cells, rows), [_figures(cell) for cell in cells]
    is_published = any(figures)
    tells_batches = any(_batches(cell) is not None for cell in cells)
    records = []
    for cell, figure in zip(cells, figures, strict=True):
        record = _best_row(cell, columns[cell.block], names)
        if tells_batches:
            share = _batches(cell)
            record[BATCHES] = math.nan if share is None else share
        if is_published:
            record |= _published_columns(figure)
        records.append(record)
    return pd.DataFrame(records)


def chosen_settings(cells: Sequence[Cell], rows: Sequence[str]) -> dict[str, dict[str, str]]:
    """By a chosen trial's id the settings that vary within the sweep, as a table tells them."""
    names, found = _varying(cells, rows), {}
    for cell in cells:
        if cell.chosen is not None:
            found[cell.chosen.trial_id] = read_settings(cell.chosen.config, names)
    return found


def comparison_frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """A row per pair of cells that differ in the constraint alone and have results of both.

    block              data set and ratio
    row                the row with the constraint
    pairs              seeds that both chosen trials have
    mean_difference    mean over them of what steers, on test, with the constraint minus without
    low                lower end of its 95 % interval over seeds and test examples
    high               upper end
    p_value            of Wilcoxon's signed-rank test over seeds, two-sided
    complete           whether both cells are, without pruned candidates
    remark             why not, or why a number is undefined
    trial_id_without   the chosen trial without the constraint
    trial_id_with      the chosen trial with it
    """
    rows = []
    for without, constrained, found in constraint_comparisons(cells):
        unfinished = []
        for cell in (without, constrained):
            if not cell.comparable:
                unfinished.append(f"{cell.row}: {cell.note()}")
        remarks = []
        if found.reason:
            remarks.append(found.reason)
        if unfinished:
            remarks.append(f"incomplete: {'; '.join(unfinished)}")
        numbers = (found.pairs, found.mean_difference, found.low, found.high, found.p_value)
        told = (not unfinished, "; ".join(remarks), without.chosen_id, constrained.chosen_id)
        rows.append((without.block, constrained.row, *numbers, *told))
    return pd.DataFrame(rows, columns=[*_COMPARED, "trial_id_without", "trial_id_with"])


def _varying(cells: Sequence[Cell], rows: Sequence[str]) -> tuple[str, ...]:
    """Dotted names of the settings, beside those with columns of their own, in which candidates differ."""
    candidates = []
    for cell in cells:
        for trial in cell.candidates:
            candidates.append(trial.config)
    return varying_settings(candidates, rows)


def _best_row(cell: Cell, columns: TableColumns, names: Sequence[str]) -> dict[str, Any]:
    remarks = [cell.note()]
    if cell.test is not None and cell.test.undefined:
        remarks.append(cell.test.undefined)
    remarks.append(cell.mixture())
    return {
        "block": cell.block,
        "row": cell.row,
        "family": cell.pair,
        "constrained": cell.constrained,
        "n": f"n={cell.found}/{cell.expected}",
        "found": cell.found,
        "expected": cell.expected,
        "complete": cell.complete,
        "candidates_complete": cell.candidates_complete,
        "candidates_total": len(cell.candidates),
        "candidates_pruned": cell.candidates_pruned,
        **_test_columns(cell.test, columns),
        **_setting_columns(cell.chosen, names),
        "rule": cell.rule.name,
        f"val_{columns.steering.name}": _validation_value(cell.chosen, columns.steering.name),
        "decided_by": cell.decided_by,
        "trial_id": cell.chosen_id,
        "note": "; ".join(filter(None, remarks)),
    }


def _test_columns(test: TestRecord | None, columns: TableColumns) -> dict[str, Any]:
    """The ensemble's test metrics, their intervals, the replicates' steering metric; NaN without a test."""
    values: dict[str, float] = {}
    intervals: Mapping[str, Interval] = {}
    mean = deviation = math.nan
    if test is not None:
        values, intervals = dict(test.metrics), test.intervals
        if test.adjusted is not None:
            values |= {**test.adjusted.metrics, TAU: test.adjusted.tau}
        mean, deviation = test.steering_mean, test.steering_std
    found: dict[str, Any] = {}
    for metric in columns.known:
        found[column_name(metric)] = values.get(metric.name, math.nan)
    if columns.adjusted:
        found[TAU] = values.get(TAU, math.nan)
    for metric in columns.known:
        ends = intervals.get(metric.name, UNDEFINED)
        found |= zip(interval_columns(metric), ends, strict=True)
    if columns.marks_unresolved:
        found[UNRESOLVED] = _unresolved(test, columns)
    of_mean, of_deviation = spread_columns(columns.steering)
    return {**found, of_mean: mean, of_deviation: deviation}


def _batches(cell: Cell) -> float | None:
    return None if cell.test is None else cell.test.batches


def _figures(cell: Cell) -> Published | None:
    """What was published of the trials of a cell, if it is of all of them."""
    found = [published(candidate.config) for candidate in cell.candidates]
    return found[0] if all(one is found[0] for one in found) else None


def _published_columns(figure: Published | None) -> dict[str, str]:
    if figure is None:
        return dict.fromkeys(PUBLISHED_COLUMNS, "")
    values = ("; ".join(map(repr, figure.macro_f1)), "; ".join(map(repr, figure.accuracy)), figure.source)
    return dict(zip(PUBLISHED_COLUMNS, values, strict=True))


def _unresolved(test: TestRecord | None, columns: TableColumns) -> str:
    """The columns of the metrics for which there are too few test positives."""
    if test is None:
        return ""
    return "; ".join(column_name(metric) for metric in columns.known if metric.name in test.unresolved)


def _setting_columns(chosen: TrialRecord | None, names: Sequence[str]) -> dict[str, Any]:
    """What was chosen, in words; empty where nothing was."""
    if chosen is None:
        return {"loss_config": "", "alm_config": "", "delta": math.nan, "settings": ""}
    config, margin = chosen.config, math.nan
    if config.constraint is not None:
        margin = config.constraint.margin
    return {
        "loss_config": loss_name(config.loss),
        "alm_config": constraint_name(config.constraint),
        "delta": margin,
        "settings": settings_text(config, names),
    }


def _validation_value(chosen: TrialRecord | None, name: str) -> float:
    if chosen is None or chosen.validation is None:
        return math.nan
    return chosen.validation.metrics[name]
