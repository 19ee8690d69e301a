"""From a loss's configuration to what a step calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from search_spaces.config import Loss, TrainingFacts
from search_spaces.errors import InputError
from trainer.losses.binary import score
from trainer.losses.module import LossModule
from trainer.registry import implementation_of


class FunctionLoss(LossModule):
    """A loss that is a pure function of outputs and targets."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What the function returns."""
        return self._function(outputs, targets)


class ScoreLoss(LossModule):
    """A loss of scores [B] as one of a network's single output [B, 1]."""

    def __init__(self, of_scores: LossModule) -> None:
        super().__init__()
        self.of_scores = of_scores

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of the outputs' scores."""
        value: Tensor = self.of_scores(score(outputs), targets)
        return value

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """See `LossModule`."""
        self.of_scores.begin_epoch(epoch, epochs)

    def after_step(self) -> None:
        """See `LossModule`."""
        self.of_scores.after_step()


def make_loss(config: Loss, facts: TrainingFacts, device: torch.device | str = "cpu") -> LossModule:
    """The loss of the network's outputs [B, outputs] (or [B], for one) and targets [B], on a device.

    Raises InputError for a class without a training example, and where the loss cannot be imported.
    """
    if min(facts.counts) < 1:
        given = ", ".join(map(str, facts.counts))
        raise InputError(f"loss {config.name!r}: expected training examples of every class, given {given}")
    implementation: Any = implementation_of(config)
    made = partial(implementation, **config.parameters(facts))
    is_module = isinstance(implementation, type) and issubclass(implementation, LossModule)
    loss: LossModule = made() if is_module else FunctionLoss(made)
    if config.outputs == 1:
        loss = ScoreLoss(loss)
    return loss.to(device)
