"""One replicate: a seed's model, optimiser, multipliers and penalty, trained one epoch at a time.

Replicates of a trial share its data and nothing else: every random number comes from
`seed_for(seed, purpose)`, with the epoch in the purpose, so a replicate's numbers depend neither on its
companions nor on an interruption.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search_spaces.config import OptimizerConfig, TrialConfig
from trainer import constraint, losses, metrics
from trainer.augmentation import Augmenter
from trainer.capture import Captured, Lane, capture_wanted
from trainer.data import BinaryTask
from trainer.models import build_model
from trainer.precision import autocast
from trainer.sampler import epoch_order
from trainer.seeds import seed_for
from trainer.training_step import TrainingStep

EVALUATION_BATCH = 512
CURVES = ("auroc", "fpr_at_tpr_98", "fpr_at_tpr_95", "fpr_at_tpr_90", "average_precision")


class TrialSetup:
    """What all replicates of a trial share: the data on the device, its augmentation, and the base loss.

    `capture`: whether steps are captured as CUDA graphs; None for yes on CUDA (see `trainer.capture`).
    """

    def __init__(
        self, config: TrialConfig, task: BinaryTask, device: torch.device, *, capture: bool | None = None
    ) -> None:
        self.config = config
        self.task = task
        self.device = device
        self.capture = capture_wanted(device) if capture is None else capture
        self.targets = task.pool.targets.to(device, torch.float32)
        self.augmenter = Augmenter(
            task.pool.pixels.to(device),
            config.augmentation,
            task.mean,
            task.std,
            memory_format=torch.channels_last,
        )
        self.validation_images = self.augmenter.eval_batch(task.validation.pixels.to(device))
        self.validation_targets = task.validation.targets.to(device, torch.float32)
        self.validation_labels = task.validation.targets.cpu().numpy()

    def generator(self, seed: int, purpose: str) -> torch.Generator:
        """A CPU generator for one purpose of one replicate; CPU and GPU runs draw the same numbers."""
        return torch.Generator().manual_seed(seed_for(seed, purpose))


@dataclass
class Best:
    """State at the best validation epoch so far (AUROC; ties: the lower validation loss)."""

    epoch: int
    auroc: float
    loss: float
    weights: dict[str, Tensor]
    validation_scores: NDArray[np.float32]


@dataclass
class Replicate:
    """One seed of a trial. `state`: "running", "completed" or "diverged"; `records`: a row per epoch.

    `batch_sizes` are those of the epoch under way.
    """

    setup: TrialSetup
    seed: int
    epoch: int = 0
    state: str = "running"
    reason: str | None = None
    best: Best | None = None
    best_epoch: int = -1  # last epoch with a strictly better AUROC: patience counts from here
    records: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    batch_sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, task, device = self.setup.config, self.setup.task, self.setup.device
        self.train_indices = task.train_indices(self.seed)
        drawn = task.pool.targets[self.train_indices]
        self.positives = int(drawn.sum())
        self.negatives = len(drawn) - self.positives
        self.loss = losses.make_loss(
            config.loss,
            negatives=self.negatives,
            positives=self.positives,
            imbalance_ratio=config.data.imbalance_ratio or self.negatives / self.positives,
        )
        self.model = build_replicate_model(config, task, self.setup.generator(self.seed, "weights"))
        self.model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.multipliers = constraint.initial_multipliers(len(task.pool.targets), device)
        self.penalty = None if config.constraint is None else constraint.PenaltySchedule(config.constraint)
        self.lane = Lane(device, capture=self.setup.capture)
        self.step = TrainingStep(
            config,
            self.model,
            self.loss,
            self.setup.augmenter,
            self.setup.targets,
            self.multipliers,
            self.lane,
            capacity=len(self.train_indices),
        )
        self._positive_indices = self.train_indices[drawn > 0].to(device)
        self._validate = Captured(self._fill_validation_logits, self.lane)
        self._validation_logits = torch.zeros(
            (len(task.validation.targets), losses.output_count(config.loss)), device=device
        )

    def train_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and decide whether the replicate goes on. Returns the epoch's record."""
        return train_epoch([self])[0]

    def begin_epoch(self) -> None:
        """Draw the epoch's order and augmentation, and bring them to the device."""
        config, setup = self.setup.config, self.setup
        order = epoch_order(
            config.sampler,
            self.train_indices,
            setup.task.pool.targets,
            setup.generator(self.seed, f"order/{self.epoch}"),
        )
        draws = setup.augmenter.draw(len(order), setup.generator(self.seed, f"augmentation/{self.epoch}"))
        kept, self.batch_sizes = self._batches(setup.task.pool.targets[order].bool())
        if len(kept) < len(order):
            order, draws = order[kept], draws[kept.to(setup.device)]
        self._positives = int(setup.task.pool.targets[order].sum())
        self._next_batch = 0
        self.lane.follow_default()
        with self.lane.entered():
            self.step.begin(
                order,
                draws,
                learning_rate=_learning_rate(config.optimizer, self.epoch, config.epochs),
                penalty=self.mu,
            )
            self.model.train()

    def _batches(self, labels: Tensor) -> tuple[Tensor, list[int]]:
        """Which positions of the epoch's order are trained on, and the size of each batch of them.

        Batch norm has no statistics of one example, and MBAUC has no step without a pair.
        """
        needs_pairs = losses.needs_pairs(self.setup.config.loss)
        kept, sizes = [], []
        for part in torch.arange(len(labels)).split(self.setup.config.batch_size):
            positives = int(labels[part].sum()) if needs_pairs else 0
            if len(part) > 1 and (not needs_pairs or 0 < positives < len(part)):
                kept.append(part)
                sizes.append(len(part))
        return torch.cat(kept) if kept else torch.zeros(0, dtype=torch.int64), sizes

    def train_batch(self) -> bool:
        """Queue the training on the epoch's next batch; False when there was none left."""
        if self._next_batch >= len(self.batch_sizes):
            return False
        limits = self.setup.config.constraint
        constrained = limits is not None and self.epoch >= limits.introduce_at
        with self.lane.entered():
            self.step.run(self.batch_sizes[self._next_batch], constrained=constrained)
        self._next_batch += 1
        return True

    def train_batches(self, most: int) -> int:
        """Train on at most so many batches of the epoch without ending it; returns how many. For probes."""
        self.begin_epoch()
        trained = sum(1 for _ in range(most) if self.train_batch())
        self.lane.wait()
        return trained

    def begin_validation(self) -> None:
        """Queue the scoring of the validation split with the current weights."""
        self.model.eval()
        with self.lane.entered():
            self._validate()

    def end_epoch(self) -> dict[str, float]:
        """Wait for the epoch's numbers, judge them, and append their record, which is returned."""
        with self.lane.entered():
            record = self._read_record()
            self._judge(record)
        self.lane.wait()
        self.records.append(record)
        self.epoch += 1
        if self.state == "running" and self.epoch >= self.setup.config.epochs:
            self.state = "completed"
        return record

    def _read_record(self) -> dict[str, float]:
        """The epoch's record; the one place where the host waits for the device."""
        config = self.setup.config
        own, batches = self.multipliers[self._positive_indices], max(len(self.batch_sizes), 1)
        validation_loss = self.loss(self._validation_logits, self.setup.validation_targets)
        sums = self.step.sums
        loss, violation, mean, most, val_loss = torch.stack(
            [sums.loss, sums.violation, own.mean(), own.max(), validation_loss]
        ).tolist()
        self._last_scores = losses.score(self._validation_logits).cpu().numpy().copy()
        summary = metrics.summarize(self.setup.validation_labels, self._last_scores)
        return {
            "epoch": self.epoch,
            "learning_rate": _learning_rate(config.optimizer, self.epoch, config.epochs),
            "train/loss": loss / batches,
            "train/violation": violation / max(self._positives, 1),
            "train/penalty": self.mu,
            "train/multiplier_mean": mean,
            "train/multiplier_max": most,
            "val/loss": val_loss,
            **{f"val/{name}": summary[name] for name in CURVES},
        }

    def _fill_validation_logits(self) -> None:
        batches = self.setup.validation_images.split(EVALUATION_BATCH)
        self._validation_logits.copy_(
            logits_of(self.model, batches, self.setup.config.precision).view_as(self._validation_logits)
        )

    @property
    def mu(self) -> float:
        """The constraint's penalty now; 0 without a constraint."""
        return 0.0 if self.penalty is None else self.penalty.penalty

    def _judge(self, record: dict[str, float]) -> None:
        """Diverged, better than before, or out of patience; then the penalty's growth."""
        auroc, loss = record["val/auroc"], record["val/loss"]
        if not all(math.isfinite(record[k]) for k in ("train/loss", "val/loss", "train/violation")):
            self.state = "diverged"
            losses_seen = f"train {record['train/loss']}, validation {loss}"
            self.reason = f"the loss is not finite in epoch {self.epoch}: {losses_seen}"
            return
        best = self.best
        if best is None or auroc > best.auroc or (auroc == best.auroc and loss < best.loss):
            if best is None or auroc > best.auroc:
                self.best_epoch = self.epoch
            weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            self.best = Best(self.epoch, auroc, loss, weights, self._last_scores)
        if self.penalty is not None:
            self.penalty.update(self.epoch, auroc)
        patience = self.setup.config.patience
        if patience is not None and self.epoch - self.best_epoch >= patience:
            self.state = "completed"
            self.reason = f"no better validation AUROC for {patience} epochs"

    def test_scores(self) -> NDArray[np.float32]:
        """Scores [N] of the test split at the best epoch. Call once, when the replicate has ended."""
        if self.best is None:
            raise ValueError("a replicate without a validated epoch has no best weights to score with")
        self.model.load_state_dict(self.best.weights)
        test = self.setup.task.test.pixels.to(self.setup.device)
        parts = (self.setup.augmenter.eval_batch(part) for part in test.split(EVALUATION_BATCH))
        return losses.score(logits_of(self.model, parts, self.setup.config.precision)).cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        """All that the next epoch depends on, as tensors and plain values (loads with `weights_only`)."""
        best = None
        if self.best is not None:
            best = {**vars(self.best), "validation_scores": torch.from_numpy(self.best.validation_scores)}
        return {
            "epoch": self.epoch,
            "state": self.state,
            "reason": self.reason,
            "best": best,
            "best_epoch": self.best_epoch,
            "records": self.records,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "multipliers": self.multipliers,
            "penalty": None if self.penalty is None else self.penalty.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        for name in ("epoch", "state", "reason", "best_epoch", "records", "seconds"):
            setattr(self, name, state[name])
        if (best := state["best"]) is not None:
            self.best = Best(**{**best, "validation_scores": best["validation_scores"].cpu().numpy()})
        self.model.load_state_dict(state["model"])
        self.step.load_optimizer(state["optimizer"])
        self.multipliers.copy_(state["multipliers"])
        if self.penalty is not None:
            self.penalty.load_state_dict(state["penalty"])


def train_epoch(replicates: Sequence[Replicate]) -> list[dict[str, float]]:
    """One epoch of each, batch by batch in turn, so that a GPU works on all of them; returns their records.

    A record's "seconds" is the replicate's equal share of the time.
    """
    started = time.perf_counter()
    for replicate in replicates:
        replicate.begin_epoch()
    under_way = list(replicates)
    while under_way:
        under_way = [replicate for replicate in under_way if replicate.train_batch()]
    for replicate in replicates:
        replicate.begin_validation()
    records = [replicate.end_epoch() for replicate in replicates]
    share = (time.perf_counter() - started) / len(replicates)
    for replicate, record in zip(replicates, records, strict=True):
        record["seconds"] = share
        replicate.seconds += share
    return records


def logits_of(model: nn.Module, batches: Iterable[Tensor], precision: str) -> Tensor:
    """Logits [N, outputs] of batches of prepared images in evaluation mode, float32."""
    model.eval()
    with torch.inference_mode():
        parts = []
        for batch in batches:
            with autocast(precision, batch.device):
                parts.append(model(batch).float())
        return torch.cat(parts)


def build_replicate_model(config: TrialConfig, task: BinaryTask, generator: torch.Generator) -> nn.Module:
    """The network that a trial's loss and data ask for, its weights drawn from `generator`."""
    return build_model(
        config.model,
        channels=task.channels,
        outputs=losses.output_count(config.loss),
        image_size=task.pool.pixels.shape[-1],
        generator=generator,
        cosine_head=config.loss.name == "ldam",
    )


def _learning_rate(config: OptimizerConfig, epoch: int, epochs: int) -> float:
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    return config.learning_rate
