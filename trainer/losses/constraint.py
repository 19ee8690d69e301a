"""The critical-class constraint and its augmented Lagrangian.

Sangalli et al., "Constrained Optimization to Train Neural Networks on Critical and Under-Represented
Classes", NeurIPS 2021, section 3: every positive's score should exceed every negative's by the margin
(delta). For a mini-batch and one column with positives P and negatives N, scores s, one multiplier
lambda_j >= 0 per positive training example and the penalty mu:

    q_j      = sum over k in N of max(0, delta - (s_j - s_k))                        for j in P
    L        = F(s, y) + 1 / (|P| |N|) * sum over j in P of [mu / 2 * q_j^2 + lambda_j * q_j]
    lambda_j <- lambda_j + mu * q_j                                                  after every batch

A binary task has one column. Several critical classes have a column each, or one per pair of classes (see
`trainer.losses.columns`): their terms add up, each with its own 1 / (|P| |N|), under one penalty and one
margin. That is this project's reading of the paper's two multi-class extensions.

`violations`, `augmented_term` and `raise_multipliers` are pure functions of tensors [B, R]; `Constraint` owns
what they change. Examples are told apart by masks, never by indexing, so shapes do not depend on the targets
and nothing is copied to the host: all of it can be captured in a CUDA graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import relu

from search_spaces.config import ConstraintConfig
from trainer.losses.columns import Masks
from trainer.losses.penalty import PenaltySchedule


def violations(scores: Tensor, masks: Masks, margin: float) -> Tensor:
    """Violations q [B, R] >= 0 of each column's positives, summed over its negatives; 0 elsewhere.

    q_jr = sum over k in N_r of max(0, margin - (s_jr - s_kr)). Differentiable.

    >>> positive = torch.tensor([[True], [False], [False]])
    >>> scores = torch.tensor([[1.0], [0.75], [-1.0]])
    >>> violations(scores, Masks(positive, ~positive), margin=0.5).tolist()
    [[0.25], [0.0], [0.0]]
    """
    shortfall = relu(margin - (scores[:, None] - scores[None, :]))  # [B, B, R]
    pairs = masks.positive[:, None] & masks.negative[None, :]
    return torch.where(pairs, shortfall, 0).sum(dim=1)


def augmented_term(q: Tensor, multipliers: Tensor, masks: Masks, penalty: float | Tensor) -> Tensor:
    """Sum over columns of 1 / (|P| |N|) * sum over j in P of [penalty / 2 * q_j^2 + multiplier_j * q_j].

    A scalar >= 0. `multipliers` [B, R] are those of the batch's examples and are held constant; `penalty` is
    a number or a tensor without dimensions. A column without a positive or without a negative gives 0.

    >>> positive = torch.tensor([[True], [False], [False]])
    >>> q, multipliers = torch.tensor([[2.0], [0.0], [0.0]]), torch.tensor([[0.5], [0.0], [0.0]])
    >>> augmented_term(q, multipliers, Masks(positive, ~positive), penalty=1.0).item()  # (2 + 1) / (1 * 2)
    1.5
    """
    pairs = masks.positive.sum(dim=0) * masks.negative.sum(dim=0)  # [R]
    terms = penalty / 2 * q**2 + multipliers.detach() * q
    per_column = torch.where(masks.positive, terms, 0).sum(dim=0) / pairs.clamp_min(1)
    return per_column.sum()


def raise_multipliers(multipliers: Tensor, positions: Tensor, q: Tensor, penalty: float | Tensor) -> None:
    """Raise multipliers in place: lambda <- lambda + penalty * q for the examples at `positions` [B].

    `multipliers` are [N, R], one row per example of the pool; q is [B, R].

    An example that a sampler drew twice into the batch is raised by both its violations. With three or more
    copies the order of that sum on a GPU is free unless `torch.use_deterministic_algorithms(True)` stands.
    """
    step = (penalty * q.detach()).to(multipliers.dtype)
    multipliers.index_add_(0, positions, step)


class Constraint:
    """The constraint of one training run; it owns the multipliers, the penalty and its schedule.

    A step asks for the `term`, and calls `after_step` when the weights have moved; an epoch asks
    `begin_epoch` first and `end_epoch` last. What a step touches are tensors that stay where they are.

    multipliers   float32 [N, R], from 0, one per example of the pool and column; only positives' ever rise
    violation     the violations' sum over the epoch's batches so far, without dimensions
    """

    def __init__(
        self, config: ConstraintConfig, *, examples: int, columns: int, device: torch.device | str = "cpu"
    ) -> None:
        self.config = config
        self.schedule = PenaltySchedule(config)
        self.multipliers = torch.zeros((examples, columns), dtype=torch.float32, device=device)
        self.violation = torch.zeros((), device=device)
        self._penalty = torch.zeros((), device=device)

    @property
    def penalty(self) -> float:
        """The penalty mu now."""
        return self.schedule.penalty

    def active(self, epoch: int) -> bool:
        """Whether the constraint is part of the loss in that epoch (from 0)."""
        return self.schedule.active(epoch)

    def begin_epoch(self) -> None:
        """Bring the penalty to the device, and forget the last epoch's violations."""
        self._penalty.fill_(self.penalty)
        self.violation.zero_()

    def term(self, scores: Tensor, masks: Masks, positions: Tensor) -> tuple[Tensor, Tensor]:
        """The augmented term of a batch, to be added to the loss, and its violations q [B, R].

        `scores` [B, R] and `masks` are the batch's columns, `positions` [B] its examples' in the pool.
        """
        q = violations(scores, masks, self.config.margin)
        held = self.multipliers.index_select(0, positions)
        return augmented_term(q, held, masks, self._penalty), q

    def after_step(self, positions: Tensor, q: Tensor) -> None:
        """Raise the batch's multipliers by the violations that `term` returned, and add these up."""
        raise_multipliers(self.multipliers, positions, q, self._penalty)
        self.violation.add_(q.detach().sum())

    def end_epoch(self, epoch: int, value: float) -> None:
        """Take in the metric by which the penalty may rise, of `epoch` (from 0) on the validation split."""
        self.schedule.update(epoch, value)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold for the constraint to go on as if it had not been stopped."""
        return {"multipliers": self.multipliers, "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a `state_dict`. Raises CheckpointError for one of another schedule."""
        self.multipliers.copy_(state["multipliers"])
        self.schedule.load_state_dict(state["schedule"])
