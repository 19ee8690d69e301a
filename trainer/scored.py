"""Which epochs a replicate is scored by: their weights and validation scores, held while it trains.

A replicate's scores of an example are the mean of what its network says in the held epochs. Only scores
(logits) are averaged, never weights. `TrialConfig.scored` names the rule:

    best_epoch        the best epoch so far, as in the paper
    last              the last epoch
    mean_of_last_3    the last three epochs; of fewer, all
    mean_of_best_3    the three best epochs so far; of fewer, all

An epoch is better than another with a higher value of the task's steering metric on the validation split (of
a binary task the AUROC), or with the same and a lower validation loss; of two that tie in both the earlier
one stays. An undefined value (NaN) is the lowest of all.

The best epoch alone jumps with rounding: where two epochs are nearly as good, one unit in the last place
decides between them. A mean of three moves far less, at the price of three sets of weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.config import SCORED_EPOCHS, ScoredBy
from trainer.patience import lowest_if_undefined


@dataclass(frozen=True, eq=False)
class ScoredEpoch:
    """An epoch as it is held: weights on the training device, validation outputs on the host.

    value               the steering metric's on the validation split
    validation_scores   [N] or [N, K]
    """

    epoch: int
    value: float
    loss: float
    weights: dict[str, Tensor]
    validation_scores: NDArray[np.float32]

    @property
    def quality(self) -> tuple[float, float]:
        """What epochs are compared by: higher is better."""
        return _quality(self.value, self.loss)


class ScoredEpochs:
    """The epochs that a replicate would be scored by if it ended now, in their order.

    `held` is empty until the first validated epoch. No more sets of weights are held at any moment than the
    rule asks for.
    """

    def __init__(self, rule: ScoredBy) -> None:
        self.rule = rule
        self.held: list[ScoredEpoch] = []

    def offer(
        self,
        epoch: int,
        value: float,
        loss: float,
        weights: Mapping[str, Tensor],
        validation_scores: NDArray[np.float32],
    ) -> None:
        """Take an epoch in, if the rule scores by it, in place of one that it no longer scores by.

        Epochs come in their order. The weights are copied: training may go on in them.
        """
        if len(self.held) == SCORED_EPOCHS[self.rule]:
            place = self._displaced(_quality(value, loss))
            if place is None:
                return
            del self.held[place]  # before the copy, so that memory never holds one set more
        copies = {name: value.detach().clone() for name, value in weights.items()}
        self.held.append(ScoredEpoch(epoch, value, loss, copies, validation_scores))

    def _displaced(self, quality: tuple[float, float]) -> int | None:
        """The place of the epoch that a new one of this quality displaces; None where it displaces none."""
        if self.rule in ("last", "mean_of_last_3"):
            return 0
        # Of equally bad ones the latest.
        places = reversed(range(len(self.held)))
        worst = min(places, key=lambda place: self.held[place].quality)
        return worst if quality > self.held[worst].quality else None

    @property
    def epochs(self) -> list[int]:
        """Numbers of the held epochs, ascending."""
        return [one.epoch for one in self.held]

    def validation_scores(self) -> NDArray[np.float32]:
        """Mean validation outputs of the held epochs, [N] or [N, K]. Raises ValueError for none."""
        return mean_scores([one.validation_scores for one in self.held])

    def state_dict(self) -> list[dict[str, Any]]:
        """What a checkpoint must hold, as tensors and plain values."""
        return [
            {**vars(one), "validation_scores": torch.from_numpy(one.validation_scores)} for one in self.held
        ]

    def load_state_dict(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Take over a `state_dict`. Raises ValueError for more epochs than the rule holds."""
        if len(state) > SCORED_EPOCHS[self.rule]:
            raise ValueError(f"expected at most {SCORED_EPOCHS[self.rule]} scored epochs, found {len(state)}")
        self.held = [
            ScoredEpoch(**{**one, "validation_scores": one["validation_scores"].cpu().numpy()})
            for one in state
        ]


def mean_scores(scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Mean of several epochs' outputs, [N] or [N, K] each: summed as float64 in their order, rounded once.

    Of one epoch these are exactly its scores; where infinities cancel NaN. Raises ValueError for none.

    >>> mean_scores([np.array([1, 0.1], np.float32)]).tolist() == np.array([1, 0.1], np.float32).tolist()
    True
    >>> mean_scores([np.array([1, -3], np.float32), np.array([2, 3], np.float32)]).tolist()
    [1.5, 0.0]
    """
    if not scores:
        raise ValueError("a replicate without a validated epoch has nothing to be scored by")
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.mean(scores, axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def _quality(value: float, loss: float) -> tuple[float, float]:
    return lowest_if_undefined(value), -loss
