"""Mean ranks of rows over data sets as a data frame, and in a few lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.statistics.ranks import LEAST_TESTED, LEVEL, RankedRow, Ranks
from analysis.table_columns import column_name
from search_spaces.words import count

_COLUMNS = (
    "row",
    "metric",
    "mean_rank",
    "rows_ranked",
    "data_sets",
    "blocks",
    "critical_difference",
    "tested",
    "friedman_f",
    "friedman_p",
    "block_ranks",
    "remark",
)


def rank_frame(found: Sequence[Ranks]) -> pd.DataFrame:
    """A row per row of the sweep's tables and headline metric that several blocks have.

    row                   the settings that make the row
    metric                by which rows are ranked, of the ensembles on test
    mean_rank             mean over data sets of the mean rank in their blocks, 1 = best; empty of a row that
                          is not ranked
    rows_ranked           how many rows are
    data_sets             how many data sets they are ranked in
    blocks                how many blocks these have
    critical_difference   by which two mean ranks would have to differ at the level 0.05 (Nemenyi's test)
    tested                whether there are data sets enough for that to be a test
    friedman_f            F of Friedman's test as Iman and Davenport correct it; empty where nothing is
                          tested
    friedman_p            its p
    block_ranks           the row's rank in each block
    remark                why it is not ranked
    """
    rows: list[dict[str, Any]] = []
    for ranks in found:
        statistic, p_value = ranks.friedman
        for row in ranks.rows:
            rows.append(
                {
                    "row": row.row,
                    "metric": column_name(ranks.metric),
                    "mean_rank": row.mean,
                    "rows_ranked": len(ranks.ranked),
                    "data_sets": len(ranks.data_sets),
                    "blocks": len(ranks.blocks),
                    "critical_difference": ranks.difference,
                    "tested": ranks.tested,
                    "friedman_f": statistic,
                    "friedman_p": p_value,
                    "block_ranks": "; ".join(f"{block}: {rank:g}" for block, rank in row.ranks.items()),
                    "remark": _remark(ranks, row),
                }
            )
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def rank_notes(found: Sequence[Ranks]) -> list[str]:
    """Per metric how much its ranks rest on, and what is tested, or why nothing is; alike ones together."""
    metrics: dict[str, list[str]] = {}
    for ranks in found:
        metrics.setdefault(_note(ranks), []).append(ranks.metric.header)
    return [f"{', '.join(headers)}: {words}" for words, headers in metrics.items()]


def _note(ranks: Ranks) -> str:
    ranked, data_sets = len(ranks.ranked), count(len(ranks.data_sets), "data set")
    left_out = []
    for blocks, why in ((ranks.unresolved, "not resolved"), (ranks.without, "without a complete row")):
        if blocks:
            left_out.append(f"{count(len(blocks), 'block')} {why}")
    rest = f" Left out: {', '.join(left_out)}." if left_out else ""
    if not ranked:
        return f"no two rows have a complete, resolved value in two blocks or more.{rest}"
    told = f"{count(ranked, 'row')} in {count(len(ranks.blocks), 'block')} of {data_sets}"
    if not ranks.tested:
        apart = f"two mean ranks would have to differ by {ranks.difference:.1f}, of {ranked - 1} at most"
        few = f"with {len(ranks.data_sets)} {apart}"
        return f"{told}. Ranks without a test, which takes {LEAST_TESTED} data sets: {few}.{rest}"
    statistic, p_value = ranks.friedman
    apart = f"mean ranks less than {ranks.difference:.2f} apart are not told apart (Nemenyi, {LEVEL:g})"
    return f"{told}. Friedman's test: F = {statistic:.2f}, p = {p_value:.2g}; {apart}.{rest}"


def _remark(ranks: Ranks, row: RankedRow) -> str:
    if not math.isnan(row.mean):
        return ""
    if row.lacking:
        return f"not ranked: no complete value in {', '.join(row.lacking)}"
    return "not ranked: too few rows or blocks"
