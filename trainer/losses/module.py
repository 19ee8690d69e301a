"""A loss that holds tensors: what it knows of the classes, what changes with the epoch, what it learns."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.func import vmap


class LossModule(nn.Module, ABC):
    """A loss as a step and a replicate know it; made for one replicate, on its device.

    Its parameters are trained with the network's, without weight decay, and stand in checkpoints, as its
    persistent buffers do. What follows from counts and the epoch is a buffer that is not persistent.
    """

    @abstractmethod
    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the batch, without dimensions, of outputs [B, outputs] (or [B]) and targets [B].

        The device is asked for nothing, so that a step can be captured.
        """

    def each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each example, [B], of a loss that is their mean."""

        def of_one(output: Tensor, target: Tensor) -> Tensor:
            value: Tensor = self(output[None], target[None])
            return value

        found: Tensor = vmap(of_one)(outputs, targets)
        return found

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Take in that `epoch` (from 0) of `epochs` begins; tensors are changed in place."""

    def after_step(self) -> None:
        """Bring parameters back to where they may be, in place, after the optimiser has moved them."""
