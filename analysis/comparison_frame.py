"""With against without the constraint as a data frame, in full precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.statistics.comparison import Comparison, Pair
from analysis.statistics.intervals import least_p_over_seeds
from analysis.table_columns import column_name

_COMPARED = (
    "block",
    "row",
    "metric",
    "resolved",
    "candidates_without",
    "candidates_with",
    "difference",
    "low",
    "high",
    "test",
    "p_value",
    "p_holm",
    "seeds",
    "seeds_better",
    "mean_difference",
    "mean_low",
    "mean_high",
    "seed_differences",
    "least_p_over_seeds",
    "complete",
    "remark",
    "trial_id_without",
    "trial_id_with",
)


def comparison_frame(pairs: Sequence[Pair]) -> pd.DataFrame:
    """A row per headline metric of each pair of cells that differ in the constraint alone.

    block                 data set and ratio
    row                   the row with the constraint
    metric                what is compared, of the test examples, 0 to 1
    resolved              whether there are positives enough to read it
    candidates_without    trials of the cell without the constraint, among which one was chosen
    candidates_with       of the cell with it
    difference            of the two ensembles, with the constraint minus without
    low                   lower end of its 95 % interval over test examples
    high                  upper end
    test                  what p is of: DeLong's test, or a paired bootstrap over test examples
    p_value               two-sided
    p_holm                corrected by Holm's method for all pairs of the table in this metric that are
                          resolved and complete; empty of others
    seeds                 how many both chosen trials have
    seeds_better          in how many of them the constraint is better
    mean_difference       mean over these seeds
    mean_low              lower end of its 95 % interval over seeds and test examples; empty with fewer than 6
    mean_high             upper end
    seed_differences      the difference of each seed
    least_p_over_seeds    the least two-sided p that a test over so many seeds could give
    complete              whether both cells are, without pruned candidates
    remark                why not, or why a number is undefined
    trial_id_without      the chosen trial without the constraint
    trial_id_with         the chosen trial with it
    """
    rows = []
    for pair in pairs:
        for comparison in pair.comparisons:
            rows.append(_comparison_row(pair, comparison))
    return pd.DataFrame(rows, columns=list(_COMPARED))


def _comparison_row(pair: Pair, found: Comparison) -> dict[str, Any]:
    unfinished = []
    for cell in (pair.without, pair.constrained):
        if not cell.comparable:
            unfinished.append(f"{cell.row}: {cell.note()}")
    remarks = [found.reason]
    if unfinished:
        remarks.append(f"incomplete: {'; '.join(unfinished)}")
    seeds = len(found.seeds)
    return {
        "block": pair.without.block,
        "row": pair.constrained.row,
        "metric": column_name(found.metric),
        "resolved": found.resolved,
        "candidates_without": len(pair.without.candidates),
        "candidates_with": len(pair.constrained.candidates),
        "difference": found.difference,
        "low": found.interval.low,
        "high": found.interval.high,
        "test": found.test,
        "p_value": found.p_value,
        "p_holm": found.p_holm,
        "seeds": seeds,
        "seeds_better": found.seeds_better,
        "mean_difference": found.mean_difference,
        "mean_low": found.mean_interval.low,
        "mean_high": found.mean_interval.high,
        "seed_differences": "; ".join(map(repr, found.per_seed)),
        "least_p_over_seeds": least_p_over_seeds(seeds) if seeds else math.nan,
        "complete": pair.comparable,
        "remark": "; ".join(filter(None, remarks)),
        "trial_id_without": pair.without.chosen_id,
        "trial_id_with": pair.constrained.chosen_id,
    }
