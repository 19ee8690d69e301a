"""What the replicates of a trial share, and what stays on the device from one trial to the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import Model, TrialConfig
from trainer.data.batches import Examples
from trainer.data.examples import make_examples
from trainer.data.task import TaskData, load_task
from trainer.device.capture import capture_wanted
from trainer.losses.columns import task_tensors
from trainer.options import TrialOptions
from trainer.seeds import seed_for
from trainer.tasks.base import task_arrays

# torch 2.13 on a CPU: the backward pass of a strided 1 x 1 convolution in channels-last of fewer input
# channels writes beside its memory, and the process may end (seen with 8 to 15 channels and AVX-512 on
# several threads, with 2 to 7 channels and AVX2 on one).
NARROWEST_CHANNELS_LAST = 16
DEFAULTS = TrialOptions()


class TrialSetup:
    """What all replicates of a trial share: its task, as arrays and as tensors, and its examples on a device.

    options    how it is run
    examples   those of another trial on the same images; None makes them
    capture    whether steps are captured as CUDA graphs; None for yes on CUDA (see `trainer.device.capture`)
    """

    def __init__(
        self,
        config: TrialConfig,
        data: TaskData,
        device: torch.device,
        options: TrialOptions = DEFAULTS,
        *,
        examples: Examples | None = None,
        capture: bool | None = None,
    ) -> None:
        self.config, self.data, self.device, self.options = config, data, device, options
        self.capture = capture_wanted(device) if capture is None else capture
        self.memory_format = memory_format(config.model, device)
        self.arrays = task_arrays(config.data, options.targets)
        self.tensors = task_tensors(config, device)
        self.examples = examples or make_examples(
            data,
            config.augmentation,
            device,
            options.images,
            target_dtype=self.tensors.target_dtype,
            memory_format=self.memory_format,
        )

    @cached_property
    def validation_labels(self) -> NDArray[np.generic]:
        """Targets of the validation split [N], as they are stored."""
        return self.data.validation.targets.numpy()

    def generator(self, seed: int, purpose: str) -> torch.Generator:
        """A CPU generator for one purpose of one replicate; CPU and GPU runs draw the same numbers."""
        return torch.Generator().manual_seed(seed_for(seed, purpose))


def memory_format(model: Model, device: torch.device) -> torch.memory_format:
    """The layout of images and weights: channels-last, which is faster, save for narrow networks on a CPU."""
    if device.type == "cpu" and model.narrowest < NARROWEST_CHANNELS_LAST:
        return torch.contiguous_format
    return torch.channels_last


@dataclass(frozen=True)
class _Held:
    key: tuple[object, ...]
    data: TaskData
    examples: Examples


# The last one only: trials are ordered by block, and memory on a GPU is shared with other processes.
_held: _Held | None = None


def held_setup(config: TrialConfig, device: torch.device, options: TrialOptions) -> TrialSetup:
    """The setup of a trial; it shares its examples with the process's last trial where they are equal.

    Those are the task's images and targets, prepared for `augmentation`, `model` and `precision` alone.
    Raises what `load_task` raises.
    """
    global _held
    kind = (config.data, config.augmentation, config.model, config.precision)
    key = (*kind, options.data_dir, options.images, device)
    held = _held
    if held is not None and held.key == key:
        return TrialSetup(config, held.data, device, options, examples=held.examples)
    held = None
    let_go()  # of the last block, before the next one takes memory
    data = load_task(config.data, options.data_dir, download=options.download)
    setup = TrialSetup(config, data, device, options)
    _held = _Held(key, data, setup.examples)
    return setup


def let_go() -> None:
    """Free what is held, as when memory ran out."""
    global _held
    _held = None
