"""The loss and both extensions of the constraint against slow versions, and two classes as a binary task."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from search_spaces.config import Binary, Comparison, Digits, MultiClass
from tests import reference
from trainer.losses import binary, constraint
from trainer.losses.binary import BinaryTensors
from trainer.losses.multiclass import MultiClassTensors, cross_entropy, log_odds

CPU = torch.device("cpu")
CLASSES = (0, 1, 2, 3)
CRITICAL = (2, 3)
COLUMNS: dict[Comparison, list[tuple[int, int | None]]] = {
    "one_vs_rest": [(2, None), (3, None)],
    "pairwise": [(2, 0), (2, 1), (2, 3), (3, 0), (3, 1), (3, 2)],
}
BATCHES = {
    "every class": [0, 1, 2, 3, 2, 1, 3, 0],
    "a critical class alone": [2, 2, 2],
    "no critical class": [0, 1, 1, 0],
    "one critical class": [3, 0, 1, 3],
    "two critical classes alone": [2, 3, 3],
    "one example": [2],
}


def task(classes: tuple[int, ...] = CLASSES, critical: tuple[int, ...] = CRITICAL) -> MultiClass:
    return MultiClass(source=Digits(), classes=classes, critical=critical)


def term(
    tensors: Any, logits: torch.Tensor, targets: torch.Tensor, multipliers: torch.Tensor, mu: float
) -> torch.Tensor:
    masks = tensors.masks(targets)
    q = constraint.violations(tensors.scores(logits), masks, margin=0.5)
    return constraint.augmented_term(q, multipliers, masks, mu)


@pytest.mark.parametrize("batch", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize("comparison", ["one_vs_rest", "pairwise"])
@pytest.mark.parametrize("mu", [1e-9, 1e-2, 3.0])
def test_value_and_gradient_agree_with_the_slow_version(batch: list[int], comparison: Any, mu: float) -> None:
    generator = torch.Generator().manual_seed(11)
    tensors = MultiClassTensors(task(), comparison, CPU)
    columns = COLUMNS[comparison]
    logits = 3 * torch.randn(len(batch), len(CLASSES), generator=generator, dtype=torch.float64)
    multipliers = torch.rand(len(batch), len(columns), generator=generator, dtype=torch.float64)
    slow = reference.multiclass_term(len(CLASSES), columns, 0.5, mu, multipliers.flatten().tolist())
    expected, gradient = reference.value_and_gradient(slow, logits.flatten().tolist(), batch)
    logits.requires_grad_()
    value = term(tensors, logits, torch.tensor(batch), multipliers, mu)
    value.backward()
    assert logits.grad is not None
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert logits.grad.flatten().tolist() == pytest.approx(gradient, rel=1e-10, abs=1e-10)


def test_cross_entropy_agrees_with_the_slow_version() -> None:
    generator = torch.Generator().manual_seed(12)
    logits = 3 * torch.randn(6, 4, generator=generator, dtype=torch.float64)
    targets = [0, 1, 2, 3, 3, 0]
    slow = reference.cross_entropy(4)
    expected, gradient = reference.value_and_gradient(slow, logits.flatten().tolist(), targets)
    logits.requires_grad_()
    value = cross_entropy(logits, torch.tensor(targets))
    value.backward()
    assert logits.grad is not None
    assert value.item() == pytest.approx(expected, rel=1e-12)
    assert logits.grad.flatten().tolist() == pytest.approx(gradient, rel=1e-10, abs=1e-12)


def test_columns_are_named_after_their_classes() -> None:
    assert MultiClassTensors(task(), "one_vs_rest", CPU).column_names == ("2", "3")
    pairs = MultiClassTensors(task(), "pairwise", CPU).column_names
    assert pairs == ("2>0", "2>1", "2>3", "3>0", "3>1", "3>2")


@pytest.mark.parametrize("comparison", ["one_vs_rest", "pairwise"])
def test_a_column_without_a_pair_adds_exactly_nothing(comparison: Any) -> None:
    tensors = MultiClassTensors(task(), comparison, CPU)
    logits = torch.randn(3, 4, requires_grad=True)
    multipliers = torch.full((3, len(tensors.column_names)), 5.0)
    value = term(tensors, logits, torch.tensor([0, 1, 0]), multipliers, 1.0)
    value.backward()
    assert value.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("comparison", ["one_vs_rest", "pairwise"])
def test_two_classes_of_logits_0_and_s_are_the_binary_task_of_s(comparison: Any) -> None:
    generator = torch.Generator().manual_seed(13)
    scores = 4 * torch.randn(9, generator=generator, dtype=torch.float64)
    targets = torch.tensor([0, 1, 1, 0, 0, 1, 0, 0, 1])
    multipliers = torch.rand(9, 1, generator=generator, dtype=torch.float64)
    two = MultiClassTensors(task((0, 1), (1,)), comparison, CPU)
    one = BinaryTensors(Binary(source=Digits(), negative=(0,), positive=(1,)), "one_vs_rest", CPU)
    found = []
    for tensors in (two, one):
        s = scores.clone().requires_grad_()
        logits = torch.stack([torch.zeros_like(s), s], dim=1)
        loss = cross_entropy(logits, targets) if tensors is two else binary.bce(s, targets)
        value = term(tensors, logits if tensors is two else s, targets, multipliers, 0.1)
        (loss + value).backward()
        found.append((loss.item(), value.item(), s.grad.tolist()))  # type: ignore[union-attr]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-14)
    assert found[0][1] == found[1][1]
    assert found[0][2] == pytest.approx(found[1][2], rel=1e-12)


def test_log_odds_of_sure_classes_are_finite_and_do_not_depend_on_a_constant() -> None:
    logits = torch.tensor([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], requires_grad=True)
    odds = log_odds(logits, torch.tensor([0, 2]))
    assert odds.tolist() == [[1e4, -2e4], pytest.approx([-0.693147, -0.693147], abs=1e-5)]
    odds.sum().backward()
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())
    shifted = log_odds(logits.detach() + 7, torch.tensor([0, 2]))
    assert torch.allclose(shifted, odds.detach(), rtol=0, atol=2e-3)


def test_raw_logits_of_different_examples_do_not_compare() -> None:
    """A constant per example, which cross-entropy leaves free, changes neither loss nor violations."""
    tensors = MultiClassTensors(task(), "one_vs_rest", CPU)
    generator = torch.Generator().manual_seed(14)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    moved = logits + 5 * torch.randn(6, 1, generator=generator, dtype=torch.float64)
    targets = torch.tensor([0, 1, 2, 3, 2, 0])
    q = [constraint.violations(tensors.scores(z), tensors.masks(targets), 0.5) for z in (logits, moved)]
    assert torch.allclose(q[0], q[1], rtol=0, atol=1e-12)
    assert (q[0] > 0).any()
