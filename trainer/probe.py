"""How long one epoch of a configuration takes here: measured on a few batches, never guessed."""

from __future__ import annotations

import time

import torch

from search_spaces.config import TrialConfig
from trainer.data.task import TaskData
from trainer.options import TrialOptions
from trainer.replicate import Replicate
from trainer.setup import TrialSetup

WARM_UP_BATCHES = 2
MEASURED_SECONDS = 2.0
MOST_BATCHES = 50


def seconds_per_epoch(
    config: TrialConfig, data: TaskData, device: torch.device, options: TrialOptions
) -> float:
    """Seconds that one replicate takes for one epoch, validation included, with the current thread count.

    Trains on about MEASURED_SECONDS worth of batches after a warm-up and scales by the epoch's batches.
    """
    replicate = Replicate(TrialSetup(config, data, device, options), seed=config.seeds[0])
    batches = -(-len(replicate.train_indices) // config.batch_size)
    replicate.train_batches(WARM_UP_BATCHES)
    _synchronize(device)
    measured, started = 0, time.perf_counter()
    while measured < MOST_BATCHES and time.perf_counter() - started < MEASURED_SECONDS:
        measured += replicate.train_batches(min(5, batches))
        _synchronize(device)
    per_batch = (time.perf_counter() - started) / max(measured, 1)
    started = time.perf_counter()
    replicate.begin_validation()
    _synchronize(device)
    return per_batch * batches + time.perf_counter() - started


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
