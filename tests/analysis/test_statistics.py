from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import wilcoxon
from sklearn.metrics import roc_auc_score

from analysis.records import TestRecord
from analysis.statistics import paired_comparison, weighted_auroc
from search_spaces.config import DEFAULT_TARGETS, Bce, CrossEntropy
from search_spaces.errors import StoreError
from tests.analysis.stored_sweep import LONG_TAIL, trial
from trainer.tasks.base import task_arrays


def record(seeds: list[int], shift: float, *, seed: int = 0) -> TestRecord:
    generator = np.random.default_rng(seed)
    targets = np.repeat(np.array([1, 0], np.int8), [15, 40])
    scores = (generator.normal(size=(len(seeds), 55)) + shift * targets).astype(np.float32).round(1)
    each = np.array([roc_auc_score(targets, row) for row in scores])
    return TestRecord(trial(Bce()), DEFAULT_TARGETS, tuple(seeds), targets, scores, {}, each)


def test_pairs_are_formed_by_seed() -> None:
    without, with_constraint = record([1, 2, 3, 4, 5, 6, 7], 1.0), record([2, 3, 4, 5, 6, 7, 9], 1.5, seed=1)
    found = paired_comparison(without, with_constraint)
    differences = with_constraint.steering[:6] - without.steering[1:]
    assert found.pairs == 6
    assert found.mean_difference == pytest.approx(differences.mean())
    assert found.p_value == pytest.approx(wilcoxon(differences).pvalue)
    assert found.low < found.mean_difference < found.high
    assert found.reason == ""


def test_other_seeds_of_a_trial_and_their_order_change_nothing() -> None:
    """Each side has seeds of its own before, between and after the common ones."""
    common = [2, 4, 5, 7, 8, 9]
    without, with_constraint = record(common, 1.0), record(common, 1.5, seed=1)
    wanted = paired_comparison(without, with_constraint)
    more = placed(without, [11, 9, 8, 2, 7, 5, 4]), placed(with_constraint, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert paired_comparison(*more) == wanted


def placed(known: TestRecord, seeds: list[int]) -> TestRecord:
    """The record with its rows at these seeds, and rows of another trial where it has none."""
    other = record(seeds, 3.0, seed=9)
    scores, each = other.outputs.copy(), other.steering.copy()
    for row, seed in enumerate(seeds):
        if seed in known.seeds:
            scores[row] = known.outputs[known.seeds.index(seed)]
            each[row] = known.steering[known.seeds.index(seed)]
    return replace(known, seeds=tuple(seeds), outputs=scores, steering=each)


def test_the_same_input_gives_the_same_interval() -> None:
    without, with_constraint = record([1, 2, 3, 4, 5, 6], 1.0), record([1, 2, 3, 4, 5, 6], 1.5, seed=1)
    first, again = (paired_comparison(without, with_constraint) for _ in range(2))
    assert (first.low, first.high) == (again.low, again.high)
    other = paired_comparison(without, with_constraint, seed=1)
    assert (first.low, first.high) != (other.low, other.high)


def test_weighted_auroc_is_the_auroc_of_repeated_examples() -> None:
    one = record([1], 1.0)
    positive = one.targets == 1
    generator = np.random.default_rng(3)
    positives = generator.multinomial(15, np.full(15, 1 / 15), size=8).T.astype(float)
    negatives = generator.multinomial(40, np.full(40, 1 / 40), size=8).T.astype(float)
    scores = one.outputs[0]
    found = weighted_auroc(scores[positive], scores[~positive], positives, negatives)
    for draw in range(8):
        times = np.concatenate([positives[:, draw], negatives[:, draw]]).astype(int)
        expected = roc_auc_score(one.targets.repeat(times), one.outputs[0].repeat(times))
        assert found[draw] == pytest.approx(expected, abs=1e-12)


def slow_auroc(targets: np.ndarray, scores: np.ndarray) -> float:
    differences = scores[targets == 1][:, None] - scores[targets == 0][None, :]
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


def test_the_interval_agrees_with_a_slow_bootstrap() -> None:
    without, with_constraint = record([1, 2, 3, 4, 5, 6], 0.8), record([1, 2, 3, 4, 5, 6], 1.6, seed=1)
    generator = np.random.default_rng(7)
    targets, values = without.targets, []
    for _ in range(600):
        seeds = generator.integers(6, size=6)
        rows = np.concatenate([generator.integers(15, size=15), 15 + generator.integers(40, size=40)])
        areas = [
            [slow_auroc(targets[rows], one.outputs[s][rows]) for s in seeds]
            for one in (with_constraint, without)
        ]
        values.append(np.mean(areas[0]) - np.mean(areas[1]))
    found = paired_comparison(without, with_constraint, resamples=4000)
    expected = np.quantile(values, [0.025, 0.975])
    assert [found.low, found.high] == pytest.approx(expected, abs=0.15 * (expected[1] - expected[0]))


@pytest.mark.parametrize("pairs", [1, 2, 3, 5, 6])
def test_too_few_pairs_give_nan_and_a_reason(pairs: int) -> None:
    seeds = list(range(pairs))
    found = paired_comparison(record(seeds, 1.0), record(seeds, 1.5, seed=1))
    assert np.isfinite(found.mean_difference)
    assert np.isfinite([found.low, found.high, found.p_value]).tolist() == [pairs >= 6] * 3
    few = f"{pairs} pairs are too few for an interval or a test (at least 6)"
    assert found.reason == ("" if pairs >= 6 else few)


def test_no_common_seed_or_no_difference_has_a_reason() -> None:
    none = paired_comparison(record([1, 2], 1.0), record([3, 4], 1.0))
    assert (none.pairs, none.reason) == (0, "no seed in common")
    same = record([1, 2, 3, 4, 5, 6], 1.0)
    equal = paired_comparison(same, same)
    assert (equal.mean_difference, equal.low, equal.high) == (0, 0, 0)
    assert np.isnan(equal.p_value)
    assert "zero" in equal.reason


def test_other_targets_are_an_error() -> None:
    one, other = record([1], 1.0), record([1], 1.0)
    other.targets[0] = 0
    with pytest.raises(StoreError, match="targets"):
        paired_comparison(one, other)


def test_several_columns_are_compared_by_their_mean() -> None:
    generator = np.random.default_rng(5)
    targets = np.repeat([0, 1, 2], [30, 12, 15]).astype(np.int16)
    arrays = task_arrays(LONG_TAIL, DEFAULT_TARGETS)
    records = []
    for strength in (1.0, 1.6):
        outputs = generator.normal(size=(7, 57, 3)) + strength * np.eye(3)[targets]
        outputs = outputs.astype(np.float32)
        each = arrays.summarize_rows(targets, outputs, decides_at_zero=False)["critical_auroc"]
        config = trial(CrossEntropy(), data=LONG_TAIL)
        records.append(TestRecord(config, DEFAULT_TARGETS, tuple(range(7)), targets, outputs, {}, each))
    found = paired_comparison(*records)
    assert found.mean_difference == pytest.approx((records[1].steering - records[0].steering).mean())
    assert found.low < found.mean_difference < found.high
    assert found.p_value == pytest.approx(wilcoxon(records[1].steering - records[0].steering).pvalue)
