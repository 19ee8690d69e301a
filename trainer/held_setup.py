"""The data of a block stay on the device from one trial of a process to the next."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from search_spaces.config import TrialConfig
from trainer.data.task import load_task
from trainer.options import TrialOptions
from trainer.setup import TrialSetup


@dataclass(frozen=True)
class _Held:
    key: tuple[object, ...]
    setup: TrialSetup


# The last one only: trials are ordered by block, and memory on a GPU is shared with other processes.
_held: _Held | None = None


def trial_setup(config: TrialConfig, device: torch.device, options: TrialOptions) -> TrialSetup:
    """The setup of a trial; it shares its tensors with that of the process's last trial where they are equal.

    Those are the task's images and targets, prepared for `augmentation`, `model` and `precision` alone.
    Raises what `load_task` raises.
    """
    global _held
    key = (config.data, config.augmentation, config.model, config.precision, options.data_dir, device)
    held = _held
    if held is None or held.key != key:
        _held = held = None  # let go of the last block before the next one takes memory
        task = load_task(config.data, options.data_dir, download=options.download)
        held = _held = _Held(key, TrialSetup(config, task, device, options))
    setup = copy.copy(held.setup)
    setup.config, setup.options = config, options
    return setup


def let_go() -> None:
    """Free what is held, as when memory ran out."""
    global _held
    _held = None
