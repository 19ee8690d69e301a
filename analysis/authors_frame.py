"""A sweep's selection beside the authors' as a data frame, in full precision, and in a few lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.authors import FIELDS, BesideAuthors, authors_choices
from analysis.records import TrialRecord, shortfall
from analysis.statistics.comparison import Comparison
from analysis.table_columns import column_name
from search_spaces.config import Metric
from search_spaces.labels import settings_label
from search_spaces.paper.named import constraint_name, loss_name
from search_spaces.words import count

_COLUMNS = (
    "block",
    "row",
    "complete",
    "same",
    "differs",
    "trial_id",
    "loss",
    "alm",
    "delta",
    "published_trial_id",
    "published_loss",
    "published_alm",
    "published_delta",
    "published_rank",
    "candidates_ranked",
    "candidates_total",
    "val_rule",
    "published_val_rule",
    "metric",
    "resolved",
    "test",
    "published_test",
    "difference",
    "low",
    "high",
    "other_settings",
    "remark",
)


def authors_frame(found: Sequence[BesideAuthors], metrics: Mapping[str, Sequence[Metric]]) -> pd.DataFrame:
    """A row per headline metric of each cell that the paper's authors publish a configuration for.

    block                data set and ratio
    row                  the settings that make the row
    complete             whether the cell is, without pruned candidates
    same                 whether the sweep chose what the authors chose
    differs              in which of loss, constraint and delta it did not
    trial_id             the trial that the sweep chose; empty where it chose none
    loss                 its loss
    alm                  its constraint, without the margin
    delta                its margin
    published_trial_id   the candidate that the authors' choice is; empty where the cell has none
    published_loss       the loss that the authors chose
    published_alm        their constraint
    published_delta      their margin
    published_rank       the place of theirs among the cell's candidates by the selection rule, 1 = best
    candidates_ranked    how many candidates have a place
    candidates_total     how many there are
    val_rule             what the rule goes by, on validation, of the chosen trial
    published_val_rule   the same of the authors' choice
    metric               what is told of the test examples, 0 to 1
    resolved             whether there are positives enough to read it
    test                 of the chosen trial's ensemble
    published_test       of the authors' choice, trained in this sweep
    difference           chosen minus published; empty where they are one trial
    low                  lower end of its 95 % interval over test examples
    high                 upper end
    other_settings       where the chosen trial departs from the paper's preset
    remark               why something is empty
    """
    rows: list[dict[str, Any]] = []
    for one in found:
        row = _row(one)
        compared = {comparison.metric.name: comparison for comparison in one.comparisons}
        for metric in metrics[one.cell.block]:
            rows.append(row | _of_metric(one, metric, compared.get(metric.name)))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def authors_notes(found: Sequence[BesideAuthors]) -> list[str]:
    """What holds over all cells, a line each."""
    published = len(authors_choices())
    chosen = [one for one in found if one.cell.chosen is not None]
    same = sum(one.is_same for one in chosen)
    told = (
        f"Of the {published} configurations that the authors publish, {len(found)} are of rows of this sweep"
    )
    notes = [f"{told}; it chose {count(len(chosen), 'time')}, the same configuration {same} of these."]
    parts = []
    for name in FIELDS:
        parts.append(f"{name} in {sum(name in one.differs for one in chosen)}")
    if same < len(chosen):
        notes.append(f"Where it chose another, they differ in {', '.join(parts)}.")
    places = sorted(one.rank for one in found if one.rank is not None)
    if places:
        first = sum(place == 1 for place in places)
        notes.append(
            f"The published one has a place on validation among the candidates in "
            f"{count(len(places), 'cell')}, the first in {first}; the last of its places is {places[-1]}."
        )
    return notes


def _row(one: BesideAuthors) -> dict[str, Any]:
    cell, published = one.cell, one.published
    loss, constraint, margin = one.choice.words
    row: dict[str, Any] = {
        "block": cell.block,
        "row": cell.row,
        "complete": cell.comparable,
        "same": one.is_same,
        "differs": ", ".join(one.differs),
        "trial_id": cell.chosen_id,
        "loss": "",
        "alm": "",
        "delta": math.nan,
        "published_trial_id": "" if published is None else published.trial_id,
        "published_loss": loss,
        "published_alm": constraint,
        "published_delta": math.nan if margin is None else margin,
        "published_rank": pd.NA if one.rank is None else one.rank,
        "candidates_ranked": one.ranked,
        "candidates_total": len(cell.candidates),
        "val_rule": _value(one, cell.chosen),
        "published_val_rule": _value(one, published),
        "other_settings": "",
        "remark": _remark(one),
    }
    if cell.chosen is not None:
        config = cell.chosen.config
        row |= {"loss": loss_name(config.loss), "alm": constraint_name(config.constraint)}
        row["other_settings"] = settings_label(config)
        if config.constraint is not None:
            row["delta"] = config.constraint.margin
    return row


def _of_metric(one: BesideAuthors, metric: Metric, compared: Comparison | None) -> dict[str, Any]:
    tests = [one.cell.test, one.test]
    values = [math.nan if test is None else test.metrics[metric.name] for test in tests]
    row = {
        "metric": column_name(metric),
        "resolved": not any(test is not None and metric.name in test.unresolved for test in tests),
        "test": values[0],
        "published_test": values[1],
    }
    if compared is not None:
        row |= {"difference": compared.difference, **compared.interval._asdict()}
    return row


def _value(one: BesideAuthors, trial: TrialRecord | None) -> float:
    """What the rule goes by, of a trial; NaN where it has none or nothing is selected."""
    record = None if trial is None else one.cell.judged_by(trial)
    return math.nan if record is None or not one.cell.rule.selects else one.cell.rule.value(record)


def _remark(one: BesideAuthors) -> str:
    remarks = [one.cell.note()]
    if one.published is None:
        remarks.append("the published configuration is none of the candidates")
    elif one.rank is None:
        reason = shortfall(one.published.missing) or "its value is undefined"
        remarks.append(f"the published configuration has no place: {reason}")
    elif one.published.missing:
        remarks.append(f"the published configuration: {shortfall(one.published.missing)}")
    if len(one.candidates) > 1:
        words = count(len(one.candidates), "candidate")
        remarks.append(f"{words} with the published configuration, the best of them is told")
    return "; ".join(filter(None, remarks))
