"""Losses of several classes as pure functions of a mini-batch, and the columns of their constraint.

Every loss takes logits [B, K] and targets [B], the index of the true class (int64), and returns the mean over
the batch: a tensor without dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from search_spaces.config import Comparison, MultiClass
from trainer.losses.columns import Masks, TaskTensors


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy: -log softmax of the true class. In [0, inf).

    >>> round(cross_entropy(torch.zeros(2, 4), torch.tensor([1, 3])).item(), 6)  # log 4
    1.386294
    """
    return functional.cross_entropy(logits, targets)


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """s^c - logsumexp of the other classes, [B, R], of logits [B, K] for each of `classes` [R].

    The logarithm of p / (1 - p) of a class under softmax. Of two classes it is the difference of the logits.

    >>> log_odds(torch.tensor([[0.0, 2.0]]), torch.tensor([1])).tolist()
    [[2.0]]
    """
    own = torch.arange(logits.shape[1], device=logits.device) == classes[:, None]  # [R, K]
    others = logits[:, None].masked_fill(own, -torch.inf).logsumexp(dim=2)
    return logits.index_select(1, classes) - others


class MultiClassTensors(TaskTensors):
    """Targets int64, the index of the class; a column per critical class, or per critical and other class.

    The scores of different examples under one-vs-rest are log-odds: raw logits do not compare, as
    cross-entropy leaves a constant per example free. A difference of two logits is free of it.
    """

    target_dtype = torch.int64

    def __init__(self, task: MultiClass, comparison: Comparison, device: torch.device) -> None:
        super().__init__(task, comparison, device)
        self.classes = len(task.classes)
        critical, others = [], []
        for position in (task.classes.index(label) for label in task.critical):
            if comparison == "one_vs_rest":
                critical.append(position)
                continue
            rest = [other for other in range(self.classes) if other != position]
            critical += [position] * len(rest)
            others += rest
        # Made once: a step that is captured may not copy from the host.
        self._critical = torch.tensor(critical, device=device)
        self._others = torch.tensor(others, dtype=torch.int64, device=device)

    def outputs(self, logits: Tensor) -> Tensor:
        """All logits [B, K]."""
        return logits

    def scores(self, logits: Tensor) -> Tensor:
        """Log-odds of each critical class, or its logit's lead over one other class."""
        if self.comparison == "one_vs_rest":
            return log_odds(logits, self._critical)
        return logits.index_select(1, self._critical) - logits.index_select(1, self._others)

    def masks(self, targets: Tensor) -> Masks:
        """A critical class's examples; all others, or those of the one other class."""
        positive = targets[:, None] == self._critical
        if self.comparison == "one_vs_rest":
            return Masks(positive, ~positive)
        return Masks(positive, targets[:, None] == self._others)

    def ratio_of(self, counts: tuple[int, ...]) -> float:
        """Examples of the most frequent class per example of the rarest."""
        return max(counts) / max(min(counts), 1)

    def target_counts(self, targets: Tensor) -> tuple[int, ...]:
        """Examples of each class."""
        return tuple(torch.bincount(targets.long(), minlength=self.classes).tolist())
