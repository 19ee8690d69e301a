"""The seam between a task and everything that trains it: targets, scores and columns as tensors.

Every critical-class constraint is R columns of a score, a mask of positives and a mask of negatives:

    task                        columns R                     score of a column                  negatives
    binary                      1                             the logit                          the others
    multi-class, one-vs-rest    one per critical class c      s^c - logsumexp of the others      all others
    multi-class, pairwise       one per c and other class l   s^c - s^l                          class l
    multi-label                 one per critical label        its logit                          the others

Shapes depend on the batch's size alone, and nothing is copied to the host: a GPU can capture all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from search_spaces.config import Comparison, Task, TrialConfig
from trainer.registry import resolve


class Masks(NamedTuple):
    """Who is compared in each column: bool [B, R] each. Who is neither is left out of that column."""

    positive: Tensor
    negative: Tensor


class TaskTensors(ABC):
    """A task on a device. `comparison` says which columns its constraint has.

    target_dtype   the type that its losses take targets in
    column_names   a name per column
    """

    target_dtype: ClassVar[torch.dtype]

    def __init__(self, task: Task, comparison: Comparison, device: torch.device) -> None:
        self.column_names = task.columns(comparison)
        self.comparison = comparison
        self.device = device

    @abstractmethod
    def outputs(self, logits: Tensor) -> Tensor:
        """What is stored of the network's logits [B, outputs], averaged over epochs and replicates."""

    @abstractmethod
    def scores(self, logits: Tensor) -> Tensor:
        """The score of each column, [B, R], of the network's logits [B, outputs]. Differentiable."""

    @abstractmethod
    def masks(self, targets: Tensor) -> Masks:
        """Positives and negatives of each column, for targets [B]."""

    @abstractmethod
    def ratio_of(self, counts: tuple[int, ...]) -> float:
        """Majority per minority in `target_counts`, where the configuration names no ratio."""

    @abstractmethod
    def target_counts(self, targets: Tensor) -> tuple[int, ...]:
        """How many targets [N] there are of each value, in the order of the network's classes.

        Of label sets [N, L] how many have each label.
        """


def task_tensors(config: TrialConfig, device: torch.device) -> TaskTensors:
    """A trial's task on a device, with the columns that its constraint compares; else one-vs-rest."""
    comparison = "one_vs_rest" if config.constraint is None else config.constraint.comparison
    tensors: TaskTensors = resolve(config.data.tensors)(config.data, comparison, device)
    return tensors
