"""The rule of a race: its variances by hand, its stated level in simulation, whom it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.statistics.race import left_behind, pseudo_values

Values = NDArray[np.float64]
SEEDS = 10


def jackknifed(values: Values) -> tuple[Values, Values]:
    """The mean of each candidate's values [candidates, seeds], and the mean without each seed."""
    seeds = values.shape[1]
    return values.mean(axis=1), (values.sum(axis=1, keepdims=True) - values) / (seeds - 1)


def behind(values: Values, *, level: float = 0.05, of: int = SEEDS) -> list[bool]:
    return left_behind(*jackknifed(values), of=of, level=level, tolerance=0.002).tolist()


def test_pseudo_values_of_a_mean_are_the_values() -> None:
    values = np.array([[0.5, 0.75, 1.0], [0.25, 0.25, 0.625]])
    np.testing.assert_allclose(pseudo_values(*jackknifed(values)), values)


@pytest.mark.parametrize(("candidates", "first"), [(2, 3), (10, 2), (40, 3)])
def test_none_that_ends_near_the_best_is_kept_at_the_level_at_most(candidates: int, first: int) -> None:
    """Of candidates whose true means lie about as far apart as seeds do."""
    generator = np.random.default_rng(1)
    missed, plays = 0, 200
    for _ in range(plays):
        truth = generator.normal(0.9, 0.01, candidates)
        by_seed = generator.normal(0, 0.02, SEEDS)
        values = truth[:, None] + by_seed + generator.normal(0, 0.01, (candidates, SEEDS))
        kept = ~np.array(behind(values[:, :first]))
        final = values.mean(axis=1)
        missed += bool(final[kept].max() < final.max() - 0.002)
    assert missed / plays < 0.05 + 3 * np.sqrt(0.05 * 0.95 / plays)


def test_what_is_clearly_worse_is_left_and_what_is_near_is_kept() -> None:
    generator = np.random.default_rng(2)
    truth = np.array([0.95, 0.947, 0.90, 0.80, 0.70])
    values = truth[:, None] + generator.normal(0, 0.006, (5, 3))
    assert behind(values) == [False, False, True, True, True]


def test_one_that_varies_much_is_kept_longer_than_its_like() -> None:
    calm = [0.949, 0.950, 0.951]
    values = np.array([[0.97, 0.971, 0.969], calm, [0.90, 1.00, 0.95], calm, calm, calm])
    assert behind(values) == [False, True, False, True, True, True]


def test_what_seeds_share_is_no_noise() -> None:
    by_seed = np.array([0.0, 0.2, -0.2])
    assert behind(np.array([0.7, 0.69])[:, None] + by_seed) == [False, True]


def test_the_last_seed_that_is_missing_changes_less_than_many() -> None:
    values = np.array([[0.900, 0.905, 0.904], [0.900, 0.897, 0.901]])
    assert behind(values, of=100) == [False, False]
    assert behind(values, of=4) == [False, True]


def test_equal_candidates_are_worth_no_further_replicate_but_for_one() -> None:
    assert behind(np.full((3, 3), 0.5)) == [False, True, True]


def test_the_same_values_give_the_same_answer() -> None:
    values = np.random.default_rng(3).normal(0.9, 0.01, (40, 3))
    assert behind(values) == behind(values.copy())


def test_a_candidate_alone_is_kept_and_one_seed_is_refused() -> None:
    assert behind(np.ones((1, 3))) == [False]
    with pytest.raises(ValueError, match="at least two seeds"):
        left_behind(np.ones(4), np.ones((4, 1)), of=3, level=0.05, tolerance=0.002)
