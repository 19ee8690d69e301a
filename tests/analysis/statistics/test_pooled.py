"""Interquartile means and probabilities of improvement over draws, against slow loops and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, trim_mean

from analysis.statistics import pooled
from analysis.statistics.pooled import improvements, interquartile_means


def once(*values: float) -> np.ndarray:
    return np.array(values, np.float64)[:, None]


def ones(number: int) -> np.ndarray:
    return np.ones((number, 1), np.int64)


def test_the_lowest_and_the_highest_quarter_are_left_out() -> None:
    assert interquartile_means(once(100, 1, 3, -50), ones(4)) == [2.0]
    assert interquartile_means(once(9, 1, 2), ones(3)) == [4.0], "of three values a quarter is none"
    assert interquartile_means(once(1, 5), np.array([[6], [2]])) == [1.0], "1 six times, 5 twice"


def test_any_counts_give_what_scipy_gives_of_the_values_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooled, "_HELD", 50)  # in several parts
    generator = np.random.default_rng(3)
    values = generator.normal(size=(11, 40)).round(1)  # with ties
    counts = generator.multinomial(11, np.full(11, 1 / 11), size=40).T
    expected = []
    for draw in range(40):
        written_out = np.repeat(values[:, draw], counts[:, draw])
        expected.append(trim_mean(written_out, 0.25))
    assert interquartile_means(values, counts) == pytest.approx(expected)


def test_equal_replicates_count_half() -> None:
    assert improvements(once(1, 2), once(1, 1), ones(2)) == [0.75]
    assert improvements(once(1, 1), once(1, 1), ones(2)) == [0.5]
    assert improvements(once(2, 3), once(1, 1), ones(2)) == [1.0]


def test_probabilities_are_mann_whitneys_statistic_of_the_replicates_written_out() -> None:
    generator = np.random.default_rng(4)
    better, worse = generator.normal(size=(2, 6, 30)).round(1)
    counts = generator.multinomial(6, np.full(6, 1 / 6), size=30).T
    expected = []
    for draw in range(30):
        both = [np.repeat(values[:, draw], counts[:, draw]) for values in (better, worse)]
        expected.append(mannwhitneyu(*both).statistic / 36)
    assert improvements(better, worse, counts) == pytest.approx(expected)
