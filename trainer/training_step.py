"""One replicate's training step over fixed tensors: batch, forward, loss, gradient, update, multipliers.

A step takes nothing from the host and gives nothing back, and can be captured (see `trainer.device.capture`):
its batches come from tensors that stay where they are (`trainer.data.batches`), as learning rate and penalty
do, which are set once per epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.config import OptimizerConfig, TrialConfig
from trainer.compat import never_warn_of_capture
from trainer.data.batches import Batch, Batches
from trainer.device.capture import Captured, Lane
from trainer.device.precision import autocast
from trainer.losses.columns import TaskTensors
from trainer.losses.constraint import Constraint
from trainer.losses.module import LossModule


class TrainingStep:
    """The step of one replicate: changes `model`, `optimizer`'s state, `constraint` and `loss_sum` in place.

    network      what batches of the full size go through: the model, or its compiled form
    constraint   None where the trial has none
    loss_sum     the loss's sum over the epoch's batches so far, without dimensions
    """

    def __init__(
        self,
        config: TrialConfig,
        model: nn.Module,
        network: Callable[[Tensor], Tensor],
        loss: LossModule,
        batches: Batches,
        tensors: TaskTensors,
        constraint: Constraint | None,
        lane: Lane,
    ) -> None:
        self.config, self.model, self.network, self.loss = config, model, network, loss
        self.batches, self.tensors, self.constraint, self.lane = batches, tensors, constraint, lane
        self.optimizer = make_optimizer(config.optimizer, model, tensors.device, loss)
        self.loss_sum = torch.zeros((), device=tensors.device)
        self._steps: dict[tuple[int, bool], Captured] = {}

    def begin(self, epoch: int) -> None:
        """Set what the steps of `epoch` (from 0) have in common; its batches are begun by themselves."""
        self.loss_sum.zero_()
        epochs = self.config.epochs
        set_learning_rate(self.optimizer, self.config.optimizer.rate(epoch, epochs))
        self.loss.begin_epoch(epoch, epochs)
        if self.constraint is not None:
            self.constraint.begin_epoch()

    def run(self, size: int, *, constrained: bool) -> None:
        """Train on the epoch's next `size` examples, with the constraint's term or without."""
        self.batches.load(size)
        key = (size, constrained)
        if key not in self._steps:
            self._steps[key] = Captured(partial(self._step, size, constrained), self.lane)
        self._steps[key]()

    def load_optimizer(self, state: dict[str, Any]) -> None:
        """Go on from an optimiser's `state_dict`, wherever it was saved."""
        options = [dict(group) for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state)
        for group, own in zip(self.optimizer.param_groups, options, strict=True):
            # Those of this device stay; `begin` sets the learning rate's value.
            del own["params"]
            group.update(own)
        for parameter, values in self.optimizer.state.items():
            # Fused kernels walk memory, and the saved layout may be another.
            for name, value in values.items():
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
        batch = self.batches.next(size)
        positions, targets, images = batch.positions, batch.targets, batch.images
        network = self.network if size == self.config.batch_size else self.model
        with autocast(self.config.precision, images.device):
            logits = network(images)
        logits = logits.float()
        loss, violations = self._base_loss(logits, batch), None
        if self.constraint is not None and constrained:
            masks = self.tensors.masks(targets)
            term, violations = self.constraint.term(self.tensors.scores(logits), masks, positions)
            loss = loss + term
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.loss.after_step()
        if self.constraint is not None and violations is not None:
            self.constraint.after_step(positions, violations)
        self.loss_sum.add_(loss.detach())

    def _base_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """F(s, y); of a mixed image the mixture of the losses for its two labels."""
        if batch.shares is None:
            loss: Tensor = self.loss(logits, batch.targets)
            return loss
        own = self.loss.each(logits, batch.targets)
        partners = self.loss.each(logits, batch.targets.roll(1))
        return (batch.shares * own + (1 - batch.shares) * partners).mean()


def make_optimizer(
    config: OptimizerConfig, model: nn.Module, device: torch.device, loss: nn.Module
) -> torch.optim.Optimizer:
    """The optimiser of a configuration; on CUDA its learning rate is a tensor there, to be captured.

    What a loss learns is stepped with the network, without weight decay.
    """
    on_gpu, fused = device.type == "cuda", device.type != "meta"  # there, torch has no fused kernels
    rate = torch.tensor(config.learning_rate, device=device) if on_gpu else config.learning_rate
    groups: list[dict[str, Any]] = [{"params": list(model.parameters())}]
    learned = list(loss.parameters())
    if learned:
        groups.append({"params": learned, "weight_decay": 0.0})
    if config.name == "adam":
        adam = torch.optim.Adam(
            groups, lr=rate, weight_decay=config.weight_decay, fused=fused, capturable=on_gpu
        )
        never_warn_of_capture(adam)
        return adam
    return torch.optim.SGD(
        groups,
        lr=rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
        fused=fused,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set it for all parameters, in place where it is a tensor that a captured step reads."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
