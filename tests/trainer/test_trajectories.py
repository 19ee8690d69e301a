"""Ways of training that must give one trajectory: a plain loop, fixed tensors, a captured step."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.nn import functional

from search_spaces.config import Adam, Bce, ConstraintConfig, LossConfig, ResNet10, Sgd, SmallCnn, TrialConfig
from search_spaces.paper.named import LOSSES
from search_spaces.presets import preset
from trainer.checkpoint import dump_replicates, restore_replicates
from trainer.data.sampler import epoch_order
from trainer.data.task import TaskData, load_task
from trainer.fit import fit, train_epoch
from trainer.losses.constraint import Constraint
from trainer.replicate import Replicate
from trainer.setup import TrialSetup
from trainer.training_step import TrainingStep

CPU = torch.device("cpu")
CONSTRAINT = ConstraintConfig(penalty=1e-3, margin=0.5, introduce_at=1)
EPOCHS = 4
ONE_OF_EACH: list[LossConfig] = list({loss.name: loss for loss in LOSSES.values()}.values())
SGD = Sgd(learning_rate=0.01, momentum=0.9, weight_decay=2e-4)


def config(**changes: Any) -> TrialConfig:
    fields = {**preset("digits", 20), "loss": Bce(), "epochs": EPOCHS, "seeds": (1, 2), "batch_size": 40}
    return TrialConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def task() -> TaskData:
    return load_task(config().data, None)


def trained(wanted: TrialConfig, task: TaskData, setup: TrialSetup | None = None) -> list[Replicate]:
    shared = setup or TrialSetup(wanted, task, CPU)
    made = [Replicate(shared, seed) for seed in wanted.seeds]
    for _ in fit(made):
        pass
    return made


def plain_scores(wanted: TrialConfig, task: TaskData, seed: int) -> list[np.ndarray[Any, Any]]:
    """Validation scores after each epoch of the obvious loop: batches cut on the host, pairs by indexing."""
    replicate = Replicate(TrialSetup(wanted, task, CPU), seed)  # the weights and the data's place
    setup, model = replicate.setup, replicate.model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=2e-4)
    multipliers, limits, scores = torch.zeros(len(task.pool.targets)), wanted.constraint, []
    for epoch in range(wanted.epochs):
        order = epoch_order(
            "shuffle", replicate.train_indices, task.pool.targets, setup.generator(seed, f"order/{epoch}")
        )
        draws = setup.examples.draw(len(order), setup.generator(seed, f"augmentation/{epoch}"))
        replicate.batches.begin(order, draws)
        model.train()
        for rows in torch.arange(len(order)).split(wanted.batch_size):
            indices = order[rows]
            logits = model(replicate.batches.next(len(rows)).images).squeeze(1)
            targets = task.pool.targets[indices].float()
            loss = functional.binary_cross_entropy_with_logits(logits, targets)
            positive, negative = torch.nonzero(targets)[:, 0], torch.nonzero(targets == 0)[:, 0]
            if limits is not None and epoch >= limits.introduce_at and len(positive):
                short = limits.margin - (logits[positive][:, None] - logits[negative][None])
                q, own = short.clamp_min(0).sum(1), indices[positive]
                term = limits.penalty / 2 * q**2 + multipliers[own] * q
                loss = loss + term.sum() / (len(positive) * len(negative))
                multipliers[own] += limits.penalty * q.detach()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            scores.append(model(torch.cat(list(setup.examples.validation()))).squeeze(1).numpy())
    return scores


def scores_per_epoch(wanted: TrialConfig, task: TaskData, seed: int) -> list[np.ndarray[Any, Any]]:
    replicate = Replicate(TrialSetup(wanted, task, CPU), seed)
    return [replicate.validation_outputs for _ in range(wanted.epochs) if train_epoch([replicate])]


@pytest.mark.parametrize("constraint", [None, CONSTRAINT])
def test_fixed_tensors_give_the_plain_loops_scores(
    task: TaskData, constraint: ConstraintConfig | None
) -> None:
    wanted = config(constraint=constraint, optimizer=SGD)
    for ours, plain in zip(scores_per_epoch(wanted, task, 1), plain_scores(wanted, task, 1), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-3)


def without_values(model: nn.Module) -> nn.Module:
    """The model with tensors of the current fake mode, changed in place."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(torch.empty(parameter.shape))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.zeros(buffer.shape, dtype=buffer.dtype)
    return model


@pytest.mark.parametrize("loss", ONE_OF_EACH, ids=lambda loss: loss.name)
@pytest.mark.parametrize("optimizer", [SGD, Adam()], ids=lambda optimizer: optimizer.name)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_asks_the_device_for_nothing(
    task: TaskData, loss: Any, optimizer: Any, precision: str
) -> None:
    """Fake tensors have shapes and no values: what would wait for the device, and break a capture, raises."""
    wanted = config(loss=loss, optimizer=optimizer, precision=precision, constraint=CONSTRAINT)
    replicate = Replicate(TrialSetup(wanted, task, CPU), 1)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = without_values(replicate.model)
        step = TrainingStep(
            wanted,
            model,
            model,
            replicate.loss,
            replicate.setup.examples.batches(
                capacity=len(replicate.train_indices), batch_size=wanted.batch_size
            ),
            replicate.setup.tensors,
            Constraint(CONSTRAINT, examples=len(task.pool), columns=1),
            replicate.lane,
        )
        step.run(wanted.batch_size, constrained=True)
        step.run(wanted.batch_size, constrained=False)
        with pytest.raises(DataDependentOutputException):  # the check can fail
            step.loss_sum.item()


def test_bf16_stays_as_close_as_another_seed(task: TaskData) -> None:
    """Every epoch's scores: bf16 differs from float32 by less than the two seeds of float32 do."""
    full = [scores_per_epoch(config(constraint=CONSTRAINT), task, seed) for seed in (1, 2)]
    half = [scores_per_epoch(config(constraint=CONSTRAINT, precision="bf16"), task, seed) for seed in (1, 2)]
    for epoch in range(EPOCHS):
        between_seeds = np.abs(full[0][epoch] - full[1][epoch]).mean()
        for single, rounded in zip(full, half, strict=True):
            assert np.abs(single[epoch] - rounded[epoch]).mean() < between_seeds


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and -m gpu")
@pytest.mark.parametrize("optimizer", [SGD, Adam()], ids=lambda optimizer: optimizer.name)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_captured_steps_give_the_eager_ones_scores(
    task: TaskData, optimizer: Any, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same kernels, replayed; sums of gradients by atomic addition may differ in the last bits."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    wanted = config(constraint=CONSTRAINT, optimizer=optimizer, precision=precision, epochs=6)
    device = torch.device("cuda")
    made = {
        capture: trained(wanted, task, TrialSetup(wanted, task, device, capture=capture))
        for capture in (True, False)
    }
    for captured, eager in zip(made[True], made[False], strict=True):
        assert any(step.graph is not None for step in captured.step._steps.values())
        assert not any(step.graph is not None for step in eager.step._steps.values())
        # Not the scored epoch: that may be another one after a tie.
        ours, theirs = captured.validation_outputs, eager.validation_outputs
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.02 * theirs.std())
        for a, b in zip(captured.records, eager.records, strict=True):
            assert a["train/loss"] == pytest.approx(b["train/loss"], rel=0.01)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and -m gpu")
def test_captured_training_goes_on_from_a_checkpoint(task: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    wanted = config(constraint=CONSTRAINT, optimizer=SGD, epochs=6, seeds=(1,))
    setup = TrialSetup(wanted, task, torch.device("cuda"), capture=True)
    (undisturbed,) = trained(wanted, task, setup)
    first, second = Replicate(setup, 1), Replicate(setup, 1)
    for _ in range(3):
        train_epoch([first])
    saved = dump_replicates([first], trial_id=wanted.trial_id, data_sha256=task.sha256)
    train_epoch([second])  # a capture of before must not survive the restoring
    restore_replicates(saved, [second], trial_id=wanted.trial_id, data_sha256=task.sha256)
    while second.state == "running":
        train_epoch([second])
    ours, theirs = second.validation_outputs, undisturbed.validation_outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.02 * theirs.std())


@pytest.mark.parametrize("optimizer", [SGD, Adam()], ids=lambda optimizer: optimizer.name)
@pytest.mark.parametrize("model", [ResNet10(width=16), SmallCnn(width=16)], ids=lambda model: model.name)
def test_training_goes_on_in_another_memory_layout(task: TaskData, model: Any, optimizer: Any) -> None:
    """Narrow networks have one layout on a GPU and another on a CPU; a checkpoint may travel."""
    wanted = config(constraint=CONSTRAINT, optimizer=optimizer, model=model, epochs=4, seeds=(1,))
    here, there = TrialSetup(wanted, task, CPU), TrialSetup(wanted, task, CPU)
    assert here.memory_format == torch.channels_last
    there.memory_format = torch.contiguous_format
    first, second = Replicate(here, 1), Replicate(there, 1)
    train_epoch([first])
    saved = dump_replicates([first], trial_id=wanted.trial_id, data_sha256=task.sha256)
    restore_replicates(saved, [second], trial_id=wanted.trial_id, data_sha256=task.sha256)
    before = {name: value.clone() for name, value in first.model.state_dict().items()}
    for replicate in (first, second):
        replicate.train_batches(1)
    for name, value in first.model.named_parameters():
        step = (value - before[name]).abs().max().item()
        other = second.model.get_parameter(name)
        torch.testing.assert_close(other, value, rtol=0, atol=0.01 * step)


@pytest.mark.parametrize("saved_on_gpu", [False, True])
def test_an_optimisers_options_are_those_of_its_own_device(task: TaskData, saved_on_gpu: bool) -> None:
    """A checkpoint of another kind of device says otherwise how Adam is to be captured."""
    replicate = Replicate(TrialSetup(config(optimizer=Adam()), task, CPU), 1)
    replicate.train_batches(1)
    state = replicate.state_dict()
    for group in state["optimizer"]["param_groups"]:
        group["capturable"] = saved_on_gpu
        group["lr"] = torch.tensor(0.5)
    replicate.load_state_dict(state)
    (group,) = replicate.step.optimizer.param_groups
    assert group["capturable"] is False
    assert isinstance(group["lr"], float)


def test_an_ended_trial_leaves_nothing_to_the_garbage_collector(task: TaskData) -> None:
    """Its graphs would be destroyed at any moment otherwise, one of another trial's capture included."""
    setup = TrialSetup(config(), task, CPU)
    trained(config(), task, setup)  # the process's first optimiser is held by a frame of its making
    gc.collect()
    gc.disable()
    try:
        replicate = Replicate(setup, 1)
        train_epoch([replicate])
        gone = [weakref.ref(held) for held in (replicate, replicate.step, replicate.lane)]
        replicate.close()
        del replicate
        assert [reference() for reference in gone] == [None, None, None]
    finally:
        gc.enable()
