"""Losses for long tails against slow versions, by hand, and at their special cases."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch

from search_spaces.config import (
    ClassBalancedCrossEntropy,
    CrossEntropy,
    DeferredLdam,
    Focal,
    LogitAdjusted,
    Loss,
    TrainingFacts,
    VectorScaling,
    WeightedCrossEntropy,
)
from tests import reference
from trainer.losses.build import make_loss
from trainer.losses.longtail import class_balanced_weights, inverse_power_weights
from trainer.losses.module import LossModule

COUNTS = (500, 120, 33, 5)
ALIKE = [Decimal(1)] * 4
EFFECTIVE = reference.effective_weights(COUNTS, 0.9999)
CASES: list[tuple[Loss, reference.Loss]] = [
    (Focal(gamma=0.5), reference.focal(4, 0.5)),
    (Focal(gamma=2), reference.focal(4, 2)),
    (WeightedCrossEntropy(), reference.weighted_cross_entropy(reference.power_weights(COUNTS, 1))),
    (
        WeightedCrossEntropy(exponent=0.5),
        reference.weighted_cross_entropy(reference.power_weights(COUNTS, 0.5)),
    ),
    (ClassBalancedCrossEntropy(), reference.weighted_cross_entropy(EFFECTIVE)),
    (LogitAdjusted(), reference.adjusted_cross_entropy(COUNTS, 1, 0)),
    (LogitAdjusted(tau=2.5), reference.adjusted_cross_entropy(COUNTS, 2.5, 0)),
    (VectorScaling(gamma=0.15, tau=1.25), reference.adjusted_cross_entropy(COUNTS, 1.25, 0.15)),
    (DeferredLdam(), reference.multiclass_ldam(COUNTS, 0.5, ALIKE)),
]
NAMES = [f"{config.name}-{position}" for position, (config, _) in enumerate(CASES)]


def made(config: Loss) -> LossModule:
    return make_loss(config, TrainingFacts(COUNTS, 100.0))


def check(loss: LossModule, slow: reference.Loss, logits: torch.Tensor, targets: list[int]) -> None:
    logits = logits.clone().requires_grad_()
    value = loss(logits, torch.tensor(targets))
    value.backward()
    assert logits.grad is not None
    expected, gradient = reference.value_and_gradient(slow, logits.detach().flatten().tolist(), targets)
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert logits.grad.flatten().tolist() == pytest.approx(gradient, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_value_and_gradient_agree_with_the_slow_version(config: Loss, slow: reference.Loss) -> None:
    generator = torch.Generator().manual_seed(21)
    for targets in ([2], [0, 1, 2, 3], [3, 3, 0, 1, 0, 0]):
        logits = 3 * torch.randn((len(targets), 4), generator=generator, dtype=torch.float64)
        check(made(config), slow, logits, targets)


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_far_logits_agree_too(config: Loss, slow: reference.Loss) -> None:
    logits = torch.tensor([[800.0, 0.0, -800.0, 1.0], [-1e4, 1e4, 0.0, 2.0]], dtype=torch.float64)
    check(made(config), slow, logits, [0, 0])
    check(made(config), slow, logits, [2, 1])


def test_ldam_weighs_classes_from_the_deferred_epoch_on() -> None:
    loss = made(DeferredLdam(defer=0.8))
    logits = torch.randn((6, 4), generator=torch.Generator().manual_seed(22), dtype=torch.float64)
    targets = [3, 2, 1, 0, 3, 0]
    for epoch, weights in ((0, ALIKE), (159, ALIKE), (160, EFFECTIVE), (199, EFFECTIVE), (3, ALIKE)):
        loss.begin_epoch(epoch, 200)
        check(loss, reference.multiclass_ldam(COUNTS, 0.5, weights), logits, targets)


def test_ldam_with_nothing_deferred_never_weighs() -> None:
    loss = made(DeferredLdam(defer=1))
    logits = torch.randn((4, 4), generator=torch.Generator().manual_seed(23), dtype=torch.float64)
    loss.begin_epoch(199, 200)
    check(loss, reference.multiclass_ldam(COUNTS, 0.5, ALIKE), logits, [0, 1, 2, 3])


def test_weights_by_hand() -> None:
    assert inverse_power_weights([300, 100], 1) == pytest.approx([0.5, 1.5])
    assert inverse_power_weights([400, 100], 0.5) == pytest.approx([2 / 3, 4 / 3])
    assert class_balanced_weights([2, 1], 0.5) == pytest.approx([0.8, 1.2])  # of 2/3 and 1


@pytest.mark.parametrize("config", [LogitAdjusted(), WeightedCrossEntropy(), ClassBalancedCrossEntropy()])
def test_classes_of_one_size_are_plain_cross_entropy(config: Loss) -> None:
    logits = torch.randn((5, 3), generator=torch.Generator().manual_seed(24), dtype=torch.float64)
    targets = torch.tensor([0, 1, 2, 1, 0])
    facts = TrainingFacts((70, 70, 70), 1.0)
    plain = make_loss(CrossEntropy(), facts)(logits, targets)
    assert make_loss(config, facts)(logits, targets).item() == pytest.approx(plain.item(), rel=1e-12)


def test_what_follows_from_counts_stands_in_no_checkpoint() -> None:
    for config, _ in CASES:
        assert not made(config).state_dict()
