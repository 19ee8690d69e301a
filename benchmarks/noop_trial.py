"""A trial without training: one epoch of made-up records and scores through the real trial and store.

Runs in Ray's workers. Everything around the training is the product's own code.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import Task, TrialConfig
from sweeps.driver.work import Work
from sweeps.driver.worker import train_trial
from trainer.data.pixels import Pixels
from trainer.data.prepared import ClassSizes, PreparedSplits, Split
from trainer.data.survey import Finding
from trainer.data.task import TaskData
from trainer.fit import Round
from trainer.scored import ScoredEpochs
from trainer.tasks.base import TaskArrays, task_arrays
from trainer.tasks.label_sets import Strata

VALIDATION, TEST = 60, 120


class NoData:
    """Stands for `sweeps.driver.data.RunData`: a run of trials that read no data looks at none."""

    def __init__(self, *run: Any) -> None:
        """As that of `RunData`."""

    def check_hope(self, retry: object) -> None:
        """Nothing to check."""

    def is_looked_at_here(self, work: Work) -> bool:
        """Here, where nothing is found."""
        return True

    def look(self, work: Work) -> dict[Task, Finding]:
        """Nothing to find."""
        return {}

    def check(self, work: Work, findings: object) -> Work:
        """All of the work is left."""
        return work

    def note(self, work: Work) -> None:
        """As that of `RunData`."""
        work.store.write_sweep(work.manifest)


def noop_trial(params: dict[str, Any], **rest: Any) -> None:
    """`sweeps.driver.worker.train_trial`, in this process from now on without data, network and training."""
    import trainer.trial

    for name, instead in INSTEAD.items():
        setattr(trainer.trial, name, instead)
    train_trial(params, **rest)


def epoch_record(arrays: TaskArrays, seed: int) -> dict[str, float]:
    """One epoch's record, with the names of a real one."""
    names = [
        "train/loss",
        "train/violation",
        "train/penalty",
        "train/multiplier_mean",
        "train/multiplier_max",
    ]
    names += ["val/loss", *(f"val/{name}" for name in arrays.names("headline", "curve"))]
    values = np.random.default_rng(seed).random(len(names)).tolist()
    return {"epoch": 0, "learning_rate": 0.01, **dict(zip(names, values, strict=True)), "seconds": 0.0}


def ensemble_record(arrays: TaskArrays) -> dict[str, float]:
    """The ensemble's share of a record."""
    return {f"ensemble/val/{name}": 0.75 for name in arrays.names("headline")}


@dataclass
class _Setup:
    config: TrialConfig
    data: TaskData
    device: torch.device
    arrays: TaskArrays


@dataclass
class NoopReplicate:
    """Stands for `trainer.replicate.Replicate`: at its end as soon as it is asked for an epoch."""

    setup: _Setup
    seed: int
    epoch: int = 0
    state: str = "running"
    reason: str | None = None
    scored: ScoredEpochs = field(default_factory=lambda: ScoredEpochs("best_epoch"))
    records: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    counts: Mapping[str, int] = field(default_factory=lambda: {"train_negatives": 100, "train_positives": 10})
    label_pairs: None = None

    def train(self) -> None:
        """End at once, with made-up numbers."""
        self.epoch, self.state = 1, "completed"
        arrays = self.setup.arrays
        self.records.append({**epoch_record(arrays, self.seed), **ensemble_record(arrays)})
        scores = _scores(self.setup.data.validation, self.seed)
        self.scored.offer(0, 0.75, 0.5, {"weight": torch.zeros(8)}, scores)

    def close(self) -> None:
        """Nothing to free."""

    def score_test(self) -> NDArray[np.float32]:
        """Made-up scores of the test split."""
        return _scores(self.setup.data.test, self.seed + 1)


def _fit(replicates: Sequence[NoopReplicate], ended: Mapping[int, Any] | None = None) -> Iterator[Round]:
    started = time.perf_counter()
    for replicate in replicates:
        replicate.train()
    yield Round(
        epoch=0,
        records={r.seed: r.records[-1] for r in replicates},
        ensemble=ensemble_record(replicates[0].setup.arrays),
        ended=tuple(r.seed for r in replicates),
        seconds=time.perf_counter() - started,
    )


def _setup(config: TrialConfig, device: torch.device, *where: Any, **how: Any) -> _Setup:
    splits = {name: _split(size) for name, size in (("val", VALIDATION), ("test", TEST))}
    prepared = PreparedSplits(
        pool=splits["val"],
        validation=splits["val"],
        test=splits["test"],
        mean=(0.5,),
        std=(0.5,),
        sha256="0" * 64,
        strata=Strata(np.zeros((0, 0), np.uint8), ()),
        sizes=ClassSizes((), (), ()),
        copies=(),
    )
    return _Setup(config, TaskData(config.data, prepared, ()), device, task_arrays(config.data))


def _split(size: int) -> Split:
    targets = torch.from_numpy((np.arange(size) % 3 == 0).astype(np.uint8))
    return Split(Pixels(np.zeros((size, 1, 1, 1), dtype=np.uint8)), targets, np.arange(size), "train")


def _scores(split: Split, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=len(split))
    scores: NDArray[np.float32] = (split.targets.numpy() + noise).astype(np.float32)
    return scores


# What stands for which name of `trainer.trial`.
INSTEAD = {"held_setup": _setup, "Replicate": NoopReplicate, "fit": _fit}
