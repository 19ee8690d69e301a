"""From a loss's configuration to the function that a step calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from search_spaces.config import Loss, TrainingFacts
from search_spaces.errors import InputError
from trainer.losses.binary import score
from trainer.registry import implementation_of

LossFunction = Callable[[Tensor, Tensor], Tensor]


def make_loss(config: Loss, facts: TrainingFacts) -> LossFunction:
    """The loss as a function of the network's outputs [B, outputs] (or [B], for one) and targets [B].

    Raises InputError for a class without a training example, and where the loss cannot be imported.
    """
    if min(facts.counts) < 1:
        given = ", ".join(map(str, facts.counts))
        raise InputError(f"loss {config.name!r}: expected training examples of every class, given {given}")
    function = partial(implementation_of(config), **config.parameters(facts))
    if config.outputs != 1:
        return function

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        value: Tensor = function(score(outputs), targets)
        return value

    return loss
