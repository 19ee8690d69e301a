"""The critical-class constraint and its augmented Lagrangian as pure functions, and the penalty's schedule.

Sangalli et al., "Constrained Optimization to Train Neural Networks on Critical and Under-Represented
Classes", NeurIPS 2021, section 3: every positive's score should exceed every negative's by the margin
(delta). For a mini-batch with positives P and negatives N, scores s, one multiplier lambda_j >= 0 per
positive training example and the penalty mu:

    q_j      = sum over k in N of max(0, delta - (s_j - s_k))                        for j in P
    L        = F(s, y) + 1 / (|P| |N|) * sum over j in P of [mu / 2 * q_j^2 + lambda_j * q_j]
    lambda_j <- lambda_j + mu * q_j                                                  after every batch

Batches are tensors [B] with targets 1 = positive, 0 = negative (bool, integer or float). Classes are told
apart by masks, never by indexing, so shapes do not depend on the targets and nothing is copied to the host:
all of it can be captured in a CUDA graph. A batch without positives or without negatives contributes exactly
0.

The multipliers of a run live in one tensor [examples], indexed by an example's position in the training pool;
a step gathers the batch's [B], computes the term, and raises them:

    q = violations(scores, targets, margin)
    loss = base + augmented_term(q, gather(multipliers, positions), targets, penalty)
    ...; raise_multipliers(multipliers, positions, q, penalty)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import relu

from search_spaces.config import ConstraintConfig
from search_spaces.errors import CheckpointError

RELEASED_CODE_FALL = 0.05
# Counted from `introduce_at`: the epoch that raises whatever happened, and the first that is compared.
RELEASED_CODE_FORCED_EPOCH = 2
RELEASED_CODE_FIRST_COMPARED = 3


def violations(scores: Tensor, targets: Tensor, margin: float) -> Tensor:
    """q [B] >= 0: of each positive, summed over the batch's negatives; 0 for negatives. Differentiable.

    q_j = sum over k in N of max(0, margin - (s_j - s_k)).

    >>> violations(torch.tensor([1.0, 0.75, -1.0]), torch.tensor([1, 0, 0]), margin=0.5).tolist()
    [0.25, 0.0, 0.0]
    """
    positive = targets.bool()
    shortfall = relu(margin - (scores[:, None] - scores[None, :]))
    pairs = positive[:, None] & ~positive[None, :]
    return torch.where(pairs, shortfall, 0).sum(dim=1)


def augmented_term(q: Tensor, multipliers: Tensor, targets: Tensor, penalty: float | Tensor) -> Tensor:
    """1 / (|P| |N|) * sum over j in P of [penalty / 2 * q_j^2 + multiplier_j * q_j]; a scalar >= 0.

    `multipliers` [B] are those of the batch's examples and are held constant; `penalty` is a number or a
    tensor without dimensions. A batch without positives or without negatives gives exactly 0.

    >>> q, multipliers = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.5, 0.0, 0.0])
    >>> augmented_term(q, multipliers, torch.tensor([1, 0, 0]), penalty=1.0).item()  # (2 + 1) / (1 * 2)
    1.5
    """
    positive = targets.bool()
    positives, negatives = positive.sum(), (~positive).sum()
    terms = penalty / 2 * q**2 + multipliers.detach() * q
    return torch.where(positive, terms, 0).sum() / (positives * negatives).clamp_min(1)


def multiplier_step(multipliers: Tensor, q: Tensor, penalty: float | Tensor) -> Tensor:
    """lambda + penalty * q, with q held constant: same shape as `multipliers`, never below them.

    >>> multiplier_step(torch.tensor([0.5, 0.0]), torch.tensor([2.0, 0.0]), penalty=0.1).tolist()
    [0.699999988079071, 0.0]
    """
    return multipliers + penalty * q.detach()


def initial_multipliers(examples: int, device: torch.device | str = "cpu") -> Tensor:
    """A run's multipliers: zeros [examples], float32."""
    return torch.zeros(examples, dtype=torch.float32, device=device)


def gather(multipliers: Tensor, positions: Tensor) -> Tensor:
    """The multipliers [B] of the examples at integer `positions` [B]."""
    return multipliers.index_select(0, positions)


def raise_multipliers(multipliers: Tensor, positions: Tensor, q: Tensor, penalty: float | Tensor) -> None:
    """`multiplier_step` in place, for the examples at `positions` [B].

    An example that a sampler drew twice into the batch is raised by both its violations. With three or more
    copies the order of that sum on a GPU is free unless `torch.use_deterministic_algorithms(True)` stands.
    """
    step = (penalty * q.detach()).to(multipliers.dtype)
    multipliers.index_add_(0, positions, step)


class PenaltySchedule:
    """The penalty mu of a run, raised by the factor `growth` (rho) after an epoch that calls for it.

    `update` is called once per epoch, after validation. No growth before epoch `introduce_at`, none for an
    undefined AUROC, none once the cap is hit or once a validation AUROC of 1.0 was seen. The cap is
    `ConstraintConfig.growth_step_limit` steps: the paper's mu_0 * rho^5 for mu_0 < 1e-3, else mu_0 * rho^3.

    `no_improvement` (the paper) raises when the AUROC is not above the previous epoch's. `released_code`
    never raises before epoch `introduce_at + 2`, raises there without comparing, and from the next epoch on
    when it fell by more than 0.05. In that code `introduce_at` delays nothing else; here the constraint
    itself begins there too, under both rules.
    The previous epoch is the last one whose AUROC was defined, be it before `introduce_at`.

    >>> schedule = PenaltySchedule(ConstraintConfig(penalty=1.0, growth_rule="released_code"))
    >>> raised = [schedule.update(epoch, auroc) for epoch, auroc in enumerate([0.9, 0.8, 0.82, 0.8, 0.7])]
    >>> raised, schedule.penalty
    ([False, False, True, False, True], 4.0)
    """

    def __init__(self, config: ConstraintConfig) -> None:
        self.config = config
        self.steps = 0
        self._previous: float | None = None
        self._perfect = False

    @property
    def penalty(self) -> float:
        """mu_0 * rho^steps."""
        return self.config.penalty * self.config.growth**self.steps

    def active(self, epoch: int) -> bool:
        """Whether the constraint is part of the loss in that epoch (from 0)."""
        return epoch >= self.config.introduce_at

    def update(self, epoch: int, auroc: float) -> bool:
        """Take in the validation AUROC of `epoch` (from 0); returns whether the penalty was raised."""
        if math.isnan(auroc):
            return False
        previous, self._previous = self._previous, auroc
        self._perfect = self._perfect or auroc >= 1.0
        if self._perfect or not self.active(epoch) or self.steps >= self.config.growth_step_limit:
            return False
        if not self._calls_for_growth(epoch, auroc, previous):
            return False
        self.steps += 1
        return True

    def _calls_for_growth(self, epoch: int, auroc: float, previous: float | None) -> bool:
        if self.config.growth_rule == "no_improvement":
            return previous is not None and auroc <= previous
        age = epoch - self.config.introduce_at
        if age < RELEASED_CODE_FIRST_COMPARED:
            return age == RELEASED_CODE_FORCED_EPOCH
        return previous is not None and previous - auroc > RELEASED_CODE_FALL

    def state_dict(self) -> dict[str, int | float | bool | None]:
        """What a checkpoint must hold for the schedule to go on as if it had not been stopped."""
        return {"steps": self.steps, "previous": self._previous, "perfect": self._perfect}

    def load_state_dict(self, state: dict[str, int | float | bool | None]) -> None:
        """Take over a `state_dict`. Raises CheckpointError if it is not one of this configuration."""
        try:
            steps, previous, perfect = state["steps"], state["previous"], state["perfect"]
        except KeyError as error:
            raise CheckpointError(f"penalty schedule: expected key {error}, given {sorted(state)}") from None
        if not isinstance(steps, int) or not 0 <= steps <= self.config.growth_step_limit:
            raise CheckpointError(
                f"penalty schedule: expected 0 to {self.config.growth_step_limit} growth steps, "
                f"given {steps!r}"
            )
        self.steps = steps
        self._previous = None if previous is None else float(previous)
        self._perfect = bool(perfect)
