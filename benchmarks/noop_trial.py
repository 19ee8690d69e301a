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

from search_spaces.config import TrialConfig
from sweeps.driver.worker import train_trial
from trainer.data.prepared import Split
from trainer.data.task import BinaryTask
from trainer.fit import Round
from trainer.replicate import CURVES
from trainer.scored import ScoredEpochs

VALIDATION, TEST = 60, 120
ENSEMBLE = ("auroc", "fpr_at_tpr_98", "fpr_at_tpr_95", "fpr_at_tpr_90")


def noop_trial(params: dict[str, Any], **rest: Any) -> None:
    """`sweeps.driver.worker.train_trial`, in this process from now on without data, network and training."""
    import trainer.trial

    for name, instead in {"trial_setup": _setup, "Replicate": NoopReplicate, "fit": _fit}.items():
        setattr(trainer.trial, name, instead)
    train_trial(params, **rest)


def epoch_record(seed: int) -> dict[str, float]:
    """One epoch's record, with the names of a real one."""
    names = [
        "train/loss",
        "train/violation",
        "train/penalty",
        "train/multiplier_mean",
        "train/multiplier_max",
    ]
    names += ["val/loss", *(f"val/{name}" for name in CURVES)]
    values = np.random.default_rng(seed).random(len(names)).tolist()
    return {"epoch": 0, "learning_rate": 0.01, **dict(zip(names, values, strict=True)), "seconds": 0.0}


def ensemble_record() -> dict[str, float]:
    """The ensemble's share of a record."""
    return {f"ensemble/val/{name}": 0.75 for name in ENSEMBLE}


@dataclass
class _Setup:
    config: TrialConfig
    task: BinaryTask
    device: torch.device


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
    negatives: int = 100
    positives: int = 10

    def train(self) -> None:
        """End at once, with made-up numbers."""
        self.epoch, self.state = 1, "completed"
        self.records.append({**epoch_record(self.seed), **ensemble_record()})
        scores = _scores(self.setup.task.validation, self.seed)
        self.scored.offer(0, 0.75, 0.5, {"weight": torch.zeros(8)}, scores)

    def close(self) -> None:
        """Nothing to free."""

    def test_scores(self) -> NDArray[np.float32]:
        """Made-up scores of the test split."""
        return _scores(self.setup.task.test, self.seed + 1)


def _fit(replicates: Sequence[NoopReplicate], ended: Mapping[int, Any] | None = None) -> Iterator[Round]:
    started = time.perf_counter()
    for replicate in replicates:
        replicate.train()
    yield Round(
        epoch=0,
        records={r.seed: r.records[-1] for r in replicates},
        ensemble=ensemble_record(),
        ended=tuple(r.seed for r in replicates),
        seconds=time.perf_counter() - started,
    )


def _setup(config: TrialConfig, device: torch.device, *where: Any, **how: Any) -> _Setup:
    splits = {name: _split(size) for name, size in (("val", VALIDATION), ("test", TEST))}
    task = BinaryTask(
        pool=splits["val"],
        validation=splits["val"],
        test=splits["test"],
        channels=1,
        mean=(0.5,),
        std=(0.5,),
        sha256="0" * 64,
        removed_from_pool=0,
        removed_from_validation=0,
        members=(),
        counts=(),
    )
    return _Setup(config, task, device)


def _split(size: int) -> Split:
    targets = torch.from_numpy((np.arange(size) % 3 == 0).astype(np.uint8))
    return Split(torch.zeros((size, 1, 1, 1), dtype=torch.uint8), targets, np.arange(size), "train")


def _scores(split: Split, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=len(split))
    scores: NDArray[np.float32] = (split.targets.numpy() + noise).astype(np.float32)
    return scores
