"""The usual loop and the trainer behind one interface, so that one clock measures both.

This is the only file that calls the trainer's loop.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from benchmarks.cases import Case, usable_cores
from benchmarks.plain import PlainSettings, PlainTrainer, tuned_settings
from benchmarks.plain_constraint import PlainConstraint
from benchmarks.plain_images import PlainData
from search_spaces.errors import AlmsweepError
from trainer.data.pixels import Pixels
from trainer.data.task import TaskData, load_task
from trainer.device.cpu import prepare_cpu
from trainer.fit import fit
from trainer.metrics import binary as metrics
from trainer.options import TrialOptions
from trainer.replicate import Replicate
from trainer.setup import TrialSetup


@dataclass(frozen=True)
class Epochs:
    """What some epochs did: images (in sum over replicates) and seconds.

    train_seconds    None where training was not timed apart from the rest of the epoch
    overlaps         whether the replicates' work overlaps, so that no part can be taken off the whole
    """

    epochs: int
    train_images: int
    train_seconds: float | None
    validation_images: int
    overlaps: bool = False


class Contestant(Protocol):
    """One trial in one process."""

    auroc: dict[int, list[float]]

    def epoch(self) -> Epochs:
        """Train one epoch of every replicate and validate; `auroc` (0 to 1) by seed grows by one value."""

    def validate(self) -> int:
        """Validate the current weights of every replicate; returns how many images that were."""


def make_contestant(case: Case) -> Contestant:
    """Load the data and build what the case says, its random numbers seeded.

    Prepares this process as each side does: the trainer threads and memory, the usual loop threads and the
    global random state. Raises DataError.
    """
    task = load_task(case.config().data, case.data_path)
    if case.kind == "ours":
        prepare_cpu(case.threads)
        return Ours(case, task)
    torch.set_num_threads(case.threads)
    return UsualLoop(case, task)


class UsualLoop:
    """The plain or tuned loop of `benchmarks.plain` on the very images that the trainer gets."""

    def __init__(self, case: Case, task: TaskData) -> None:
        self.seed = case.seeds[0]
        self.auroc: dict[int, list[float]] = {self.seed: []}
        self.data = plain_data(task, self.seed)
        limits = case.config().constraint
        constraint = None
        if limits is not None:
            constraint = PlainConstraint(limits.penalty, limits.growth, limits.margin)
        settings = PlainSettings()
        if case.kind == "tuned":
            settings = tuned_settings(
                case.device,
                case.threads,
                width=case.width,
                cores=usable_cores(),
                bf16=case.precision == "bf16",
            )
        torch.manual_seed(self.seed)
        torch.backends.cudnn.benchmark = settings.cudnn_benchmark
        self.trainer = PlainTrainer(self.data, case.width, constraint, torch.device(case.device), settings)

    def epoch(self) -> Epochs:
        """As Contestant.epoch. Training ends by reading a number from the device."""
        start = time.perf_counter()
        self.trainer.train_epoch()
        middle = time.perf_counter()
        auroc = self.trainer.validate()
        if self.trainer.constraint is not None:
            self.trainer.constraint.end_epoch(auroc)
        self.auroc[self.seed].append(auroc)
        return Epochs(1, len(self.data.train_images), middle - start, len(self.data.validation_images))

    def validate(self) -> int:
        """As Contestant.validate."""
        self.trainer.validate()
        return len(self.data.validation_images)


class Ours:
    """A trial of the trainer, its replicates in lockstep."""

    def __init__(self, case: Case, task: TaskData) -> None:
        self.device = torch.device(case.device)
        setup = TrialSetup(case.config(), task, self.device, TrialOptions(compile=case.compile))
        self.replicates = [Replicate(setup, seed) for seed in case.seeds]
        self.auroc: dict[int, list[float]] = {seed: [] for seed in case.seeds}
        self.train_images = sum(len(task.train_indices(seed)) for seed in case.seeds)
        self.validation_images = len(task.validation) * len(case.seeds)
        self.labels = setup.validation_labels
        self.rounds = fit(self.replicates)

    def epoch(self) -> Epochs:
        """As Contestant.epoch. Raises AlmsweepError when a replicate diverges: fewer would train then."""
        round_ = next(self.rounds)
        if round_.ended:
            reasons = [r.reason for r in self.replicates if r.seed in round_.ended]
            raise AlmsweepError(f"seeds {list(round_.ended)} ended in a benchmark: {reasons}")
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        for seed, record in round_.records.items():
            self.auroc[seed].append(record["val/auroc"])
        return Epochs(1, self.train_images, None, self.validation_images, overlaps=self.device.type == "cuda")

    def validate(self) -> int:
        """As Contestant.validate."""
        for replicate in self.replicates:
            replicate.begin_validation()
        for replicate in self.replicates:
            replicate.lane.wait()
            if replicate.scored.held:  # scores of the same number, for the time that metrics take
                metrics.summarize(self.labels, replicate.scored.validation_scores())
        return self.validation_images

    def scores(self) -> dict[int, list[float]]:
        """Validation scores [N] of every replicate at its best epoch, by seed."""
        return {r.seed: r.scored.validation_scores().tolist() for r in self.replicates if r.scored.held}


def plain_data(task: TaskData, seed: int) -> PlainData:
    """A task's images and labels of a seed as the usual loop takes them."""
    chosen = task.train_indices(seed)

    def images(pixels: Pixels) -> list[Image.Image]:
        return [Image.fromarray(np.ascontiguousarray(one.transpose(1, 2, 0))) for one in pixels]

    return PlainData(
        images(task.pool.pixels.take(chosen.numpy())),
        task.pool.targets[chosen].tolist(),
        images(task.validation.pixels),
        task.validation.targets.tolist(),
    )


def run_for(contestant: Contestant, *, seconds: float, epochs: int) -> Epochs:
    """Train at least so many epochs and at least so long; the sum of what they did."""
    started = time.perf_counter()
    total = contestant.epoch()
    while total.epochs < epochs or time.perf_counter() - started < seconds:
        one = contestant.epoch()
        total = replace(
            total,
            epochs=total.epochs + one.epochs,
            train_images=total.train_images + one.train_images,
            train_seconds=_sum(total.train_seconds, one.train_seconds),
            validation_images=total.validation_images + one.validation_images,
        )
    return total


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
