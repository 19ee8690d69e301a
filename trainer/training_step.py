"""One replicate's training step over fixed tensors: batch, forward, loss, gradient, update, multipliers.

An epoch's order and random draws are copied to the device once; a cursor there says where the next batch
begins. So a step takes nothing from the host and gives nothing back, and can be captured (see
`trainer.device.capture`). Learning rate and penalty are tensors on the device as well, set once per epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.config import OptimizerConfig, TrialConfig
from trainer.data.augmentation import Augmenter, Draws
from trainer.device.capture import Captured, Lane
from trainer.device.precision import autocast
from trainer.losses import binary as losses
from trainer.losses import constraint
from trainer.losses.build import LossFunction


@dataclass(frozen=True, eq=False)
class EpochSums:
    """Sums over an epoch's batches so far, on the device."""

    loss: Tensor
    violation: Tensor

    def clear(self) -> None:
        """Set them to 0."""
        self.loss.zero_()
        self.violation.zero_()


class TrainingStep:
    """The step of one replicate: changes `model`, `optimizer`'s state, `multipliers` and `sums` in place.

    network      what batches of the full size go through: the model, or its compiled form
    targets      float32 [N], of the whole pool
    multipliers  float32 [N], one per example of the pool; only the drawn positives' ever rise
    capacity     the most examples of an epoch
    """

    def __init__(
        self,
        config: TrialConfig,
        model: nn.Module,
        network: Callable[[Tensor], Tensor],
        loss: LossFunction,
        augmenter: Augmenter,
        targets: Tensor,
        multipliers: Tensor,
        lane: Lane,
        capacity: int,
    ) -> None:
        device = targets.device
        self.config, self.model, self.network, self.loss = config, model, network, loss
        self.augmenter, self.targets, self.multipliers = augmenter, targets, multipliers
        self.lane = lane
        self.optimizer = make_optimizer(config.optimizer, model, device)
        self.penalty = torch.zeros((), device=device)
        self.sums = EpochSums(torch.zeros((), device=device), torch.zeros((), device=device))
        self._order = torch.zeros(capacity, dtype=torch.int64, device=device)
        self._draws = augmenter.room(capacity)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self._within = torch.arange(config.batch_size, device=device)
        self._steps: dict[tuple[int, bool], Captured] = {}

    def begin(self, order: Tensor, draws: Draws, *, learning_rate: float, penalty: float) -> None:
        """Take an epoch's examples: positions in the pool [n] and a row of `draws` each, n <= capacity."""
        count = len(order)
        self._order[:count].copy_(order, non_blocking=True)
        self._draws.copy_(draws)
        self._cursor.zero_()
        self.sums.clear()
        self.penalty.fill_(penalty)
        set_learning_rate(self.optimizer, learning_rate)

    def run(self, size: int, *, constrained: bool) -> None:
        """Train on the epoch's next `size` examples, with the constraint's term or without."""
        key = (size, constrained)
        if key not in self._steps:
            self._steps[key] = Captured(partial(self._step, size, constrained), self.lane)
        self._steps[key]()

    def next_batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """The epoch's next examples: positions [size], targets [size], augmented images [size, C, H, W]."""
        rows = self._cursor + self._within[:size]
        self._cursor.add_(size)
        indices = self._order[rows]
        return indices, self.targets[indices], self.augmenter.train_batch(indices, self._draws[rows])

    def load_optimizer(self, state: dict[str, Any]) -> None:
        """Go on from an optimiser's `state_dict`, wherever it was saved."""
        groups = self.optimizer.param_groups
        own = [{key: value for key, value in group.items() if key != "params"} for group in groups]
        self.optimizer.load_state_dict(state)
        for group, options in zip(self.optimizer.param_groups, own, strict=True):
            group.update(options)  # those of this device; `begin` sets the learning rate's value
        for parameter, values in self.optimizer.state.items():
            for (
                name,
                value,
            ) in values.items():  # fused kernels walk memory, and the saved layout may be another
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)
        self.forget_captures()  # the optimiser's state has moved

    def forget_captures(self) -> None:
        """Let go of all graphs, in which memory is held and which hold this object."""
        self._steps.clear()
        self.lane.renew_pool()

    def _step(self, size: int, constrained: bool) -> None:
        """Loss F(s, y) plus the augmented term, a gradient step, then lambda <- lambda + mu q."""
        self.model.train()
        indices, targets, images = self.next_batch(size)
        network = self.network if size == self.config.batch_size else self.model
        with autocast(self.config.precision, images.device):
            logits = network(images)
        logits = logits.float()
        loss = self.loss(logits, targets)
        limits = self.config.constraint
        if limits is not None and constrained:
            violation = constraint.violations(losses.score(logits), targets, limits.margin)
            held = constraint.gather(self.multipliers, indices)
            loss = loss + constraint.augmented_term(violation, held, targets, self.penalty)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if limits is not None and constrained:
            constraint.raise_multipliers(self.multipliers, indices, violation, self.penalty)
            self.sums.violation.add_(violation.detach().sum())
        self.sums.loss.add_(loss.detach())


def make_optimizer(config: OptimizerConfig, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """The optimiser of a configuration; on CUDA its learning rate is a tensor there, to be captured."""
    on_gpu = device.type == "cuda"
    rate = torch.tensor(config.learning_rate, device=device) if on_gpu else config.learning_rate
    if config.name == "adam":
        adam = torch.optim.Adam(
            model.parameters(), lr=rate, weight_decay=config.weight_decay, fused=True, capturable=on_gpu
        )
        # It would warn of every step that is not captured, and the first ones never are.
        adam._warned_capturable_if_run_uncaptured = True
        return adam
    return torch.optim.SGD(
        model.parameters(), lr=rate, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )


def learning_rate(config: OptimizerConfig, epoch: int, epochs: int) -> float:
    """The learning rate of `epoch` (from 0) of `epochs`, by the configuration's schedule."""
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    return config.learning_rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set it for all parameters, in place where it is a tensor that a captured step reads."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
