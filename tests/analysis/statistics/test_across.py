"""The constraint's effect across blocks: both numbers by hand, intervals by a slow loop, what counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t, trim_mean

from analysis.cells import Cell, build_cells
from analysis.load import load_sweep
from analysis.records import TestRecord, ensemble_outputs
from analysis.statistics.across import ALL, ALL_LOSSES, FIXED, WHOLE, Across, across_blocks
from analysis.statistics.comparison import constraint_pairs
from analysis.statistics.intervals import UNDEFINED, outer_share
from analysis.statistics.resampled import resample
from search_spaces.config import DEFAULT_TARGETS, Bce, Binary, ImageFolder, SymmetricMargin, Targets
from search_spaces.config.metrics import auroc, fpr_at_tpr
from tests.analysis.stored_sweep import ALM, FOLDER, SweepBuilder, trial
from trainer.tasks.base import task_arrays

RATES = Targets(tpr=(0.95, 0.5), fpr=())
AUROC, FPR, STEEP = auroc(), fpr_at_tpr(0.5), fpr_at_tpr(0.95)
POSITIVES, NEGATIVES = 12, 20
SIX = (1, 2, 3, 4, 5, 6)


@pytest.fixture
def stored(builder: SweepBuilder) -> tuple[Cell, ...]:
    """Two losses with and without the constraint, complete; other results take the place of theirs."""
    for loss in (Bce(), SymmetricMargin(margin=0.5)):
        for constraint in (None, ALM):
            config = trial(loss, constraint, data=FOLDER, seeds=(1,))
            builder.complete(config, config.trial_id, 1.0, 1.0)
    return build_cells(builder.store, load_sweep(builder.store, builder.manifest(), DEFAULT_TARGETS))


def placed(cell: Cell, number: int, seeds: Sequence[int], *, ratio: float | None = None) -> Cell:
    """The cell in a data set of its own, with results of other seeds; the constraint helps a little."""
    data = Binary(source=ImageFolder(folder=f"scans{number}"), negative=("healthy",), positive=("ill",))
    assert cell.chosen is not None
    config = cell.chosen.config.model_copy(update={"data": data.with_ratio(ratio), "seeds": tuple(seeds)})
    generator = np.random.default_rng([number, int(cell.constrained), len(cell.row), int(ratio or 0)])
    targets = np.repeat(np.array([1, 0], np.int8), [POSITIVES, NEGATIVES])
    common = np.random.default_rng(number).normal(size=len(targets))
    shift = 1.0 + 0.4 * cell.constrained
    scores = common + generator.normal(size=(len(seeds), len(targets))) + shift * targets
    outputs = scores.astype(np.float32).round(1)
    arrays = task_arrays(config.data, RATES)
    replicates = arrays.summarize_rows(targets, outputs)
    ensemble = arrays.summarize(targets, ensemble_outputs(outputs))
    test = TestRecord(config, RATES, tuple(seeds), targets, outputs, ensemble, replicates)
    chosen = replace(cell.chosen, config=config, trial_id=config.trial_id)
    block = f"scans{number} {ratio}"
    return replace(cell, data=config.data, block=block, chosen=chosen, test=test)


def across(cells: Sequence[Cell], draws: int = 400) -> tuple[Across, ...]:
    metrics = {cell.block: (AUROC, FPR, STEEP) for cell in cells}
    resampled = resample((cell.test for cell in cells if cell.test is not None), draws)
    return across_blocks(constraint_pairs(cells, metrics, resampled), resampled, draws)


def of(found: Sequence[Across], row: str, metric: str = "auroc") -> Across:
    return next(one for one in found if one.row == row and one.metric.name == metric)


def bce(stored: Sequence[Cell], data_sets: int, seeds: Sequence[int] = SIX) -> list[Cell]:
    cells = [cell for cell in stored if cell.pair == "BCE"]
    return [placed(cell, number, seeds) for number in range(data_sets) for cell in cells]


def values(cell: Cell, metric: str) -> np.ndarray:
    assert cell.test is not None
    return cell.test.replicates[metric]


def test_both_numbers_by_a_slow_loop(stored: tuple[Cell, ...]) -> None:
    cells = [placed(cell, number, SIX) for number in range(3) for cell in stored]
    found = across(cells, draws=0)
    for row in ("BCE", "S-LM", ALL_LOSSES):
        for metric in (AUROC, FPR):
            differences, shares = [], []
            for without in cells:
                if without.constrained or row not in (without.row, ALL_LOSSES):
                    continue
                (constrained,) = [
                    c for c in cells if c.constrained and (c.block, c.pair) == (without.block, without.row)
                ]
                new, old = values(constrained, metric.name), values(without, metric.name)
                differences += (new - old).tolist()
                won = 0.0
                for one in new:
                    for other in old:
                        won += (metric.gain(one) > metric.gain(other)) + 0.5 * (one == other)
                shares.append(won / 36)
            its = of(found, row, metric.name)
            assert its.difference.value == pytest.approx(trim_mean(differences, 0.25))
            assert its.improvement.value == pytest.approx(np.mean(shares))
            assert its.difference.interval == UNDEFINED, "nothing was drawn"
            assert its.pairs == len(shares)
    helped = of(found, ALL_LOSSES, FPR.name)
    assert helped.difference.value < 0 < 0.5 < helped.improvement.value, "a lower rate is better"


def area(positives: np.ndarray, negatives: np.ndarray) -> float:
    differences = positives[:, None] - negatives
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


def slow_draws(cells: Sequence[Cell], *, draws: int, whole: bool) -> np.ndarray:
    """Interquartile mean and probability in each draw; `whole` draws data sets alone, else all else."""
    generator = np.random.default_rng(11)
    pairs = list(zip(cells[::2], cells[1::2], strict=True))
    found = []
    for _ in range(draws):
        drawn = generator.integers(len(pairs), size=len(pairs)) if whole else range(len(pairs))
        differences, shares = [], []
        for place in drawn:
            without, constrained = pairs[place]
            assert without.test is not None
            examples = np.arange(POSITIVES + NEGATIVES)
            seeds = np.arange(len(without.test.seeds))
            if not whole:
                positives = generator.integers(POSITIVES, size=POSITIVES)
                negatives = POSITIVES + generator.integers(NEGATIVES, size=NEGATIVES)
                examples = np.concatenate([positives, negatives])
                seeds = generator.integers(len(seeds), size=len(seeds))
            of_both = []
            for cell in (constrained, without):
                assert cell.test is not None
                of_seed = []
                for row in cell.test.outputs[:, examples]:
                    of_seed.append(area(row[:POSITIVES], row[POSITIVES:]))
                of_both.append(np.array(of_seed)[seeds])
            new, old = of_both
            differences += (new - old).tolist()
            shares.append(area(new, old))
        found.append((trim_mean(differences, 0.25), np.mean(shares)))
    return np.array(found)


def assert_near(found: Across, slow: np.ndarray, outer: float) -> None:
    shifted = np.clip(slow[:, 1] + found.improvement.value - slow[:, 1].mean(), 0, 1)
    for interval, its in ((found.difference.interval, slow[:, 0]), (found.improvement.interval, shifted)):
        expected = np.quantile(its, [outer, 1 - outer])
        width = expected[1] - expected[0]
        assert list(interval) == pytest.approx(list(expected), abs=0.15 * width)


def test_of_few_data_sets_intervals_draw_seeds_and_examples(stored: tuple[Cell, ...]) -> None:
    cells = bce(stored, 2)
    found = of(across(cells, draws=10_000), "BCE")
    assert found.drawn == FIXED
    # Six seeds in each of two data sets: ten degrees of freedom.
    outer = float(norm.cdf(-math.sqrt(6 / 5) * t.ppf(0.975, 10)))
    assert_near(found, slow_draws(cells, draws=1500, whole=False), outer)


def test_of_six_data_sets_with_few_seeds_intervals_draw_data_sets(stored: tuple[Cell, ...]) -> None:
    cells = bce(stored, 6, seeds=(1, 2, 3))
    found = of(across(cells, draws=10_000), "BCE")
    assert found.drawn == WHOLE
    assert_near(found, slow_draws(cells, draws=1500, whole=True), outer_share(6))


def test_from_six_data_sets_on_all_is_drawn(stored: tuple[Cell, ...]) -> None:
    five, six = (of(across(bce(stored, number)), "BCE") for number in (5, 6))
    assert (five.drawn, six.drawn) == (FIXED, ALL)
    for found in (five, six):
        assert found.difference.interval.low < found.difference.value < found.difference.interval.high
        assert found.improvement.interval.low < found.improvement.value <= found.improvement.interval.high


def test_few_seeds_in_few_data_sets_give_no_interval_and_say_why(stored: tuple[Cell, ...]) -> None:
    found = of(across(bce(stored, 5, seeds=(1, 2, 3))), "BCE")
    assert found.reason == "3 common seeds, too few for an interval (at least 6)"
    assert found.difference.interval == UNDEFINED
    assert not math.isnan(found.difference.value)
    assert found.drawn == ""


def test_ratios_of_one_data_set_are_one_unit(stored: tuple[Cell, ...]) -> None:
    cells = []
    for ratio in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0):
        cells += [placed(cell, 1, SIX, ratio=ratio) for cell in stored if cell.pair == "BCE"]
    found = of(across(cells), "BCE")
    assert (len(found.blocks), len(found.data_sets), found.drawn) == (6, 1, FIXED)


def test_what_does_not_count_is_counted(stored: tuple[Cell, ...]) -> None:
    cells = bce(stored, 4)
    assert of(across(cells), "BCE", STEEP.name).unresolved == 4
    cells[0] = replace(cells[0], candidates=(replace(cells[0].candidates[0], standing=pruned(cells[0])),) * 2)
    assert cells[3].test is not None
    apart = replace(cells[3].test, seeds=(11, 12, 13, 14, 15, 16))
    cells[3] = replace(cells[3], test=apart)
    found = of(across(cells), "BCE")
    assert (found.pairs, found.incomplete, found.undefined) == (2, 1, 1)
    assert len(found.blocks) == 2


def pruned(cell: Cell) -> object:
    """A standing of a trial that was stopped early."""
    return replace(cell.candidates[0].standing, status="pruned")


def test_an_undefined_replicate_leaves_its_pair_out(stored: tuple[Cell, ...]) -> None:
    cells = bce(stored, 3)
    assert cells[1].test is not None
    its = cells[1].test.replicates["auroc"].copy()
    its[2] = math.nan
    test = replace(cells[1].test, replicates={**cells[1].test.replicates, "auroc": its})
    cells[1] = replace(cells[1], test=test)
    found = of(across(cells), "BCE")
    assert (found.pairs, found.undefined) == (2, 1)


def test_of_one_block_there_is_nothing_and_of_a_row_in_one_a_reason(stored: tuple[Cell, ...]) -> None:
    cells = [placed(cell, 1, SIX) for cell in stored]
    assert across(cells) == ()
    cells += [placed(cell, 2, SIX) for cell in stored if cell.pair == "BCE"]
    found = across(cells)
    assert of(found, "S-LM").reason == "1 block with a complete, resolved pair, nothing to sum up"
    assert math.isnan(of(found, "S-LM").improvement.value)
    assert of(found, ALL_LOSSES).pairs == 3


def test_equal_rows_are_as_often_better_as_not(stored: tuple[Cell, ...]) -> None:
    cells = bce(stored, 2)
    for place in (1, 3):
        other, own = cells[place - 1].test, cells[place].test
        assert other is not None
        assert own is not None
        same = replace(own, outputs=other.outputs, metrics=other.metrics, replicates=other.replicates)
        cells[place] = replace(cells[place], test=same)
    found = of(across(cells), "BCE")
    assert (found.difference.value, found.improvement.value) == (0, 0.5)
    assert found.difference.interval == (0, 0)
