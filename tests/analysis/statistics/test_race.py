"""The rule of a race: its critical values against scipy's test, its stated level in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import dunnett

from analysis.statistics.race import dunnett_critical, left_behind


@pytest.mark.parametrize(("others", "each"), [(1, 4), (3, 6), (8, 3)])
def test_critical_values_are_those_of_dunnetts_test(others: int, each: int) -> None:
    generator = np.random.default_rng(others)
    samples = generator.normal(size=(others, each))
    control = generator.normal(size=each)
    found = dunnett(*samples, control=control, alternative="greater", rng=np.random.default_rng(0))
    degrees = (others + 1) * (each - 1)
    for statistic, p in zip(found.statistic, found.pvalue, strict=True):
        if 0.01 < p < 0.45:
            assert dunnett_critical(1 - p, others, degrees) == pytest.approx(statistic, abs=0.02)


@pytest.mark.parametrize("candidates", [2, 10, 40])
def test_the_best_is_left_behind_at_the_level_at_most(candidates: int) -> None:
    generator = np.random.default_rng(1)
    lost, plays = 0, 2000
    truth = np.full(candidates, 0.9)
    truth[0] += 0.003  # more than the tolerance, and all others as near as that lets them be
    for _ in range(plays):
        values = truth[:, None] + generator.normal(0, 0.01, (candidates, 3)) + generator.normal(0, 0.02, 3)
        behind = left_behind(values, level=0.05, tolerance=0.002)
        lost += bool(behind[0])
    assert lost / plays < 0.05 + 3 * np.sqrt(0.05 * 0.95 / plays)


def test_what_is_clearly_worse_is_left_and_what_is_near_is_kept() -> None:
    generator = np.random.default_rng(2)
    truth = np.array([0.95, 0.949, 0.90, 0.80, 0.70])
    values = truth[:, None] + generator.normal(0, 0.002, (5, 3))
    behind = left_behind(values, level=0.05, tolerance=0.002)
    assert behind.tolist() == [False, False, True, True, True]


def test_what_seeds_share_is_no_noise() -> None:
    by_seed = np.array([0.0, 0.2, -0.2])
    values = np.array([0.7, 0.69])[:, None] + by_seed
    assert left_behind(values, level=0.05, tolerance=0.002).tolist() == [False, True]


def test_equal_candidates_are_worth_no_further_replicate_but_for_one() -> None:
    assert left_behind(np.full((3, 3), 0.5), level=0.05, tolerance=0.002).tolist() == [False, True, True]


def test_a_candidate_alone_is_kept_and_one_seed_is_refused() -> None:
    assert left_behind(np.ones((1, 3)), level=0.05, tolerance=0.002).tolist() == [False]
    with pytest.raises(ValueError, match="at least two seeds"):
        left_behind(np.ones((4, 1)), level=0.05, tolerance=0.002)
