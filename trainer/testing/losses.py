"""The contract of losses."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from search_spaces.config import (
    LOSS_TYPES,
    ConstraintConfig,
    Loss,
    Task,
    TrainingFacts,
)
from search_spaces.sizes import output_count
from trainer.losses.build import make_loss
from trainer.losses.columns import task_tensors
from trainer.losses.module import LossModule
from trainer.testing.common import check_configuration, demand, demanded, example_tasks, example_trial
from trainer.testing.steps import CPU, META, check_step, example_targets

# As far as logits may go astray. In float32 exp overflows at 88, and beyond 17 1 + exp(-s) is 1.
EXTREMES = (0.0, 17.0, -17.0, 88.0, -88.0, 1e4, -1e4)


def check_loss(config: Loss) -> None:
    """Demand that a loss keeps its contract, for every kind of task that it says it fits.

    Its value is a tensor without dimensions, of the logits' type and on their device; it and its gradient are
    finite at extreme logits and in batches of one class; a step with it, with the constraint or without, in
    float32 and bf16, asks the device for nothing. Raises ContractBroken.
    """
    _check_family(config)
    fitting = [task for task in example_tasks() if config.fits(task.kind)]
    known = len(fitting) == len(config.tasks)
    demand(known, config, f"kinds of task that there are, given {set(config.tasks)}")
    demand(bool(fitting), config, "a kind of task that it fits")
    for task in fitting:
        check_configuration(config, example_trial(data=task, loss=config))
        _check_values(config, task)
        check_step(example_trial(data=task, loss=config))
        for comparison in task.comparisons:
            constraint = ConstraintConfig(penalty=0.1, comparison=comparison)
            check_step(example_trial(data=task, loss=config, constraint=constraint))


def _check_family(config: Loss) -> None:
    same = [other for other in LOSS_TYPES if other.family == config.family and not isinstance(config, other)]
    demand(bool(config.family), config, "a name for the tables' rows")
    demand(not same, config, f"a row of its own in tables, not {config.family!r}, which another loss has")


def _check_values(config: Loss, task: Task) -> None:
    trial = example_trial(data=task, loss=config)
    tensors, targets = task_tensors(trial, CPU), example_targets(trial)
    counts = tensors.target_counts(targets)
    facts = TrainingFacts(counts, tensors.ratio_of(counts), len(targets))
    loss = make_loss(config, facts)
    outputs = output_count(trial)
    targets = targets.to(tensors.target_dtype)
    for value, dtype in product(EXTREMES, (torch.float32, torch.float64)):
        logits = torch.zeros((len(targets), outputs), dtype=dtype)
        logits[::2] = value
        logits[:, -1] -= value / 2
        _check_value(config, loss, logits, targets)
    is_alike = (targets == targets[0]).reshape(len(targets), -1).all(dim=1)
    of_one_class = targets[is_alike]
    _check_value(config, loss, torch.zeros((len(of_one_class), outputs)), of_one_class)
    _check_value(config, loss, torch.zeros((1, outputs)), targets[:1])
    with demanded(config, "a value that asks the device for nothing"):
        logits = torch.zeros((len(targets), outputs), device=META, requires_grad=True)
        on_meta = make_loss(config, facts, META)
        on_meta(logits, targets.to(META)).backward()


def _check_value(config: Loss, loss: LossModule, logits: Tensor, targets: Tensor) -> None:
    where = f"at logits of up to {logits.abs().max().item():g}"
    logits.requires_grad_()
    value = loss(logits, targets)
    if config.takes_mixed:
        with demanded(config, f"a value of each example {where}"):
            mean = loss.each(logits, targets).mean()
        demand(torch.allclose(mean, value), config, f"the mean over examples {where}")
    demand(value.shape == (), config, f"a tensor without dimensions {where}, given {tuple(value.shape)}")
    demand(value.dtype == logits.dtype, config, f"a value of type {logits.dtype}, given {value.dtype}")
    demand(bool(value.isfinite()), config, f"a finite value {where}, given {value.item()}")
    with demanded(config, f"a gradient {where}"):
        value.backward()
    demand(logits.grad is not None, config, f"a gradient {where}")
    if logits.grad is not None:
        demand(bool(logits.grad.isfinite().all()), config, f"a finite gradient {where}")
