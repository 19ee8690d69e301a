"""A trial's network, and what it says about images."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.sizes import output_count
from trainer.device.precision import autocast
from trainer.models.build import build_model


def logits_of(model: nn.Module, batches: Iterable[Tensor], precision: str) -> Tensor:
    """Logits [N, outputs] of batches of prepared images in evaluation mode, float32."""
    model.eval()
    with torch.inference_mode():
        parts = []
        for batch in batches:
            with autocast(precision, batch.device):
                parts.append(model(batch).float())
        return torch.cat(parts)


def build_replicate_model(
    config: TrialConfig, image_shape: torch.Size, generator: torch.Generator
) -> nn.Module:
    """The network that a trial's loss and images [C, H, W] ask for, its weights drawn from `generator`."""
    return build_model(
        config.model,
        channels=image_shape[0],
        outputs=output_count(config),
        image_size=image_shape[-1],
        generator=generator,
        head=config.loss.head,
    )
