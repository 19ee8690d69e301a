"""The numbers behind the critical-difference diagram."""

from __future__ import annotations

import pandas as pd

from analysis.statistics.ranks import Ranks

_COLUMNS = ("row", "mean_rank", "data_sets", "critical_difference", "not_apart_from")


def ranks_frame(ranks: Ranks) -> pd.DataFrame:
    """A row per ranked row of one metric, best first.

    row                   the settings that make the row
    mean_rank             its mean rank over data sets, 1 = best
    data_sets             how many these are
    critical_difference   of two mean ranks, by Nemenyi's test at the level 0.05
    not_apart_from        the rows that a line joins it to: their mean ranks differ by less
    """
    rows = []
    for row in ranks.ranked:
        joined: dict[str, None] = {}
        for group in ranks.together:
            if row.row in group:
                joined.update(dict.fromkeys(group))
        joined.pop(row.row, None)
        rows.append([row.row, row.mean, len(ranks.data_sets), ranks.difference, "; ".join(joined)])
    return pd.DataFrame(rows, columns=list(_COLUMNS))
