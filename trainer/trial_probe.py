"""What a whole trial takes, with all its replicates: peak memory and, on a GPU, the time of an epoch.

To be called in a process that has done nothing else: memory that was held before counts too.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from search_spaces.config import TrialConfig
from trainer import checkpoint
from trainer.data.batches import EVALUATION_BATCH
from trainer.data.task import TaskData, load_task
from trainer.device.environment import peak_resident_bytes
from trainer.device.precision import has_bf16
from trainer.fit import fit
from trainer.options import TrialOptions
from trainer.probe import seconds_per_epoch
from trainer.replicate import Replicate
from trainer.setup import TrialSetup
from trainer.trial_needs import TrialNeeds

# On a CPU memory is measured over epochs of so many batches (the last is not full), and an evaluation.
CPU_BATCHES = 2.5
# On a GPU over at least so many whole epochs; the first compiles and captures, and its time does not count.
GPU_EPOCHS = 3
# So often bf16 and float32 are measured in turns on a CPU.
BF16_ROUNDS = 2


def measure_trial(
    config: TrialConfig,
    device: torch.device,
    options: TrialOptions,
    *,
    memory: bool,
    bf16: bool = False,
) -> TrialNeeds:
    """Train a little of a trial as it would be trained, with the current thread count.

    Without `memory` a CPU measures the time of one replicate only. With `bf16` a float32 trial is measured a
    second time in bf16, where the device has arithmetic for it; not a compiled one, which would be compiled
    again. Raises DataError as `load_task` does, and
    MemoryError or torch.OutOfMemoryError where one such trial does not fit.
    """
    data = load_task(config.data, options.data_dir, download=options.download)
    if device.type == "cuda":
        seconds = _train(config, data, device, max(GPU_EPOCHS, config.scored_epochs), options)
        needs = TrialNeeds("cuda", seconds, peak_resident_bytes(), *_device_memory(device))
    else:
        host = None
        if memory:
            part = _slice_of(data, round(CPU_BATCHES * config.batch_size))
            _train(config, part, device, config.scored_epochs, options)
            host = peak_resident_bytes()
        needs = TrialNeeds("cpu", seconds_per_epoch(config, data, device, options), host)
    if bf16 and not options.compile:
        needs = _with_bf16(needs, config, data, device, options)
    return needs


def _with_bf16(
    needs: TrialNeeds, config: TrialConfig, data: TaskData, device: torch.device, options: TrialOptions
) -> TrialNeeds:
    """The needs with the time of the same trial in bf16; its memory is not measured, for it is no more."""
    needs = replace(needs, has_bf16=has_bf16(device))
    if not needs.has_bf16 or config.precision != "float32":
        return needs
    in_bf16 = config.model_copy(update={"precision": "bf16"})
    if device.type == "cuda":
        return replace(needs, bf16_seconds=_train(in_bf16, data, device, GPU_EPOCHS, options))
    # In turns, and the least of each: what else the machine does meets both.
    float32, bf16 = [needs.seconds_per_epoch], []
    for _ in range(BF16_ROUNDS):
        bf16.append(seconds_per_epoch(in_bf16, data, device, options))
        float32.append(seconds_per_epoch(config, data, device, options))
    return replace(needs, bf16_seconds=needs.seconds_per_epoch * min(bf16) / min(float32))


def _train(
    config: TrialConfig, data: TaskData, device: torch.device, epochs: int, options: TrialOptions
) -> float:
    """Train all replicates, write a checkpoint, score the test split; the least seconds of a later epoch.

    After as many epochs as a replicate is scored by, all the weights that it may hold are held.
    """
    config = config.model_copy(update={"epochs": epochs, "patience": None})
    setup = TrialSetup(config, data, device, options)
    replicates = [Replicate(setup, seed) for seed in config.seeds]
    seconds = [round_.seconds for round_ in fit(replicates)]
    checkpoint.dump_replicates(replicates, trial_id=config.trial_id, data_sha256=data.sha256)
    if replicates[0].scored.held:
        replicates[0].score_test()
    return min(seconds[1:] or seconds) / len(replicates)


def _slice_of(data: TaskData, examples: int) -> TaskData:
    """The task with about so many training examples and one evaluation batch of test images."""
    share = min(1.0, examples / sum(data.counts))
    few = slice(EVALUATION_BATCH)
    test = replace(
        data.test,
        pixels=data.test.pixels.take(range(min(EVALUATION_BATCH, len(data.test)))),
        targets=data.test.targets[few],
        ids=data.test.ids[few],
    )
    counts = tuple(max(1, round(count * share)) for count in data.counts)
    return TaskData(data.task, replace(data.splits, test=test), counts)


def _device_memory(device: torch.device) -> tuple[int, int]:
    """Peak bytes of the GPU under this process's trial, and the GPU's whole memory.

    What torch did not reserve itself is the context, loaded kernels and libraries; another process's memory
    counts as well, which errs on the safe side.
    """
    free, total = torch.cuda.mem_get_info(device)
    beside = total - free - torch.cuda.memory_reserved(device)
    return torch.cuda.max_memory_reserved(device) + max(beside, 0), total
