"""The constraint's effect across blocks as a data frame, in full precision, and in a few lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.statistics.across import ALL_LOSSES, MIN_DATA_SETS, Across
from analysis.table_columns import column_name
from search_spaces.words import count

_COLUMNS = (
    "row",
    "metric",
    "data_sets",
    "blocks",
    "pairs",
    "seeds_least",
    "seeds_most",
    "difference",
    "difference_low",
    "difference_high",
    "improvement",
    "improvement_low",
    "improvement_high",
    "drawn",
    "unresolved",
    "incomplete",
    "undefined",
    "in_blocks",
    "remark",
)


def across_frame(found: Sequence[Across]) -> pd.DataFrame:
    """A row per headline metric of each row that several blocks have with and without the constraint.

    row                the row without the constraint; `all rows` of all of them together
    metric             what is compared, of single networks on test examples, 0 to 1
    data_sets          how many data sets the pairs that count are of
    blocks             in how many blocks these are
    pairs              how many pairs of cells count: complete, resolved, with seeds in common
    seeds_least        the fewest seeds that one of them has in common
    seeds_most         the most
    difference         interquartile mean over all replicates of the difference, with the constraint minus
                       without
    difference_low     lower end of its 95 % interval
    difference_high    upper end
    improvement        probability that a replicate with the constraint is better than one without
    improvement_low    lower end of its 95 % interval
    improvement_high   upper end
    drawn              what the intervals draw
    unresolved         pairs left out for want of positives
    incomplete         pairs left out as a cell is incomplete or has pruned candidates
    undefined          pairs left out without a seed in common, or with a replicate that has no value
    in_blocks          the blocks of the pairs that count
    remark             why something is empty
    """
    rows = []
    for one in found:
        row: dict[str, Any] = {
            "row": one.row,
            "metric": column_name(one.metric),
            "data_sets": len(one.data_sets),
            "blocks": len(one.blocks),
            "pairs": one.pairs,
            "seeds_least": one.seeds[0],
            "seeds_most": one.seeds[1],
            "drawn": one.drawn,
            "unresolved": one.unresolved,
            "incomplete": one.incomplete,
            "undefined": one.undefined,
            "in_blocks": "; ".join(one.blocks),
            "remark": one.reason,
        }
        for name, estimate in (("difference", one.difference), ("improvement", one.improvement)):
            row |= {name: estimate.value}
            row |= {f"{name}_low": estimate.interval.low, f"{name}_high": estimate.interval.high}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def across_notes(found: Sequence[Across]) -> list[str]:
    """What is drawn and why, and a line per metric over all rows."""
    over_all = [one for one in found if one.row == ALL_LOSSES] or list(found)
    notes = []
    most = max((len(one.data_sets) for one in found), default=0)
    if 0 < most < MIN_DATA_SETS:
        notes.append(
            f"{count(most, 'data set')}, held fixed: a bootstrap over fewer than {MIN_DATA_SETS} draws from "
            "too few. Intervals are of other seeds and test examples, not of other data sets."
        )
    else:
        drawn = " or ".join(dict.fromkeys(one.drawn for one in found if one.drawn))
        if drawn:
            notes.append(f"{count(most, 'data set')}; intervals draw {drawn}.")
    for one in over_all:
        notes.append(_note(one))
    return notes


def _note(one: Across) -> str:
    """How much a metric rests on, and what is left out."""
    left_out = []
    for number, why in (
        (one.unresolved, "not resolved"),
        (one.incomplete, "incomplete"),
        (one.undefined, "without a common seed or value"),
    ):
        if number:
            left_out.append(f"{count(number, 'pair')} {why}")
    rest = f" Left out: {', '.join(left_out)}." if left_out else ""
    name = one.metric.words[0].upper() + one.metric.words[1:]
    whose = "" if one.row == ALL_LOSSES else f" of {one.row}"
    told = f"{name}{whose}: {count(one.pairs, 'pair')} in {count(len(one.blocks), 'block')}"
    told = f"{told} of {count(len(one.data_sets), 'data set')}"
    if math.isnan(one.improvement.value):
        return f"{told}, nothing to sum up.{rest}"
    return f"{told}.{rest}"
