"""How weights are stepped, and by which epochs a replicate is scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from search_spaces.config.base import Frozen, NonNegative


class Sgd(Frozen):
    """Stochastic gradient descent with momentum and L2 weight decay.

    learning_rate   the step; with a schedule that of the first epoch
    momentum        share of the last step that is taken again
    weight_decay    weight of half the squared norm of all weights
    schedule        of the step: "constant", or "cosine", which falls to 0 after the last epoch
    """

    name: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=0.01, gt=0)
    momentum: NonNegative = Field(default=0.9, lt=1)
    weight_decay: NonNegative = 2e-4
    schedule: Literal["constant", "cosine"] = "constant"


class Adam(Frozen):
    """Adam (Kingma and Ba 2015) with torch's default betas.

    learning_rate   the step; with a schedule that of the first epoch
    weight_decay    weight of half the squared norm of all weights, as torch's Adam adds it to the gradient
    schedule        of the step: "constant", or "cosine", which falls to 0 after the last epoch
    """

    name: Literal["adam"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "cosine"] = "constant"


OptimizerConfig = Annotated[Sgd | Adam, Field(discriminator="name")]


# By which epochs a replicate is scored, and how many sets of weights that holds (see `trainer.scored`).
ScoredBy = Literal["best_epoch", "last", "mean_of_last_3", "mean_of_best_3"]
SCORED_EPOCHS: Mapping[ScoredBy, int] = {
    "best_epoch": 1,
    "last": 1,
    "mean_of_last_3": 3,
    "mean_of_best_3": 3,
}
