"""Mixup and CutMix by hand, their shares, and a step's loss for images of two labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from search_spaces.config import (
    AugmentationConfig,
    Bce,
    ConstraintConfig,
    CutMix,
    HorizontalFlip,
    Ldam,
    Mbauc,
    Mixup,
    TrainingFacts,
)
from trainer.data.mixing import CutMixStep, MixupStep
from trainer.losses.build import make_loss
from trainer.testing.common import example_trial
from trainer.testing.steps import CPU, take_steps

BLACK_AND_WHITE = torch.zeros(2, 1, 10, 10, dtype=torch.uint8)
BLACK_AND_WHITE[1] = 200


def test_mixup_by_hand() -> None:
    step = MixupStep(Mixup())
    draws = (torch.tensor([0.75, 0.3]),)
    mixed = step.apply(BLACK_AND_WHITE, draws)
    assert mixed[0].unique().tolist() == [50]  # a quarter of the last one
    assert mixed[1].unique().tolist() == [60]  # its own 0.3
    assert step.shares(draws, 10, 10).tolist() == pytest.approx([0.75, 0.3])


def test_cutmix_by_hand() -> None:
    step = CutMixStep(CutMix())
    draws = (torch.tensor([[0.4, 0.5, 0.5], [0.4, 0.0, 0.95]]),)  # 4 x 4 pixels, the second cut at a corner
    mixed = step.apply(BLACK_AND_WHITE, draws)
    assert (mixed[0, 0, 3:7, 3:7] == 200).all()
    assert int((mixed[0] == 200).sum()) == 16
    assert (mixed[1, 0, :2, 7:] == 0).all()
    assert int((mixed[1] == 0).sum()) == 6
    assert step.shares(draws, 10, 10).tolist() == pytest.approx([0.84, 0.94])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_those_of_the_beta_law(alpha: float) -> None:
    step = MixupStep(Mixup(alpha=alpha))
    (shares,) = step.draw(50_000, torch.Generator().manual_seed(2))
    assert shares.mean().item() == pytest.approx(0.5, abs=0.01)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)


def test_as_many_are_mixed_as_asked() -> None:
    for step in (MixupStep(Mixup(probability=0.3)), CutMixStep(CutMix(probability=0.3))):
        shares = step.shares(step.draw(20_000, torch.Generator().manual_seed(3)), 32, 32)
        mixed = (shares < 1).double().mean().item()
        # A rectangle of less than a pixel mixes nothing.
        assert 0.27 < mixed < 0.315


def test_a_steps_loss_is_the_mixture_of_those_for_both_labels() -> None:
    loss = make_loss(Bce(), TrainingFacts((2, 1), 2.0))
    logits = torch.tensor([[0.3], [-1.0], [2.0]], dtype=torch.float64)
    targets, shares = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.9, 0.5, 0.2], dtype=torch.float64)
    mixed = shares * loss.each(logits, targets) + (1 - shares) * loss.each(logits, targets.roll(1))
    soft = shares * targets + (1 - shares) * targets.roll(1)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], soft)
    assert mixed.mean().item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("mixing", [Mixup(), CutMix()], ids=str)
def test_a_step_trains_on_mixed_images(mixing: Any) -> None:
    plain = take_steps(example_trial(), CPU)
    mixed = take_steps(example_trial(augmentation=AugmentationConfig(then=(mixing,))), CPU)
    assert mixed.loss_sum.isfinite()
    assert mixed.loss_sum.item() != plain.loss_sum.item()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"constraint": ConstraintConfig(penalty=0.1)}, "expected no mixup beside a constraint, given both"),
        ({"loss": Ldam()}, "expected no mixup beside loss ldam, given both"),
        ({"loss": Mbauc()}, "expected no mixup beside loss mbauc, given both"),
    ],
)
def test_what_needs_one_label_takes_no_mixed_images(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        example_trial(augmentation=AugmentationConfig(then=(Mixup(),)), **parts)


def test_mixing_comes_last() -> None:
    with pytest.raises(ValidationError, match="mixes images as the last, given mixup before others"):
        AugmentationConfig(then=(Mixup(), HorizontalFlip()))
    with pytest.raises(ValidationError, match="given cutmix before others"):
        AugmentationConfig(then=(CutMix(), Mixup()))
