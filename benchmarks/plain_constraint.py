"""The constraint of the paper as the published code has it: a Python loop, one multiplier per example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PlainConstraint:
    """The constraint's first penalty (mu_0), its growth (rho >= 1) and its margin (delta, in logits)."""

    penalty: float = 1e-6
    growth: float = 2.0
    margin: float = 0.5


class LoopedConstraint:
    """The constraint on one mini-batch, with a Python loop over its positives."""

    def __init__(self, config: PlainConstraint, examples: int, device: torch.device) -> None:
        self.margin, self.growth, self.penalty = config.margin, config.growth, config.penalty
        self.limit = config.penalty * config.growth ** (5 if config.penalty < 1e-3 else 3)
        self.multipliers = torch.zeros(examples, device=device)
        self.found: list[tuple[int, Tensor]] = []
        self.last_auroc: float | None = None

    def term(self, scores: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """1/(|P||N|) sum_j [mu/2 q_j^2 + lambda_j q_j] of `scores`, `labels` [B]; 0 without a pair."""
        positives, negatives = torch.where(labels == 1)[0], scores[labels == 0]
        total, self.found = scores.new_zeros(()), []
        if len(positives) == 0 or len(negatives) == 0:
            return total
        for position in positives:
            violation = torch.clamp(self.margin - (scores[position] - negatives), min=0).sum()
            index = int(indices[position])
            total = total + self.penalty / 2 * violation**2 + self.multipliers[index] * violation
            self.found.append((index, violation.detach()))
        return total / (len(positives) * len(negatives))

    def update(self) -> None:
        """After the batch: lambda_j <- lambda_j + mu q_j for its positives."""
        for index, violation in self.found:
            self.multipliers[index] += self.penalty * violation

    def end_epoch(self, auroc: float) -> None:
        """Raise mu up to its limit when the validation AUROC did not improve over the epoch before."""
        if self.last_auroc is not None and auroc <= self.last_auroc and auroc < 1.0:
            self.penalty = min(self.penalty * self.growth, self.limit)
        self.last_auroc = auroc


class VectorisedConstraint(LoopedConstraint):
    """The same with one masked [B, B] matrix of pairs in place of the loop; nothing waits for CUDA."""

    def term(self, scores: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """As LoopedConstraint.term."""
        positive = labels.float()
        mask = positive[:, None] * (1 - positive)[None, :]
        violations = (torch.relu(self.margin - (scores[:, None] - scores[None, :])) * mask).sum(1)
        self.indices, self.violations = indices, violations.detach()
        terms = self.penalty / 2 * violations**2 + self.multipliers[indices] * violations
        return terms.sum() / mask.sum().clamp(min=1)

    def update(self) -> None:
        """As LoopedConstraint.update; the violation of a negative is 0."""
        self.multipliers.index_add_(0, self.indices, self.violations, alpha=self.penalty)
