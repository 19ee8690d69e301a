"""How weights are stepped, and by which epochs a replicate is scored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from search_spaces.config.base import Frozen, NonNegative
from search_spaces.config.identity import ADDED_LATER
from search_spaces.limits import LARGEST

Schedule = Literal["constant", "cosine", "step", "exponential"]
DECAY = 0.1
Milestones = Annotated[tuple[Annotated[int, Field(ge=1)], ...], ADDED_LATER]
Decay = Annotated[float, Field(gt=0, lt=1), ADDED_LATER]
WarmUp = Annotated[int, Field(ge=0), ADDED_LATER]


class Optimizer(Frozen):
    """What every optimiser has: the learning rate of every epoch."""

    if TYPE_CHECKING:
        # Every optimiser has these fields. It declares them itself: their order is that of labels.
        learning_rate: float
        schedule: Schedule
        milestones: Milestones
        decay: Decay
        warmup_epochs: WarmUp

    @model_validator(mode="after")
    def _milestones_are_those_of_steps(self) -> Self:
        if self.schedule == "step" and not self.milestones:
            raise ValueError("expected milestones with schedule step, given none")
        if self.schedule != "step" and self.milestones:
            raise ValueError(f"expected milestones with schedule step alone, given {self.schedule}")
        if self.schedule not in ("step", "exponential") and self.decay != DECAY:
            raise ValueError(f"expected decay with schedule step or exponential, given {self.schedule}")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"expected rising milestones, given {list(self.milestones)}")
        return self

    def rate(self, epoch: int, epochs: int) -> float:
        """The learning rate of `epoch` (from 0) of `epochs`.

        >>> rates = Sgd(learning_rate=1, schedule="step", milestones=(3,), warmup_epochs=2)
        >>> [rates.rate(epoch, 4) for epoch in range(4)]
        [0.5, 1.0, 1.0, 0.1]
        """
        warmup = min(self.warmup_epochs, epochs)
        if epoch < warmup:
            return self.learning_rate * (epoch + 1) / warmup
        if self.schedule == "cosine":
            through = (epoch - warmup) / (epochs - warmup)
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * through))
        if self.schedule == "exponential":
            return self.learning_rate * self.decay ** (epoch - warmup)
        passed = sum(1 for milestone in self.milestones if epoch >= milestone)
        return self.learning_rate * self.decay**passed


class Sgd(Optimizer):
    """Stochastic gradient descent with momentum and L2 weight decay.

    learning_rate   the step; with a schedule the highest one
    momentum        share of the last step that is taken again
    weight_decay    weight of half the squared norm of all weights
    schedule        of the step: "constant"; "cosine", which falls to 0 after the last epoch; "step", times
                    `decay` from each of `milestones` on; "exponential", times `decay` after every epoch
    milestones      epochs (from 0, rising), with schedule "step" alone
    decay           by what the step is multiplied at each milestone, or after every epoch
    warmup_epochs   so many first epochs the step rises linearly to `learning_rate`; behind them a cosine, or
                    a decay after every epoch, begins
    nesterov        momentum that looks ahead, as torch has it
    """

    name: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=0.01, gt=0, le=LARGEST)
    momentum: NonNegative = Field(default=0.9, lt=1)
    weight_decay: NonNegative = Field(default=2e-4, le=LARGEST)
    schedule: Schedule = "constant"
    milestones: Milestones = ()
    decay: Decay = DECAY
    warmup_epochs: WarmUp = 0
    nesterov: Annotated[bool, ADDED_LATER] = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("expected a momentum above 0 with nesterov, given 0")
        return self


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015) with torch's default betas.

    learning_rate   the step; with a schedule the highest one
    weight_decay    weight of half the squared norm of all weights, as torch's Adam adds it to the gradient
    schedule        of the step: "constant"; "cosine", which falls to 0 after the last epoch; "step", times
                    `decay` from each of `milestones` on; "exponential", times `decay` after every epoch
    milestones      epochs (from 0, rising), with schedule "step" alone
    decay           by what the step is multiplied at each milestone, or after every epoch
    warmup_epochs   so many first epochs the step rises linearly to `learning_rate`; behind them a cosine, or
                    a decay after every epoch, begins
    """

    name: Literal["adam"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0, le=LARGEST)
    weight_decay: NonNegative = Field(default=0.0, le=LARGEST)
    schedule: Schedule = "constant"
    milestones: Milestones = ()
    decay: Decay = DECAY
    warmup_epochs: WarmUp = 0


OptimizerConfig = Annotated[Sgd | Adam, Field(discriminator="name")]


# By which epochs a replicate is scored, and how many sets of weights that holds (see `trainer.scored`).
ScoredBy = Literal["best_epoch", "last", "mean_of_last_3", "mean_of_best_3"]
SCORED_EPOCHS: Mapping[ScoredBy, int] = {
    "best_epoch": 1,
    "last": 1,
    "mean_of_last_3": 3,
    "mean_of_best_3": 3,
}
