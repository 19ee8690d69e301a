"""The numbers of the tables as data frames, in full precision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.cells import Cell
from analysis.records import TrialRecord
from analysis.settings import read_settings, settings_text, varying_settings
from analysis.statistics.intervals import UNDEFINED, of_few
from analysis.statistics.optimism import Choice
from analysis.statistics.sweep import SweepStatistics
from analysis.table_columns import (
    BATCHES,
    CHOICE_COLUMNS,
    PUBLISHED_COLUMNS,
    TAU,
    TIED,
    UNRESOLVED,
    TableColumns,
    column_name,
    each_column,
    interval_columns,
    mean_interval_columns,
    spread_columns,
)
from search_spaces.config import Metric
from search_spaces.paper.named import constraint_name, loss_name
from search_spaces.published.figure import Published
from search_spaces.published.found import published


def best_frame(
    cells: Sequence[Cell],
    columns: Mapping[str, TableColumns],
    rows: Sequence[str],
    statistics: SweepStatistics,
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
    candidates_raced      those that a race of replicates left behind; this column stands where there are any
    <metric>              of the ensemble on test, 0 to 1, as the block's table shows it; `auc` is the AUROC
    <metric>_low          lower end of its 95 % interval over test examples; empty where it has none; partial
                          areas under the ROC curve have no such columns
    <metric>_high         upper end
    adjusted_<metric>     of the ensemble after post-hoc logit adjustment (`analysis.adjusted`)
    tuned_<metric>        of the ensemble at a threshold of each label, chosen on validation for the highest
                          F1 (`analysis.tuned`); of tasks with label sets
    adjusted_tau          by how much its logits are lowered for frequent classes; chosen on validation
    unresolved            metrics at a true positive rate for which there are too few test positives; these
                          have no interval
    tied                  metrics in which the row is the best complete one of its block, or no worse as far
                          as the test examples can tell (`analysis.statistics.ties`)
    critical_batches      share of the constraint's training batches that hold a critical example, 0 to 1;
                          this column stands where a result of the sweep tells it
    published_macro_f1    what others published of such a trial, 0 to 1; several where it has several names
    published_accuracy    likewise; these columns stand where a row of the sweep has such figures
    published_source      who published it
    <steering>_mean       mean over replicates of each one's own value of what steers, on test
    <steering>_std        its deviation over replicates, ddof 0
    <steering>_each       the value of each, by rising seed, where they are fewer than 6 and more than 1: no
                          interval of a mean over so few can be made
    <metric>_mean_low     of headline metrics, lower end of the 95 % interval of the mean over replicates,
                          over seeds and test examples; empty with fewer than 6 replicates
    <metric>_mean_high    upper end
    loss_config           the chosen trial's loss
    alm_config            its constraint, without the margin
    delta                 its margin
    settings              its other settings that vary in the sweep
    rule                  the selection rule
    val_<steering>        the chosen trial's value of what steers, of the ensemble on validation
    val_rule              its value of what the rule goes by; the same where the rule goes by what steers
    val_corrected         that value corrected for the choice among the cell's candidates
                          (`analysis.statistics.optimism`); not for the choice of each network's epoch
    val_scored_last       of a configuration whose epochs were chosen: the rule's value of the same one with
                          `scored: last`, where that is a candidate too
    decided_by            which of the rule's criteria decided
    trial_id              the chosen trial
    note                  why the cell is incomplete, a metric undefined, or results not to be mixed
    """
    names, figures = _varying(cells, rows), [_figures(cell) for cell in cells]
    is_published = any(figures)
    is_raced = any(cell.candidates_raced for cell in cells)
    tells_batches = any(_batches(cell) is not None for cell in cells)
    records = []
    for cell, figure in zip(cells, figures, strict=True):
        record = _best_row(cell, columns[cell.block], names, statistics)
        if is_raced:
            record["candidates_raced"] = cell.candidates_raced
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


def _varying(cells: Sequence[Cell], rows: Sequence[str]) -> tuple[str, ...]:
    """Dotted names of the settings, beside those with columns of their own, in which candidates differ."""
    candidates = []
    for cell in cells:
        for trial in cell.candidates:
            candidates.append(trial.config)
    return varying_settings(candidates, rows)


def _best_row(
    cell: Cell, columns: TableColumns, names: Sequence[str], statistics: SweepStatistics
) -> dict[str, Any]:
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
        **_test_columns(cell, columns, statistics),
        **_setting_columns(cell.chosen, names),
        "rule": cell.rule.name,
        f"val_{columns.steering.name}": _validation_value(cell.chosen, columns.steering.name),
        **_choice_columns(statistics.choices.get(cell.chosen_id)),
        "decided_by": cell.decided_by,
        "trial_id": cell.chosen_id,
        "note": "; ".join(filter(None, remarks)),
    }


def _test_columns(cell: Cell, columns: TableColumns, statistics: SweepStatistics) -> dict[str, Any]:
    """Test metrics of the ensemble and over replicates, with their intervals; NaN without a test."""
    test, trial_id = cell.test, cell.chosen_id
    values: dict[str, float] = {}
    unresolved: frozenset[str] = frozenset()
    mean = deviation = math.nan
    if test is not None:
        values, unresolved = test.every_metric, test.unresolved
        mean, deviation = test.steering_mean, test.steering_std
    found: dict[str, Any] = {}
    for metric in columns.known:
        found[column_name(metric)] = values.get(metric.name, math.nan)
    if cell.data.decides_by_highest:
        adjusted = None if test is None else test.adjusted
        found[TAU] = math.nan if adjusted is None else adjusted.tau
    tied = []
    for metric in columns.known:
        if metric.listed:
            continue
        ends = UNDEFINED
        if metric.name not in unresolved:
            ends = statistics.interval(trial_id, metric.name) or UNDEFINED
        found |= zip(interval_columns(metric), ends, strict=True)
        if statistics.is_best(cell.block, metric.name, trial_id):
            tied.append(column_name(metric))
    found[UNRESOLVED] = _names(metric for metric in columns.known if metric.name in unresolved)
    found[TIED] = "; ".join(tied)
    of_mean, of_deviation = spread_columns(columns.steering)
    few = [] if test is None else of_few(test.steering)
    found |= {of_mean: mean, of_deviation: deviation}
    found[each_column(columns.steering)] = "; ".join(map(repr, few))
    for metric in columns.headline:
        ends = UNDEFINED
        if metric.name not in unresolved:
            ends = statistics.means.get(trial_id, {}).get(metric.name, UNDEFINED)
        found |= zip(mean_interval_columns(metric), ends, strict=True)
    return found


def _choice_columns(choice: Choice | None) -> dict[str, float]:
    if choice is None:
        return dict.fromkeys(CHOICE_COLUMNS, math.nan)
    values = (choice.value, choice.corrected, choice.scored_last)
    return dict(zip(CHOICE_COLUMNS, values, strict=True))


def _names(metrics: Iterable[Metric]) -> str:
    return "; ".join(column_name(metric) for metric in metrics)


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
