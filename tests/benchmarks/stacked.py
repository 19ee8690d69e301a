"""Replicates of a trial as one network with stacked weights: the way of training that `trainer` did not take.

`torch.func` maps one replicate's step over the stack, so a convolution of R replicates is one grouped
convolution. Kept beside the benchmark as a candidate to measure against one captured graph and one stream per
replicate; SGD only, and no loss that skips batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from search_spaces.config import Sgd
from trainer import constraint, losses
from trainer.capture import Captured, Lane
from trainer.precision import autocast
from trainer.replicate import Replicate


class StackedReplicates:
    """Trains replicates in one stacked step per batch; their own models are left as they were.

    Raises ValueError for another optimiser than SGD, and for replicates of different numbers of examples.
    """

    def __init__(self, replicates: Sequence[Replicate]) -> None:
        first = replicates[0]
        config, optimizer = first.setup.config, first.setup.config.optimizer
        if not isinstance(optimizer, Sgd) or losses.needs_pairs(config.loss):
            raise ValueError(f"expected SGD and a loss of all batches, given {optimizer} and {config.loss}")
        if len({len(r.train_indices) for r in replicates}) > 1:
            raise ValueError("expected replicates of the same number of training examples")
        self.replicates, self.config, self.sgd = list(replicates), config, optimizer
        stacked, self.buffers = stack_module_state([r.model for r in replicates])
        # They ask for gradients, and would have autograd record beside `torch.func`.
        self.parameters = {name: parameter.detach() for name, parameter in stacked.items()}
        self.velocities = [torch.zeros_like(p) for p in self.parameters.values()]
        self.multipliers = torch.stack([r.multipliers for r in replicates])
        self.lane = Lane(first.setup.device, capture=first.setup.capture)
        self._steps: dict[tuple[int, bool], Captured] = {}

    def train_epoch(self) -> None:
        """Train one epoch on the batches that the replicates would train on, without validating."""
        for replicate in self.replicates:
            replicate.begin_epoch()
            replicate.lane.wait()
        first = self.replicates[0]
        limits = self.config.constraint
        constrained = limits is not None and first.epoch >= limits.introduce_at
        with self.lane.entered():
            for size in first.batch_sizes:
                self._captured_step(size, constrained)()
        self.lane.wait()
        for replicate in self.replicates:
            replicate.epoch += 1

    def scores(self, images: Tensor) -> Tensor:
        """Scores [R, N] of prepared images [N, C, H, W]."""
        model = self.replicates[0].model.eval()

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return losses.score(functional_call(model, (parameters, buffers), images).float())

        with torch.no_grad(), autocast(self.config.precision, images.device):
            return vmap(one)(self.parameters, self.buffers)

    def _captured_step(self, size: int, constrained: bool) -> Captured:
        key = (size, constrained)
        if key not in self._steps:
            self._steps[key] = Captured(lambda: self._step(size, constrained), self.lane)
        return self._steps[key]

    def _step(self, size: int, constrained: bool) -> None:
        batches = [r.step.next_batch(size) for r in self.replicates]
        indices, targets, images = (torch.stack(parts) for parts in zip(*batches, strict=True))
        held = self.multipliers.gather(1, indices)
        model = self.replicates[0].model.train()
        penalty, loss_function = self.replicates[0].step.penalty, self.replicates[0].loss
        limits = self.config.constraint

        def loss(
            parameters: dict[str, Tensor],
            buffers: dict[str, Tensor],
            images: Tensor,
            targets: Tensor,
            held: Tensor,
        ) -> tuple[Tensor, Tensor]:
            with autocast(self.config.precision, images.device):
                logits = functional_call(model, (parameters, buffers), images)
            value = loss_function(logits.float(), targets)
            if limits is None or not constrained:
                return value, torch.zeros_like(held)
            q = constraint.violations(losses.score(logits.float()), targets, limits.margin)
            return value + constraint.augmented_term(q, held, targets, penalty), q.detach()

        mapped = vmap(grad(loss, has_aux=True))
        gradients, violations = mapped(self.parameters, self.buffers, images, targets, held)
        self._update(list(gradients.values()))
        self.multipliers.scatter_add_(1, indices, penalty * violations)

    @torch.no_grad()
    def _update(self, gradients: list[Tensor]) -> None:
        """SGD with momentum and weight decay, as `torch.optim.SGD` computes it."""
        parameters = list(self.parameters.values())
        decayed = torch._foreach_add(gradients, parameters, alpha=self.sgd.weight_decay)
        torch._foreach_mul_(self.velocities, self.sgd.momentum)
        torch._foreach_add_(self.velocities, decayed)
        torch._foreach_add_(parameters, self.velocities, alpha=-self.sgd.learning_rate)
