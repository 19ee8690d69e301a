"""What the replicates of a trial share."""

from __future__ import annotations

import torch

from search_spaces.config import Model, TrialConfig
from trainer.data.augmentation import Augmenter
from trainer.data.task import BinaryTask
from trainer.device.capture import capture_wanted
from trainer.options import TrialOptions
from trainer.seeds import seed_for

# torch 2.13 on a CPU: the backward pass of a strided 1 x 1 convolution in channels-last of fewer input
# channels writes beside its memory, and the process may end (seen with 8 to 15 channels and AVX-512 on
# several threads, with 2 to 7 channels and AVX2 on one).
NARROWEST_CHANNELS_LAST = 16
DEFAULTS = TrialOptions()


class TrialSetup:
    """What all replicates of a trial share: the data on the device, its augmentation, and the base loss.

    `options` say how it is run; they have made nothing of what is shared, so another trial may have others.
    `capture`: whether steps are captured as CUDA graphs; None for yes on CUDA (see `trainer.device.capture`).
    """

    def __init__(
        self,
        config: TrialConfig,
        task: BinaryTask,
        device: torch.device,
        options: TrialOptions = DEFAULTS,
        *,
        capture: bool | None = None,
    ) -> None:
        self.config = config
        self.task = task
        self.device = device
        self.options = options
        self.capture = capture_wanted(device) if capture is None else capture
        self.memory_format = memory_format(config.model, device)
        self.targets = task.pool.targets.to(device, torch.float32)
        self.augmenter = Augmenter(
            task.pool.pixels.to(device),
            config.augmentation,
            task.mean,
            task.std,
            memory_format=self.memory_format,
        )
        self.validation_images = self.augmenter.eval_batch(task.validation.pixels.to(device))
        self.validation_targets = task.validation.targets.to(device, torch.float32)
        self.validation_labels = task.validation.targets.cpu().numpy()

    def generator(self, seed: int, purpose: str) -> torch.Generator:
        """A CPU generator for one purpose of one replicate; CPU and GPU runs draw the same numbers."""
        return torch.Generator().manual_seed(seed_for(seed, purpose))


def memory_format(model: Model, device: torch.device) -> torch.memory_format:
    """The layout of images and weights: channels-last, which is faster, save for narrow networks on a CPU."""
    if device.type == "cpu" and model.narrowest < NARROWEST_CHANNELS_LAST:
        return torch.contiguous_format
    return torch.channels_last
