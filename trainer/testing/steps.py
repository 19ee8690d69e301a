"""A whole training step of a trial, on a CPU and on torch's meta device.

The meta device has no values: whatever asks for one, or mixes devices, raises there. A GPU could not capture
such a step.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces.config import TrainingFacts, TrialConfig
from search_spaces.sizes import image_shape
from trainer.data.augmentation import Augmenter
from trainer.data.batches import ResidentBatches
from trainer.device.capture import Lane
from trainer.losses.build import make_loss
from trainer.losses.columns import task_tensors
from trainer.losses.constraint import Constraint
from trainer.models.scoring import build_replicate_model
from trainer.setup import memory_format
from trainer.tasks.base import task_arrays
from trainer.tasks.label_sets import Labels
from trainer.testing.common import demand, demanded
from trainer.training_step import TrainingStep

POOL = 24
META, CPU = torch.device("meta"), torch.device("cpu")


def check_step(config: TrialConfig) -> None:
    """Demand that a trial can take training steps, in both precisions, on a CPU and on the meta device.

    Its source need not be there: images are made up, of the shape that it says, or larger where the model
    takes none so small.
    """
    for precision in ("float32", "bf16"):
        trial = config.model_copy(update={"precision": precision})
        with demanded(trial, "a step that asks the device for no value and stays on it"):
            take_steps(trial, META)
        with demanded(trial, "a step on a CPU"):
            step = take_steps(trial, CPU)
        demand(bool(step.loss_sum.isfinite()), trial, "a finite loss on random images")
        for name, value in step.model.state_dict().items():
            demand(bool(value.isfinite().all()), trial, f"a finite {name} after a step")


def take_steps(config: TrialConfig, device: torch.device) -> TrainingStep:
    """Train on a batch of the trial's size and on a smaller one; the step, as it is then."""
    step = _training_step(config, device)
    for size in (config.batch_size, config.batch_size - 1):
        step.run(size, constrained=config.constraint is not None)
    return step


def _training_step(config: TrialConfig, device: torch.device) -> TrainingStep:
    generator = torch.Generator().manual_seed(1)
    tensors = task_tensors(config, device)
    targets = example_targets(config)
    counts = tensors.target_counts(targets)
    facts = TrainingFacts(counts, config.data.ratio or tensors.ratio_of(counts), len(targets))
    batches = _batches(config, targets.to(device, tensors.target_dtype), generator)
    constraint = None
    if config.constraint is not None:
        columns = len(tensors.column_names)
        constraint = Constraint(config.constraint, examples=POOL, columns=columns, device=device)
    model, loss = _model(config, device, generator), make_loss(config.loss, facts, device)
    lane = Lane(device, capture=False)
    step = TrainingStep(config, model, model, loss, batches, tensors, constraint, lane)
    step.begin(0)
    return step


def image_sizes(config: TrialConfig) -> tuple[int, int]:
    """Channels and side length of made-up images: those of its source, at least what its model takes."""
    channels, size = image_shape(config.data.source)
    return channels, max(size, config.model.smallest_image)


def example_targets(config: TrialConfig) -> Tensor:
    """Targets of POOL examples, every class of the task in turn, or many label sets, an empty one first."""
    position, count = np.arange(POOL, dtype=np.int64), len(config.data.labels)
    classes: Labels = position % count
    if config.data.has_label_sets:
        classes = (position[:, None] >> np.arange(count) & 1).astype(np.uint8)
    return torch.from_numpy(task_arrays(config.data).targets(classes))


def _batches(config: TrialConfig, targets: Tensor, generator: torch.Generator) -> ResidentBatches:
    channels, size = image_sizes(config)
    pixels = torch.randint(0, 256, (POOL, channels, size, size), dtype=torch.uint8, generator=generator)
    device = targets.device
    middle = (0.5,) * channels
    layout = memory_format(config.model, device)
    augmenter = Augmenter(pixels.to(device), config.augmentation, middle, middle, memory_format=layout)
    batches = ResidentBatches(augmenter, targets, POOL, config.batch_size)
    batches.begin(torch.randperm(POOL, generator=generator), augmenter.draw(POOL, generator))
    return batches


def _model(config: TrialConfig, device: torch.device, generator: torch.Generator) -> nn.Module:
    channels, size = image_sizes(config)
    model = build_replicate_model(config, torch.Size((channels, size, size)), generator).to(device)
    return model.to(memory_format=memory_format(config.model, device))  # type: ignore[call-overload,no-any-return]
