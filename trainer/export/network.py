"""A trial's networks as one: from images with values 0 to 1 to the outputs that tables are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.errors import CheckpointError
from trainer.checkpoint import StoredWeights
from trainer.losses.columns import TaskTensors, task_tensors
from trainer.models.scoring import build_replicate_model


class ExportedNetwork(nn.Module):
    """The mean over replicates of the mean over each one's scored epochs, of normalised images; float32.

    mean, std   per channel, in 0..1 units
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        replicates: Sequence[Sequence[nn.Module]],
        mean: Sequence[float],
        std: Sequence[float],
        tensors: TaskTensors,
    ) -> None:
        super().__init__()
        self.replicates = nn.ModuleList(nn.ModuleList(epochs) for epochs in replicates)
        self.tensors = tensors
        deviation = torch.tensor(std, dtype=torch.float64)
        shift = torch.tensor(mean, dtype=torch.float64) / deviation
        self.register_buffer("scale", (1 / deviation).float().view(-1, 1, 1))
        self.register_buffer("shift", shift.float().view(-1, 1, 1))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """float32 [N, C, H, W] of values 0 to 1 -> [N], or [N, K] of a task with several outputs."""
        normalised = images * self.scale - self.shift
        means = []
        for replicate in self.replicates:
            networks: Any = replicate
            outputs = [self.tensors.outputs(network(normalised)) for network in networks]
            means.append(torch.stack(outputs).mean(dim=0))
        return torch.stack(means).mean(dim=0)


def exported_network(
    config: TrialConfig, weights: Sequence[StoredWeights], image_shape: torch.Size
) -> ExportedNetwork:
    """One network of the weights of several replicates, for images [C, H, W], on the CPU.

    Raises CheckpointError for weights that do not fit such images, or that are normalised differently.
    """
    first = weights[0]
    if any((one.mean, one.std) != (first.mean, first.std) for one in weights):
        raise CheckpointError(
            f"trial {config.trial_id}: expected replicates of one normalisation, found several; "
            "export one of them with --seed"
        )
    replicates = []
    for one in weights:
        epochs = []
        for state in one.models:
            model = build_replicate_model(config, image_shape, torch.Generator())
            try:
                model.load_state_dict(state)
            except RuntimeError as error:
                reason = str(error).splitlines()[-1].strip()
                raise CheckpointError(f"trial {config.trial_id}: its weights do not fit: {reason}") from error
            epochs.append(model)
        replicates.append(epochs)
    tensors = task_tensors(config, torch.device("cpu"))
    return ExportedNetwork(replicates, first.mean, first.std, tensors)
