"""The numbers behind the figure of the constraint's effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.statistics.effect import Effect
from analysis.table_columns import TableColumns, column_name
from search_spaces.config import Metric

OVER_ALL = "mean over pairs"
_TAKEN = (
    "block",
    "row",
    "metric",
    "complete",
    "resolved",
    "difference",
    "low",
    "high",
    "p_holm",
    "mean_difference",
    "mean_low",
    "mean_high",
)


def effect_metrics(columns: Mapping[str, TableColumns]) -> tuple[Metric, ...]:
    """The headline metrics of all blocks that are of no single class."""
    found: dict[str, Metric] = {}
    for of_block in columns.values():
        for metric in of_block.headline:
            if not metric.is_of_one_class:
                found.setdefault(metric.name, metric)
    return tuple(found.values())


def effect_frame(
    comparisons: pd.DataFrame, effects: Sequence[Effect], metrics: Sequence[Metric]
) -> pd.DataFrame:
    """With the constraint minus without: a row per pair and metric, then the mean over pairs per metric.

    block             data set and ratio; empty of a mean over pairs
    row               the row with the constraint
    metric            what is compared on test, 0 to 1
    complete          whether both cells are, without pruned candidates
    resolved          whether there are positives enough to read it; without, there is no interval
    difference        of the two ensembles
    low               lower end of its 95 % interval over test examples
    high              upper end
    p_holm            two-sided, corrected by Holm's method
    mean_difference   mean over seeds
    mean_low          lower end of its 95 % interval over seeds and test examples
    mean_high         upper end
    """
    names = [column_name(metric) for metric in metrics]
    of_pairs = comparisons.loc[comparisons["metric"].isin(names), list(_TAKEN)]
    rows = []
    for effect in effects:
        if effect.metric in metrics and effect.pairs:
            row: dict[str, Any] = {"block": "", "row": OVER_ALL, "metric": column_name(effect.metric)}
            row |= {"complete": True, "resolved": True, "difference": effect.mean}
            rows.append(row | effect.interval._asdict())
    of_all = pd.DataFrame(rows, columns=list(_TAKEN))
    if of_pairs.empty:
        return of_pairs
    return of_pairs if of_all.empty else pd.concat([of_pairs, of_all], ignore_index=True)
