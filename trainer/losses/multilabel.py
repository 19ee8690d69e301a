"""Losses of images with several labels as pure functions of a mini-batch; the columns of their constraint.

Every loss takes logits [B, L] and targets [B, L], 1 where an example has the label and 0 where it has not,
and returns the mean over examples and labels: a tensor without dimensions. p = sigmoid(logit). All terms go
through log-sigmoid, so that values and gradients of any finite logit are finite.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from search_spaces.config import Comparison, MultiLabel
from trainer.losses.columns import Masks, TaskTensors


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of each label: -log p for those that have it, -log(1 - p) for others.

    >>> round(bce(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item(), 6)  # log 2
    0.693147
    """
    return -(targets * logsigmoid(logits) + (1 - targets) * logsigmoid(-logits)).mean()


class MultiLabelTensors(TaskTensors):
    """Targets float32 [N, L]; a column per critical label: its logit, of examples with it and without it."""

    target_dtype = torch.float32

    def __init__(self, task: MultiLabel, comparison: Comparison, device: torch.device) -> None:
        super().__init__(task, comparison, device)
        # Made once: a step that is captured may not copy from the host.
        self._critical = torch.tensor([task.classes.index(label) for label in task.critical], device=device)

    def outputs(self, logits: Tensor) -> Tensor:
        """All logits [B, L]."""
        return logits

    def scores(self, logits: Tensor) -> Tensor:
        """The logit of each critical label."""
        return logits.index_select(1, self._critical)

    def masks(self, targets: Tensor) -> Masks:
        """Examples with a critical label, and all others."""
        positive = targets.index_select(1, self._critical).bool()
        return Masks(positive, ~positive)

    def ratio_of(self, counts: tuple[int, ...]) -> float:
        """Examples with the most frequent label per example with the rarest (Charte's largest IRLbl)."""
        return max(counts) / max(min(counts), 1)

    def target_counts(self, targets: Tensor) -> tuple[int, ...]:
        """Examples with each label."""
        return tuple(targets.long().sum(dim=0).tolist())
