"""One calibration error for every task, and what of a binary score has none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from search_spaces.config import Binary, Digits, MultiClass
from trainer.metrics.calibration import BINS
from trainer.tasks.base import task_arrays

ONE = task_arrays(Binary(source=Digits(), negative=(0,), positive=(1,)))
TWO = task_arrays(MultiClass(source=Digits(), classes=(0, 1), critical=(1,)))


def slowly(confidences: list[float], correct: list[bool]) -> float:
    """Bins of equal count by rising confidence, example by example; no two confidences are equal."""
    order = sorted(range(len(confidences)), key=lambda i: confidences[i])
    total, start = 0.0, 0
    for number in range(BINS):
        size = len(order) // BINS + (number < len(order) % BINS)
        members = order[start : start + size]
        start += size
        gap = sum(confidences[i] - correct[i] for i in members)
        total += abs(gap)
    return total / len(order)


def test_a_binary_score_has_the_calibration_of_its_two_logits() -> None:
    generator = np.random.default_rng(7)
    scores, targets = 3 * generator.normal(size=100), generator.integers(0, 2, 100)
    binary = ONE.summarize(targets, scores)["calibration_error"]
    two = TWO.summarize(targets, np.stack([np.zeros(100), scores], axis=1))["calibration_error"]
    confidences = [1 / (1 + math.exp(-abs(score))) for score in scores]
    correct = [bool((score >= 0) == target) for score, target in zip(scores, targets, strict=True)]
    assert binary == pytest.approx(slowly(confidences, correct), abs=1e-12)
    assert two == pytest.approx(binary, abs=1e-12)


def test_a_score_that_is_no_logit_has_none() -> None:
    found = ONE.summarize([0, 1], [-1.0, 1.0], decides_at_zero=False)
    assert math.isnan(found["calibration_error"])


def test_a_score_that_is_nan_or_infinite() -> None:
    rows = ONE.summarize_rows([0, 1], [[-1.0, math.nan], [-math.inf, math.inf]])["calibration_error"]
    assert math.isnan(rows[0])
    assert rows[1] == 0.0
