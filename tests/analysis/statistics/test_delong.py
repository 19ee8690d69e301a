"""DeLong's test against its definition and another implementation, and its size under the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from analysis.statistics.delong import delong


def by_definition(targets: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Difference and p from the covariance of the placements, pair by pair (DeLong et al. 1988)."""
    m, n = int(np.sum(targets == 1)), int(np.sum(targets == 0))
    areas, v10, v01 = [], np.zeros((2, m)), np.zeros((2, n))
    for k, scores in enumerate((first, second)):
        x, y = scores[targets == 1], scores[targets == 0]
        psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
        areas.append(psi.mean())
        v10[k], v01[k] = psi.mean(axis=1), psi.mean(axis=0)
    s = np.cov(v10) / m + np.cov(v01) / n
    variance = s[0, 0] + s[1, 1] - 2 * s[0, 1]
    difference = areas[1] - areas[0]
    return difference, 2 * norm.sf(abs(difference) / math.sqrt(variance))


@pytest.mark.parametrize("digits", [1, 8], ids=["ties", "no ties"])
def test_it_is_the_definition(digits: int) -> None:
    generator = np.random.default_rng(3)
    targets = generator.permutation(np.repeat([1, 0], [17, 40]))
    common = generator.normal(size=57) + targets
    first = np.round(common + generator.normal(size=57), digits)
    second = np.round(common + 0.5 * generator.normal(size=57), digits)
    found = delong(targets == 1, targets == 0, first, second)
    difference, p_value = by_definition(targets, first, second)
    assert found.value == pytest.approx(difference, abs=1e-12)
    assert found.p_value == pytest.approx(p_value, rel=1e-10)
    assert found.interval.low < found.value < found.interval.high


# By R 4.2.2 with pROC 1.18.0 (Debian: `apt-get install r-base-core r-cran-proc`), `Rscript` on this file:
#
#     suppressMessages(library(pROC)); options(digits = 15)
#     i <- 1:90; ill <- i %% 3 == 0
#     first <- (i * 37) %% 101 + 30 * ill; second <- (i * 53) %% 97 + 55 * ill
#     for (step in c(1, 10)) {
#       a <- roc(ill, first %/% step, levels = c(FALSE, TRUE), direction = "<")
#       b <- roc(ill, second %/% step, levels = c(FALSE, TRUE), direction = "<")
#       t <- roc.test(b, a, method = "delong", paired = TRUE)
#       cat(step, auc(a), auc(b), t$p.value, t$conf.int, "\n")
#     }
PROC = {
    1: (0.79, 0.915555555555556, 0.0223817178471684, 0.017804662307363, 0.233306448803748),
    10: (0.776666666666667, 0.913055555555556, 0.0138171553514667, 0.0278108015012222, 0.244966976276555),
}


@pytest.mark.parametrize("step", PROC, ids=["hardly any ties", "many ties"])
def test_it_is_that_of_proc(step: int) -> None:
    i = np.arange(1, 91)
    ill = i % 3 == 0
    first, second = (i * 37) % 101 + 30 * ill, (i * 53) % 97 + 55 * ill
    found = delong(ill, ~ill, first // step, second // step)
    of_first, of_second, p_value, low, high = PROC[step]
    assert found.value == pytest.approx(of_second - of_first, abs=1e-13)
    assert found.p_value == pytest.approx(p_value, rel=1e-12)
    assert tuple(found.interval) == pytest.approx((low, high), abs=1e-13)


def test_the_same_ranks_differ_in_nothing() -> None:
    targets = np.array([1, 1, 0, 0, 1])
    scores = np.array([0.1, 0.5, 0.3, 0.2, 0.9])
    found = delong(targets == 1, targets == 0, scores, 2 * scores)
    assert (found.value, found.p_value) == (0.0, 1.0)


def test_one_positive_is_too_few() -> None:
    targets = np.array([1, 0, 0, 0])
    found = delong(targets == 1, targets == 0, np.array([3.0, 1, 2, 0]), np.array([1.0, 1, 2, 0]))
    assert found.value < 0
    assert math.isnan(found.p_value)


def test_a_true_null_is_rejected_about_as_often_as_the_level_says() -> None:
    targets = np.repeat([1, 0], [60, 120])
    rejected = 0
    for draw in range(400):
        generator = np.random.default_rng(draw)
        common = generator.normal(size=180) + targets
        first, second = (common + generator.normal(size=180) for _ in range(2))
        rejected += delong(targets == 1, targets == 0, first, second).p_value <= 0.05
    assert 8 <= rejected <= 34  # 20 expected; 99.7 % of binomial(400, 0.05)
