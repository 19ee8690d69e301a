"""Post-hoc logit adjustment against a slow loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from trainer.metrics.adjustment import GRID, adjusted, chosen_tau
from trainer.metrics.multiclass import decisions


def slowly(logits: np.ndarray, counts: tuple[int, ...], tau: float) -> list[int]:
    """The classes that are decided for, example by example and class by class."""
    decided = []
    for row in logits:
        best, highest = 0, -math.inf
        for place, (logit, count) in enumerate(zip(row, counts, strict=True)):
            value = float(logit) - tau * math.log(count / sum(counts))
            if value > highest:
                best, highest = place, value
        decided.append(best)
    return decided


@pytest.fixture
def example() -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Targets, logits of a network that knows the training shares, and these as counts."""
    counts = (900, 90, 10)
    generator = np.random.default_rng(5)
    targets = np.repeat(np.arange(3), 60)
    logits = generator.normal(size=(180, 3)) + 2 * np.eye(3)[targets] + np.log(np.array(counts) / 1000)
    return targets, logits, counts


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0, 2.0])
def test_decisions_are_those_of_the_slow_loop(
    example: tuple[np.ndarray, np.ndarray, tuple[int, ...]], tau: float
) -> None:
    _, logits, counts = example
    assert decisions(adjusted(logits, counts, tau)).tolist() == slowly(logits, counts, tau)


def test_tau_is_the_first_of_those_with_the_highest_macro_f1(
    example: tuple[np.ndarray, np.ndarray, tuple[int, ...]],
) -> None:
    targets, logits, counts = example
    values = [f1_score(targets, slowly(logits, counts, tau), average="macro") for tau in GRID]
    tau = chosen_tau(targets, logits, counts)
    assert tau == GRID[int(np.argmax(values))]
    assert 0.5 < tau < 1.5, "the shares that were added are taken out again"
    assert max(values) > values[0] + 0.1


def test_logits_that_know_no_shares_are_left_as_they_are() -> None:
    targets = np.repeat(np.arange(3), 20)
    assert chosen_tau(targets, 5.0 * np.eye(3)[targets], (900, 90, 10)) == 0.0


def test_tau_1_takes_out_the_shares_exactly() -> None:
    counts = (80, 20)
    logits = np.log(np.array([[0.8, 0.2]]))
    assert adjusted(logits, counts, 1.0)[0].tolist() == pytest.approx([0.0, 0.0], abs=1e-15)
