"""Mean ranks over data sets, Friedman's and Nemenyi's tests: Demsar's example, ties, what counts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, rankdata

from analysis.cells import Cell, build_cells
from analysis.load import load_sweep
from analysis.statistics.ranks import (
    Ranks,
    critical_difference,
    friedman_test,
    mean_ranks,
    not_apart,
    rank_blocks,
    rank_rows,
)
from search_spaces.config import DEFAULT_TARGETS, Bce, Binary, ImageFolder, Metric, SymmetricMargin
from search_spaces.config.metrics import auroc, fpr_at_tpr
from tests.analysis.stored_sweep import ALM, FOLDER, SweepBuilder, trial

# Demsar, JMLR 7, 2006, table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
AUROC, FPR = auroc(), fpr_at_tpr(0.95)


def test_demsars_example() -> None:
    """Three digits show a tie of `voting` where his table ranks third and second: ranked as printed there."""
    ranks = rank_blocks(DEMSAR)
    ranks[12] = [4, 1, 2, 3]
    means = mean_ranks(ranks, list("abcdefghijklmn"))
    assert means == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    statistic, p_value = friedman_test(means, 14)
    assert statistic == pytest.approx(3.69, abs=5e-3)
    assert 0.01 < p_value < 0.05, "the critical value of F(3, 39) at 0.05 is 2.85"
    difference = critical_difference(4, 14)
    assert difference == pytest.approx(1.25, abs=5e-3)
    # None of them differs by 1.25: 3.143 - 1.964 = 1.18. At 0.10 two would, he writes.
    assert not_apart(np.sort(means), difference) == [(0, 4)]


def test_friedmans_statistic_is_scipys_where_nothing_ties() -> None:
    table = np.random.default_rng(5).normal(size=(12, 5))
    ranks = rank_blocks(table)
    chi_squared = friedmanchisquare(*table.T).statistic
    expected = 11 * chi_squared / (12 * 4 - chi_squared)
    assert friedman_test(ranks.mean(axis=0), 12)[0] == pytest.approx(expected)


def test_where_all_data_sets_rank_alike_or_all_rows_are_equal() -> None:
    assert friedman_test(np.array([1.0, 2.0, 3.0]), 10) == (math.inf, 0.0)
    assert friedman_test(np.array([2.0, 2.0, 2.0]), 10) == (0.0, 1.0)


def test_the_difference_of_the_papers_tables() -> None:
    assert critical_difference(17, 4) == pytest.approx(12.3, abs=0.05), "of 16 ranks"


def test_blocks_of_a_data_set_count_once() -> None:
    ranks = np.array([[1.0, 2], [1, 2], [1, 2], [2, 1]])
    assert mean_ranks(ranks, ["a", "a", "a", "b"]) == pytest.approx([1.5, 1.5])


def cells_of(builder: SweepBuilder, data_sets: int) -> tuple[list[Cell], dict[str, tuple[Metric, ...]]]:
    """Four rows in each of many data sets: made of one stored cell each, whose test values are replaced."""
    for loss in (Bce(), SymmetricMargin(margin=0.5)):
        for constraint in (None, ALM):
            config = trial(loss, constraint, data=FOLDER, seeds=(1,))
            builder.complete(config, config.trial_id, 1.0, 1.0)
    stored = build_cells(builder.store, load_sweep(builder.store, builder.manifest(), DEFAULT_TARGETS))
    cells = []
    for number in range(data_sets):
        data = Binary(source=ImageFolder(folder=f"scans{number}"), negative=("healthy",), positive=("ill",))
        for cell in stored:
            cells.append(replace(cell, data=data, block=f"scans{number}"))
    return cells, {cell.block: (AUROC, FPR) for cell in cells}


def valued(cell: Cell, **values: float) -> Cell:
    assert cell.test is not None
    return replace(cell, test=replace(cell.test, metrics={**cell.test.metrics, **values}))


def with_table(cells: list[Cell], table: np.ndarray) -> list[Cell]:
    """The cells with these AUROCs [blocks, rows]."""
    found = []
    for place, cell in enumerate(cells):
        found.append(valued(cell, auroc=float(table[place // 4, place % 4])))
    return found


def of(ranks: tuple[Ranks, ...], metric: Metric) -> Ranks:
    return next(one for one in ranks if one.metric == metric)


def test_cells_are_ranked_as_a_slow_loop_ranks_them(builder: SweepBuilder) -> None:
    cells, metrics = cells_of(builder, 14)
    found = of(rank_rows(with_table(cells, DEMSAR), metrics), AUROC)
    expected = []
    for row in range(4):
        its = []
        for block in DEMSAR:
            above = sum(value > block[row] for value in block)
            equal = sum(value == block[row] for value in block)
            its.append(above + (equal + 1) / 2)
        expected.append(np.mean(its))
    assert [row.mean for row in found.rows] == pytest.approx(expected)
    assert [row.row for row in found.rows] == ["BCE", "S-LM", "BCE + ALM", "S-LM + ALM"]
    assert found.tested
    assert found.together == (tuple(row.row for row in found.ranked),)


def test_a_lower_rate_has_the_better_rank(builder: SweepBuilder) -> None:
    cells, metrics = cells_of(builder, 2)
    rates = [0.4, 0.1, 0.3, 0.2] * 2
    few = frozenset[str]()
    changed = []
    for cell, rate in zip(cells, rates, strict=True):
        made = valued(cell, **{FPR.name: rate})
        made.test.__dict__["unresolved"] = few  # type: ignore[union-attr]
        changed.append(made)
    found = of(rank_rows(changed, metrics), FPR)
    assert [row.mean for row in found.rows] == [4, 1, 3, 2]


@pytest.mark.parametrize(("data_sets", "tested"), [(2, False), (9, False), (10, True)])
def test_nothing_is_tested_below_ten_data_sets(
    builder: SweepBuilder, data_sets: int, *, tested: bool
) -> None:
    cells, metrics = cells_of(builder, data_sets)
    table = np.tile([0.6, 0.7, 0.8, 0.9], (data_sets, 1))
    found = of(rank_rows(with_table(cells, table), metrics), AUROC)
    assert (found.tested, len(found.data_sets)) == (tested, data_sets)
    assert [row.mean for row in found.rows] == [4, 3, 2, 1]
    assert math.isnan(found.friedman[1]) != tested
    assert bool(found.together) == tested
    assert found.difference == critical_difference(4, data_sets)


def test_ratios_of_one_data_set_make_no_further_ones(builder: SweepBuilder) -> None:
    cells, metrics = cells_of(builder, 12)
    alike = [replace(cell, data=cells[0].data) for cell in cells]
    found = of(rank_rows(with_table(alike, DEMSAR[:12]), metrics), AUROC)
    assert (len(found.blocks), len(found.data_sets), found.tested) == (12, 1, False)


def test_what_is_not_resolved_undefined_or_incomplete_stays_out(builder: SweepBuilder) -> None:
    cells, metrics = cells_of(builder, 3)
    cells = with_table(cells, DEMSAR[:3])
    found = rank_rows(cells, metrics)
    rates = of(found, FPR)
    assert rates.unresolved == ("scans0", "scans1", "scans2"), "20 positives do not resolve 95 %"
    assert not rates.ranked
    cells[5] = valued(cells[5], auroc=math.nan)  # S-LM in the second block
    cells[10] = replace(cells[10], test=None)  # BCE + ALM in the third
    found = rank_rows(cells, metrics)
    of_area = of(found, AUROC)
    assert [row.row for row in of_area.ranked] == ["S-LM + ALM", "BCE"]
    lacking = {row.row: row.lacking for row in of_area.rows if math.isnan(row.mean)}
    assert lacking == {"S-LM": ("scans1",), "BCE + ALM": ("scans2",)}


def test_a_block_without_any_result_is_left_out_of_all_rows(builder: SweepBuilder) -> None:
    cells, metrics = cells_of(builder, 3)
    cells = [replace(cell, test=None) if cell.block == "scans1" else cell for cell in cells]
    found = of(rank_rows(cells, metrics), AUROC)
    assert (found.blocks, found.without) == (("scans0", "scans2"), ("scans1",))
    assert len(found.ranked) == 4


def test_of_one_block_there_is_nothing(builder: SweepBuilder) -> None:
    cells, metrics = cells_of(builder, 1)
    assert rank_rows(cells, metrics) == ()


def test_ties_share_the_mean_of_their_ranks() -> None:
    assert rank_blocks(np.array([[0.5, 0.7, 0.7, 0.9]])).tolist() == [list(rankdata([-5, -7, -7, -9]))]
