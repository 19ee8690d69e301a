"""AUC losses against slow versions; the min-max game's saddle point; what a checkpoint holds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from search_spaces.config import AucMargin, PartialAuc, TrainingFacts
from tests import reference
from trainer.losses.build import make_loss
from trainer.losses.module import LossModule

FACTS = TrainingFacts((100, 10), 10.0)
BATCHES = {
    "pairs": ([0.3, -1.2, 2.0, 0.0, -0.4], [1, 0, 0, 1, 0]),
    **{name: batch for name, batch in reference.EDGE_BATCHES.items() if "far" not in name},
}


def check(loss: LossModule, slow: reference.Loss, scores: list[float], targets: list[int]) -> None:
    logits = torch.tensor(scores, dtype=torch.float64)[:, None].requires_grad_()
    value = loss(logits, torch.tensor(targets))
    value.backward()
    assert logits.grad is not None
    expected, gradient = reference.value_and_gradient(slow, scores, targets)
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert logits.grad.flatten().tolist() == pytest.approx(gradient, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("batch", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_partial_auc_agrees_with_the_slow_version(batch: Any, temperature: float) -> None:
    loss = make_loss(PartialAuc(temperature=temperature), FACTS)
    check(loss, reference.partial_auc(temperature), *batch)


def aucm(a: float, b: float, alpha: float, margin: float = 1.0) -> Any:
    loss: Any = make_loss(AucMargin(margin=margin), FACTS).double()
    with torch.no_grad():
        for name, value in (("a", a), ("b", b), ("alpha", alpha)):
            getattr(loss.of_scores, name).fill_(value)
    return loss


@pytest.mark.parametrize("batch", BATCHES.values(), ids=list(BATCHES))
def test_auc_margin_agrees_with_the_slow_version(batch: Any) -> None:
    check(aucm(0.7, 0.2, 0.4, margin=0.8), reference.auc_margin(0.8, 0.7, 0.2, 0.4), *batch)


def test_auc_margin_descends_in_a_and_b_and_climbs_in_alpha() -> None:
    scores, targets = BATCHES["pairs"]
    loss = aucm(0.7, 0.2, 0.4)
    loss(torch.tensor(scores, dtype=torch.float64), torch.tensor(targets)).backward()
    step = 1e-6
    for name, sign in (("a", 1), ("b", 1), ("alpha", -1)):
        values = {"a": 0.7, "b": 0.2, "alpha": 0.4}
        found = []
        for change in (step, -step):
            moved = aucm(**{**values, name: values[name] + change})
            found.append(moved(torch.tensor(scores, dtype=torch.float64), torch.tensor(targets)).item())
        slope = (found[0] - found[1]) / (2 * step)
        assert getattr(loss.of_scores, name).grad.item() == pytest.approx(sign * slope, rel=1e-6)


def test_alpha_never_falls_below_zero_and_all_three_stand_in_the_checkpoint() -> None:
    loss = aucm(0.7, 0.2, -0.4)
    loss.after_step()
    held = {name.rpartition(".")[2]: value.item() for name, value in loss.state_dict().items()}
    assert held == {"a": 0.7, "b": 0.2, "alpha": 0.0}


def test_the_game_ends_at_its_saddle_point() -> None:
    """With scores held still: a and b at the class means, alpha at the shortfall of their difference."""
    scores, targets = (torch.tensor(x, dtype=torch.float64) for x in BATCHES["pairs"])
    loss = aucm(0.0, 0.0, 0.0)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.2)
    for _ in range(300):
        optimizer.zero_grad()
        loss(scores, targets).backward()
        optimizer.step()
        loss.after_step()
    p = torch.sigmoid(scores)
    positives, negatives = p[targets == 1].mean().item(), p[targets == 0].mean().item()
    found = loss.of_scores
    expected = (positives, negatives, max(0.0, 1 + negatives - positives))
    assert (found.a.item(), found.b.item(), found.alpha.item()) == pytest.approx(expected, abs=1e-9)
