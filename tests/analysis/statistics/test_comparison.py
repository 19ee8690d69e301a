"""With against without the constraint: paired, corrected, and the two questions kept apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.records import TestRecord, ensemble_outputs
from analysis.statistics.comparison import (
    BOOTSTRAP,
    DELONG,
    Comparison,
    bootstrap_p,
    compare,
    holm,
)
from analysis.statistics.delong import delong
from analysis.statistics.intervals import outer_share
from analysis.statistics.resampled import resample
from search_spaces.config import DEFAULT_TARGETS, Bce, CrossEntropy, Metric, Targets, TrialConfig
from search_spaces.config.metrics import auroc, fpr_at_tpr
from search_spaces.errors import StoreError
from tests.analysis.stored_sweep import ALM, LONG_TAIL, trial
from trainer.tasks.base import task_arrays

RATES = Targets(tpr=(0.95, 0.5), fpr=())
AUROC, FPR = auroc(), fpr_at_tpr(0.5)


def made_record(
    config: TrialConfig, seeds: list[int], targets: np.ndarray, outputs: np.ndarray, rates: Targets
) -> TestRecord:
    """What `analysis.load` makes of outputs [replicates, ...]."""
    arrays = task_arrays(config.data, rates)
    replicates = arrays.summarize_rows(targets, outputs)
    ensemble = arrays.summarize(targets, ensemble_outputs(outputs))
    return TestRecord(config, rates, tuple(seeds), targets, outputs, ensemble, replicates)


def record(seeds: list[int], shift: float, *, seed: int = 0, constrained: bool = False) -> TestRecord:
    generator = np.random.default_rng(seed)
    targets = np.repeat(np.array([1, 0], np.int8), [15, 40])
    common = np.random.default_rng(99).normal(size=55)
    scores = common + generator.normal(size=(len(seeds), 55)) + shift * targets
    config = trial(Bce(), ALM if constrained else None)
    return made_record(config, seeds, targets, scores.astype(np.float32).round(1), RATES)


def one(without: TestRecord, constrained: TestRecord, metric: Metric, draws: int = 2000) -> Comparison:
    found = compare(without, constrained, [metric], resample([without, constrained], draws))
    return found[0]


def test_pairs_are_formed_by_seed() -> None:
    without = record([1, 2, 3, 4, 5, 6, 7], 1.0)
    constrained = record([2, 3, 4, 5, 6, 7, 9], 1.5, seed=1, constrained=True)
    found = one(without, constrained, AUROC)
    expected = constrained.replicates["auroc"][:6] - without.replicates["auroc"][1:]
    assert found.seeds == (2, 3, 4, 5, 6, 7)
    assert found.per_seed == pytest.approx(expected)
    assert found.seeds_better == int(np.sum(expected > 0))
    assert found.mean_interval.low < found.mean_difference < found.mean_interval.high


def test_other_seeds_of_a_trial_and_their_order_change_nothing_of_the_seeds_comparison() -> None:
    common = [2, 4, 5, 7, 8, 9]
    without, constrained = record(common, 1.0), record(common, 1.5, seed=1, constrained=True)
    wanted = one(without, constrained, AUROC)
    more = placed(without, [11, 9, 8, 2, 7, 5, 4]), placed(constrained, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    found = one(*more, AUROC)
    assert (found.per_seed, found.mean_interval) == (wanted.per_seed, wanted.mean_interval)


def placed(known: TestRecord, seeds: list[int]) -> TestRecord:
    """The record with its rows at these seeds, and rows of another trial where it has none."""
    outputs = record(seeds, 3.0, seed=9).outputs.copy()
    for row, seed in enumerate(seeds):
        if seed in known.seeds:
            outputs[row] = known.outputs[known.seeds.index(seed)]
    return made_record(known.config, seeds, known.targets, outputs, known.rates)


def test_ensembles_are_compared_by_delong_in_auroc_and_by_paired_bootstrap_in_rates() -> None:
    seeds = [1, 2, 3, 4, 5, 6]
    without, constrained = record(seeds, 0.8), record(seeds, 1.6, seed=1, constrained=True)
    of_area, of_rate = one(without, constrained, AUROC), one(without, constrained, FPR)
    positive = without.targets == 1
    expected = delong(positive, ~positive, *(ensemble_outputs(r.outputs) for r in (without, constrained)))
    assert (of_area.test, of_area.difference, of_area.p_value) == (DELONG, expected.value, expected.p_value)
    assert of_rate.test == BOOTSTRAP
    assert of_rate.difference == constrained.metrics[FPR.name] - without.metrics[FPR.name]
    assert of_rate.interval.low <= of_rate.difference <= of_rate.interval.high


def area(positives: np.ndarray, negatives: np.ndarray) -> float:
    differences = positives[:, None] - negatives
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


def test_the_interval_over_seeds_and_examples_agrees_with_a_slow_bootstrap() -> None:
    seeds = [1, 2, 3, 4, 5, 6]
    without, constrained = record(seeds, 0.8), record(seeds, 1.6, seed=1, constrained=True)
    generator = np.random.default_rng(7)
    values = []
    for _ in range(3000):
        chosen = generator.integers(6, size=6)
        positives, negatives = generator.integers(15, size=15), 15 + generator.integers(40, size=40)
        differences = []
        for seed in range(6):
            new, old = constrained.outputs[seed], without.outputs[seed]
            differences.append(area(new[positives], new[negatives]) - area(old[positives], old[negatives]))
        values.append(np.mean([differences[seed] for seed in chosen]))
    found = one(without, constrained, AUROC, draws=20_000)
    outer = outer_share(6)
    expected = np.quantile(values, [outer, 1 - outer])
    width = expected[1] - expected[0]
    assert list(found.mean_interval) == pytest.approx(list(expected), abs=0.12 * width)


@pytest.mark.parametrize("seeds", [1, 2, 3, 5, 6])
def test_too_few_seeds_have_no_interval_of_their_mean_and_say_so(seeds: int) -> None:
    common = list(range(seeds))
    found = one(record(common, 1.0), record(common, 1.5, seed=1, constrained=True), AUROC)
    assert len(found.per_seed) == seeds
    assert math.isfinite(found.mean_interval.low) is (seeds >= 6)
    assert ("too few for an interval of their mean (at least 6)" in found.reason) is (seeds < 6)
    assert math.isfinite(found.p_value), "the ensembles are compared all the same"


def test_no_common_seed_and_no_difference() -> None:
    without, constrained = record([1, 2], 1.0), record([3, 4], 1.0, constrained=True)
    found = one(without, constrained, AUROC)
    assert (found.seeds, found.per_seed, found.reason) == ((), (), "no seed in common")
    same = record([1, 2, 3, 4, 5, 6], 1.0)
    equal = replace(same, config=trial(Bce(), ALM))
    for metric in (AUROC, FPR):
        found = one(same, equal, metric)
        assert (found.difference, found.p_value, found.mean_difference) == (0, 1, 0)
        assert tuple(found.mean_interval) == (0, 0)


def test_what_is_not_resolved_has_neither_interval_nor_test() -> None:
    """15 positives do not resolve 95 %: 59 would."""
    seeds = [1, 2, 3, 4, 5, 6]
    found = one(record(seeds, 1.0), record(seeds, 1.5, seed=1, constrained=True), fpr_at_tpr(0.95))
    assert not found.resolved
    assert math.isfinite(found.difference)
    assert math.isnan(found.p_value)
    assert math.isnan(found.interval.low)
    assert math.isnan(found.mean_interval.low)


def test_groups_are_drawn_whole_and_no_test_takes_examples_as_independent() -> None:
    """Each example four times, as four images of one patient: four times the examples, but no surer."""
    seeds = [1, 2, 3, 4, 5, 6]
    pair = record(seeds, 0.8), record(seeds, 1.6, seed=1, constrained=True)
    copies = []
    for its in pair:
        outputs, targets = its.outputs.repeat(4, axis=1), its.targets.repeat(4)
        groups = np.array([f"p{position}" for position in range(55)]).repeat(4)
        copy = made_record(its.config, seeds, targets, outputs, RATES)
        copies.append(replace(copy, groups=groups))
    first, second = copies
    alone, grouped = one(*pair, FPR, 8000), one(first, second, FPR, 8000)
    assert list(grouped.interval) == pytest.approx(list(alone.interval), abs=0.06)
    assert grouped.mean_interval.low == pytest.approx(alone.mean_interval.low, abs=0.06)
    assert one(first, second, AUROC).test == BOOTSTRAP
    singly = one(replace(first, groups=None), replace(second, groups=None), FPR, 8000)
    assert singly.interval.high - singly.interval.low < 0.7 * (grouped.interval.high - grouped.interval.low)


def test_other_targets_are_an_error() -> None:
    first, other = record([1], 1.0), record([1], 1.0, constrained=True)
    other.targets[0] = 0
    with pytest.raises(StoreError, match="targets"):
        compare(first, other, [AUROC], {})


def test_several_classes_are_compared_in_what_follows_from_decisions_too() -> None:
    generator = np.random.default_rng(5)
    targets = np.repeat([0, 1, 2], [30, 12, 15]).astype(np.int16)
    records = []
    for strength, constraint in ((1.0, None), (1.6, ALM)):
        outputs = generator.normal(size=(7, 57, 3)) + strength * np.eye(3)[targets]
        config = trial(CrossEntropy(), constraint, data=LONG_TAIL)
        outputs = outputs.astype(np.float32)
        records.append(made_record(config, list(range(7)), targets, outputs, DEFAULT_TARGETS))
    metrics = {metric.name: metric for metric in LONG_TAIL.headline(DEFAULT_TARGETS)}
    for name in ("critical_auroc", "macro_f1"):
        found = one(records[0], records[1], metrics[name])
        expected = (records[1].replicates[name] - records[0].replicates[name]).mean()
        assert found.mean_difference == pytest.approx(expected)
        assert found.mean_interval.low < found.mean_difference < found.mean_interval.high
        assert found.test == BOOTSTRAP


def test_p_of_draws_counts_zeros_on_both_sides_and_is_never_zero() -> None:
    assert bootstrap_p(np.array([0.0, 0.0, 1.0])) == 1.0
    assert bootstrap_p(np.full(9999, -0.1)) == pytest.approx(0.0002)


def test_holms_correction_is_the_textbooks() -> None:
    """Each against the level over what is left, and none smaller than one before it."""
    assert holm([0.005, 0.011, 0.02, 0.04, 0.13]) == pytest.approx([0.025, 0.044, 0.06, 0.08, 0.13])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_bootstrap_rejects_a_true_null_about_as_often_as_its_level_says() -> None:
    rejected = 0
    for draw in range(120):
        pair = record([1], 1.0, seed=2 * draw), record([1], 1.0, seed=2 * draw + 1, constrained=True)
        rejected += one(*pair, FPR, draws=400).p_value <= 0.05
    assert rejected <= 14  # 6 expected, steps of the rate make it fewer; 99.9 % of binomial(120, 0.05)
