"""What the replicates of a trial share."""

from __future__ import annotations

import torch

from search_spaces.config import TrialConfig
from trainer.augmentation import Augmenter
from trainer.capture import capture_wanted
from trainer.data import BinaryTask
from trainer.seeds import seed_for


class TrialSetup:
    """What all replicates of a trial share: the data on the device, its augmentation, and the base loss.

    `capture`: whether steps are captured as CUDA graphs; None for yes on CUDA (see `trainer.capture`).
    """

    def __init__(
        self, config: TrialConfig, task: BinaryTask, device: torch.device, *, capture: bool | None = None
    ) -> None:
        self.config = config
        self.task = task
        self.device = device
        self.capture = capture_wanted(device) if capture is None else capture
        self.targets = task.pool.targets.to(device, torch.float32)
        self.augmenter = Augmenter(
            task.pool.pixels.to(device),
            config.augmentation,
            task.mean,
            task.std,
            memory_format=torch.channels_last,
        )
        self.validation_images = self.augmenter.eval_batch(task.validation.pixels.to(device))
        self.validation_targets = task.validation.targets.to(device, torch.float32)
        self.validation_labels = task.validation.targets.cpu().numpy()

    def generator(self, seed: int, purpose: str) -> torch.Generator:
        """A CPU generator for one purpose of one replicate; CPU and GPU runs draw the same numbers."""
        return torch.Generator().manual_seed(seed_for(seed, purpose))
