"""Calibration error by hand, against a slow version, and where it may not depend on anything."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.metrics.calibration import BINS, expected_calibration_error


def test_by_hand() -> None:
    # Thirty examples in fifteen pairs: each pair is sure to 0.5 + i / 30, and one of the two is right.
    sure = np.repeat(0.5 + np.arange(15) / 30, 2) + np.tile([0, 1e-4], 15)
    right = np.tile([True, False], 15)
    expected = np.mean(np.abs(sure.reshape(15, 2).mean(axis=1) - 0.5))
    assert expected_calibration_error(sure, right) == pytest.approx(expected)


def test_against_a_slow_version() -> None:
    generator = np.random.default_rng(1)
    for count in (1, 7, 15, 16, 44, 1000):
        sure, right = generator.uniform(0.1, 1, count), generator.random(count) < 0.7
        order = sorted(range(count), key=lambda i: sure[i])
        total, start = 0.0, 0
        for number in range(BINS):
            size = count // BINS + (number < count % BINS)
            members = order[start : start + size]
            start += size
            if members:
                gap = sum(sure[i] for i in members) / size - sum(right[i] for i in members) / size
                total += abs(gap) * size / count
        assert expected_calibration_error(sure, right) == pytest.approx(total)


def test_the_order_of_examples_changes_nothing() -> None:
    generator = np.random.default_rng(2)
    sure = generator.integers(5, 10, 200) / 10  # many ties, which stand in several bins
    right = generator.random(200) < 0.6
    found = {round(expected_calibration_error(sure[order], right[order]), 12) for order in orders(generator)}
    assert len(found) == 1


def orders(generator: np.random.Generator) -> list[np.ndarray]:
    return [generator.permutation(200) for _ in range(20)]


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not() -> None:
    sure = np.ones(40)
    assert expected_calibration_error(sure, np.ones(40, dtype=bool)) == 0.0
    assert expected_calibration_error(sure, np.zeros(40, dtype=bool)) == 1.0
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)))
