"""Trainings that differ in the last place of their initial weights: the scores after every epoch.

A rounding is a number r. With r = 0 a replicate starts from its own weights; with r > 0 each weight is moved
up by one unit in its last place with probability 1/2, drawn from `seed_for(seed, "rounding/<r>")`. Nothing
else changes: same data, same order, same augmentation. This is what another processor does, without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.errors import InputError
from trainer.data.prepared import Split
from trainer.data.task import load_task
from trainer.device.cpu import prepare_cpu
from trainer.fit import train_epoch
from trainer.models.scoring import logits_of
from trainer.replicate import Replicate
from trainer.seeds import seed_for
from trainer.setup import TrialSetup

CPU = torch.device("cpu")
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Job:
    """One replicate of one trial, trained once for each of the roundings."""

    config: str
    seed: int
    roundings: tuple[int, ...]
    data_dir: str | None
    threads: int


@dataclass(frozen=True)
class Curve:
    """What a replicate scored after each of its epochs.

    validation, test   scores [epochs, examples]
    auroc, loss        on validation [epochs], as the replicate itself judges its epochs
    weights            of its last epoch, flat: their scores are `test[-1]`, here
    """

    trial_id: str
    seed: int
    rounding: int
    validation: Scores
    test: Scores
    auroc: NDArray[np.float64]
    loss: NDArray[np.float64]
    weights: Scores


def train_all(
    configs: Sequence[TrialConfig], roundings: int, *, data_dir: str | None, threads: int, processes: int
) -> list[Curve]:
    """Every replicate of the trials with roundings 0 to `roundings`, in processes of `threads` threads."""
    numbers = tuple(range(roundings + 1))
    jobs = []
    for config in configs:
        text = config.model_dump_json()
        jobs += [Job(text, seed, numbers, data_dir, threads) for seed in config.seeds]
    if processes == 1:
        return [curve for job in jobs for curve in train(job)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return [curve for curves in pool.map(train, jobs) for curve in curves]


def train(job: Job) -> list[Curve]:
    """The curves of a job. Raises InputError for a replicate that diverges."""
    prepare_cpu(job.threads)
    setup = _setup(job.config, job.data_dir)
    return [_curve(setup, job.seed, rounding) for rounding in job.roundings]


def test_scores_of(config: TrialConfig, weights: Scores, data_dir: str | None) -> Scores:
    """What flat weights of a trial's network, as `Curve.weights` holds them, score on test here."""
    setup = _setup(config.model_dump_json(), data_dir)
    replicate = Replicate(setup, config.seeds[0])
    given = torch.from_numpy(weights)
    start = 0
    for value in _floats(replicate.model):
        value.copy_(given[start : start + value.numel()].view_as(value))
        start += value.numel()
    return _scores(replicate, setup.data.test)


@lru_cache(maxsize=2)
def _setup(config: str, data_dir: str | None) -> TrialSetup:
    parsed = TrialConfig.model_validate_json(config)
    return TrialSetup(parsed, load_task(parsed.data, None if data_dir is None else Path(data_dir)), CPU)


def _curve(setup: TrialSetup, seed: int, rounding: int) -> Curve:
    replicate = Replicate(setup, seed)
    if rounding:
        round_up(replicate.model, seed, rounding)
    validation, test, auroc, loss = [], [], [], []
    while replicate.state == "running":
        (record,) = train_epoch([replicate])
        validation.append(_scores(replicate, setup.data.validation))
        test.append(_scores(replicate, setup.data.test))
        auroc.append(record["val/auroc"])
        loss.append(record["val/loss"])
    if replicate.state == "diverged":
        raise InputError(
            f"trial {setup.config.trial_id} seed {seed}, rounding {rounding}: {replicate.reason}"
        )
    return Curve(
        setup.config.trial_id,
        seed,
        rounding,
        np.stack(validation),
        np.stack(test),
        np.array(auroc),
        np.array(loss),
        np.concatenate([value.numpy().ravel() for value in _floats(replicate.model)]),
    )


@torch.no_grad()
def round_up(model: nn.Module, seed: int, rounding: int) -> None:
    """Move each weight up by one unit in its last place with probability 1/2."""
    generator = torch.Generator().manual_seed(seed_for(seed, f"rounding/{rounding}"))
    for weight in model.parameters():
        moved = torch.rand(weight.shape, generator=generator) < 0.5
        above = torch.nextafter(weight, torch.full_like(weight, torch.inf))
        weight.copy_(torch.where(moved, above, weight))


def _scores(replicate: Replicate, split: Split) -> Scores:
    setup = replicate.setup
    logits = logits_of(replicate.model, setup.examples.evaluated(split), setup.config.precision)
    scores: Scores = setup.tensors.outputs(logits).numpy().copy()
    return scores


def _floats(model: nn.Module) -> Iterable[Tensor]:
    """Weights and running statistics, in a fixed order; counters are left out."""
    return [value for value in model.state_dict().values() if value.is_floating_point()]
