"""Losses of images with several labels as pure functions of a mini-batch; the columns of their constraint.

Every loss takes logits [B, L] and targets [B, L], 1 where an example has the label and 0 where it has not,
and returns the mean over examples and labels: a tensor without dimensions. p = sigmoid(logit). All terms go
through log-sigmoid, so that values and gradients of any finite logit are finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from search_spaces.config import Comparison, MultiLabel
from trainer.losses.columns import Masks, TaskTensors
from trainer.losses.module import LossModule


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of each label: -log p for those that have it, -log(1 - p) for others.

    >>> round(bce(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item(), 6)  # log 2
    0.693147
    """
    return -(targets * logsigmoid(logits) + (1 - targets) * logsigmoid(-logits)).mean()


def _focal_term(logits: Tensor, gamma: float) -> Tensor:
    """-(1 - p)^g log p. The power is exp(g log(1 - p)), whose gradient stays finite at p = 1 for g < 1."""
    return -torch.exp(gamma * logsigmoid(-logits)) * logsigmoid(logits)


def focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    """Sigmoid focal loss: -(1 - p)^g log p for those with a label, -p^g log(1 - p) for others.

    Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 4, of each label.
    """
    return (targets * _focal_term(logits, gamma) + (1 - targets) * _focal_term(-logits, gamma)).mean()


def asymmetric(
    logits: Tensor, targets: Tensor, *, gamma_positive: float, gamma_negative: float, margin: float
) -> Tensor:
    """Asymmetric loss: -(1 - p)^g+ log p, and -q^g- log(1 - q) with q = max(p - m, 0).

    Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021, equations 4 to 7; the mean
    over labels in place of their sum.
    """
    shifted = torch.relu(torch.sigmoid(logits) - margin)
    negative = -(shifted**gamma_negative) * torch.log1p(-shifted)
    return (targets * _focal_term(logits, gamma_positive) + (1 - targets) * negative).mean()


class _PerLabel(LossModule):
    """A loss that holds numbers per label, in float64; they are rounded to the logits' type when used."""

    def _hold(self, name: str, values: Sequence[float]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float64), persistent=False)


class _Weighted(_PerLabel):
    """A loss with a weight w_l per label."""

    weights: Tensor

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self._hold("weights", weights)


class WeightedBce(_Weighted):
    """-w_l log p for those with label l, -log(1 - p) for others: BCE with torch's `pos_weight`.

    By the weight alone the score at which both answers cost the same moves by log w_l.
    """

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        positive = self.weights.to(outputs.dtype) * targets * logsigmoid(outputs)
        return -(positive + (1 - targets) * logsigmoid(-outputs)).mean()


class WeightedFocal(_Weighted):
    """-w_l (1 - p)^g log p for those with label l, -p^g log(1 - p) for others."""

    def __init__(self, weights: Sequence[float], gamma: float) -> None:
        super().__init__(weights)
        self.gamma = gamma

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        positive = self.weights.to(outputs.dtype) * targets * _focal_term(outputs, self.gamma)
        return (positive + (1 - targets) * _focal_term(-outputs, self.gamma)).mean()


class BothTermsFocal(_Weighted):
    """-w_l (1 - q)^g log(q + e), q the probability of the truth: p for those with label l, else 1 - p."""

    def __init__(self, weights: Sequence[float], gamma: float, epsilon: float) -> None:
        super().__init__(weights)
        self.gamma, self.epsilon = gamma, epsilon

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        odds = torch.where(targets.bool(), outputs, -outputs)
        terms = torch.sigmoid(-odds) ** self.gamma * torch.log(torch.sigmoid(odds) + self.epsilon)
        return -(self.weights.to(outputs.dtype) * terms).mean()


class DistributionBalanced(_PerLabel):
    """Distribution-balanced loss: re-balanced weights, and a regularisation that tolerates negatives.

    An example k with labels Y is drawn by class-aware sampling 1/C sum over j in Y of 1/n_j times as often as
    it would be for label l alone, 1/C 1/n_l. Their ratio, smoothed, weighs its term of label l:

        r_l^k = (1 / n_l) / sum over j in Y of 1 / n_j          w_l^k = a + sigmoid(b (r_l^k - m))
        w_l^k [y log(1 + e^-(z - v_l)) + (1 - y) / l log(1 + e^(l (z - v_l)))],   v_l = k log((N - n_l) / n_l)

    An example without labels, which the paper has not, is never drawn so: r is infinite, and w = a + 1.
    Scores are the logits z as they are. Wu et al., "Distribution-balanced loss for multi-label classification
    in long-tailed datasets", ECCV 2020, section 3, written from its equations.
    """

    inverse: Tensor
    shifts: Tensor

    def __init__(
        self,
        counts: Sequence[int],
        examples: int,
        alpha: float,
        beta: float,
        center: float,
        scale: float,
        shift: float,
    ) -> None:
        super().__init__()
        self.alpha, self.beta, self.center, self.scale = alpha, beta, center, scale
        self._hold("inverse", [1 / count for count in counts])
        self._hold("shifts", [shift * math.log((examples - count) / count) for count in counts])

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        inverse, dtype = self.inverse.to(outputs.dtype), outputs.dtype
        drawn = (targets * inverse).sum(dim=1, keepdim=True)
        has_any = drawn > 0
        ratio = inverse / torch.where(has_any, drawn, 1)
        weights = self.alpha + torch.where(has_any, torch.sigmoid(self.beta * (ratio - self.center)), 1)
        lowered = outputs - self.shifts.to(dtype)
        positive = -logsigmoid(lowered)
        negative = -logsigmoid(-self.scale * lowered) / self.scale
        return (weights * (targets * positive + (1 - targets) * negative)).mean()


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
