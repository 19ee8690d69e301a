"""One replicate: a seed's model, optimiser, multipliers and penalty, trained one epoch at a time.

Replicates of a trial share its data and nothing else: every random number comes from
`seed_for(seed, purpose)`, with the epoch in the purpose, so a replicate's numbers depend neither on its
companions nor on an interruption.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search_spaces.config import OptimizerConfig, TrialConfig
from trainer import constraint, losses, metrics
from trainer.augmentation import Augmenter
from trainer.data import BinaryTask
from trainer.models import build_model
from trainer.sampler import epoch_order
from trainer.seeds import seed_for

EVALUATION_BATCH = 512
CURVES = ("auroc", "fpr_at_tpr_98", "fpr_at_tpr_95", "fpr_at_tpr_90", "average_precision")


class TrialSetup:
    """What all replicates of a trial share: the data on the device, its augmentation, and the base loss."""

    def __init__(self, config: TrialConfig, task: BinaryTask, device: torch.device) -> None:
        self.config = config
        self.task = task
        self.device = device
        self.targets = task.pool.targets.to(device, torch.float32)
        self.memory_format = (
            torch.channels_last if _prefers_channels_last(config) else torch.contiguous_format
        )
        self.augmenter = Augmenter(
            task.pool.pixels.to(device),
            config.augmentation,
            task.mean,
            task.std,
            memory_format=self.memory_format,
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
class _EpochSums:
    """Device-side sums over an epoch, read once at its end."""

    loss: Tensor
    violation: Tensor
    positives: int = 0
    batches: int = 0


@dataclass
class Replicate:
    """One seed of a trial. `state`: "running", "completed" or "diverged"; `records`: a row per epoch."""

    setup: TrialSetup
    seed: int
    epoch: int = 0
    state: str = "running"
    reason: str | None = None
    best: Best | None = None
    best_epoch: int = -1  # last epoch with a strictly better AUROC: patience counts from here
    records: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

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
        self.model.to(device).to(memory_format=self.setup.memory_format)  # type: ignore[call-overload]
        self.optimizer = _optimizer(config.optimizer, self.model)
        self.multipliers = torch.zeros(len(task.pool.targets), device=device)
        self.penalty = None if config.constraint is None else constraint.PenaltySchedule(config.constraint)

    def train_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and decide whether the replicate goes on. Returns the epoch's record."""
        started = time.perf_counter()
        record = self._train()
        record.update(self.validate())
        self._judge(record)
        self.seconds += time.perf_counter() - started
        record["seconds"] = time.perf_counter() - started
        self.records.append(record)
        self.epoch += 1
        if self.state == "running" and self.epoch >= self.setup.config.epochs:
            self.state = "completed"
        return record

    def _train(self) -> dict[str, float]:
        optimizer = self.setup.config.optimizer
        rate = _learning_rate(optimizer, self.epoch, self.setup.config.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        zero = torch.zeros((), device=self.setup.device)
        sums = _EpochSums(loss=zero.clone(), violation=zero.clone())
        self.model.train()
        for indices, images, positives in self._batches():
            sums.positives += positives
            self._step(indices, images, sums)
        return self._train_record(sums, rate)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, int]]:
        """The epoch's batches: positions in the pool [B], images [B, C, H, W], number of positives."""
        config, setup = self.setup.config, self.setup
        order = epoch_order(
            config.sampler,
            self.train_indices,
            setup.task.pool.targets,
            setup.generator(self.seed, f"order/{self.epoch}"),
        )
        draws = setup.augmenter.draw(len(order), setup.generator(self.seed, f"augmentation/{self.epoch}"))
        labels = setup.task.pool.targets[order].bool()
        on_device = order.to(setup.device)
        for start in range(0, len(order), config.batch_size):
            batch = slice(start, min(start + config.batch_size, len(order)))
            size, positives = batch.stop - batch.start, int(labels[batch].sum())
            # Batch norm has no statistics of one example, and MBAUC has no step without a pair.
            if size > 1 and (0 < positives < size or not losses.needs_pairs(config.loss)):
                yield on_device[batch], setup.augmenter.train_batch(on_device[batch], draws[batch]), positives

    def train_batches(self, most: int) -> int:
        """Train on at most so many batches of the epoch without ending it; returns how many. For probes."""
        zero = torch.zeros((), device=self.setup.device)
        sums = _EpochSums(loss=zero.clone(), violation=zero.clone())
        self.model.train()
        for indices, images, _ in islice(self._batches(), most):
            self._step(indices, images, sums)
        return sums.batches

    def _step(self, indices: Tensor, images: Tensor, sums: _EpochSums) -> None:
        """One batch: loss F(s, y) plus the augmented term, a gradient step, then lambda <- lambda + mu q."""
        targets = self.setup.targets[indices]
        with autocast(self.setup.config.precision, images.device):
            logits = self.model(images)
        logits = logits.float()
        loss = self.loss(logits, targets)
        limits = self.setup.config.constraint
        active = limits is not None and self.epoch >= limits.introduce_at
        if limits is not None and active:
            violation = constraint.violations(losses.score(logits), targets, limits.margin)
            loss = loss + constraint.augmented_term(violation, self.multipliers[indices], targets, self.mu)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if active:
            constraint.raise_multipliers(self.multipliers, indices, violation, self.mu)
            sums.violation += violation.detach().sum()
        sums.loss += loss.detach()
        sums.batches += 1

    @property
    def mu(self) -> float:
        """The constraint's penalty now; 0 without a constraint."""
        return 0.0 if self.penalty is None else self.penalty.penalty

    def _train_record(self, sums: _EpochSums, rate: float) -> dict[str, float]:
        own = self.multipliers[self.train_indices.to(self.setup.device)]
        own = own[self.setup.targets[self.train_indices.to(self.setup.device)] > 0]
        return {
            "epoch": self.epoch,
            "learning_rate": rate,
            "train/loss": sums.loss.item() / max(sums.batches, 1),
            "train/violation": sums.violation.item() / max(sums.positives, 1),
            "train/penalty": self.mu,
            "train/multiplier_mean": own.mean().item(),
            "train/multiplier_max": own.max().item(),
        }

    def validate(self) -> dict[str, float]:
        """Loss and metrics of the validation split with the current weights."""
        setup = self.setup
        logits = logits_of(
            self.model, setup.validation_images.split(EVALUATION_BATCH), setup.config.precision
        )
        loss = self.loss(logits, setup.validation_targets).item()
        self._last_scores = losses.score(logits).cpu().numpy()
        summary = metrics.summarize(setup.validation_labels, self._last_scores)
        return {"val/loss": loss, **{f"val/{name}": summary[name] for name in CURVES}}

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
            "optimizer": self.optimizer.state_dict(),
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
        self.optimizer.load_state_dict(state["optimizer"])
        self.multipliers = state["multipliers"].to(self.setup.device)
        if self.penalty is not None:
            self.penalty.load_state_dict(state["penalty"])


def logits_of(model: nn.Module, batches: Iterable[Tensor], precision: str) -> Tensor:
    """Logits [N, outputs] of batches of prepared images in evaluation mode, float32."""
    model.eval()
    with torch.inference_mode():
        parts = []
        for batch in batches:
            with autocast(precision, batch.device):
                parts.append(model(batch).float())
        return torch.cat(parts)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bf16 arithmetic where the trial asks for it; weights, statistics and constraint stay float32."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


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


def _optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    if config.name == "adam":
        return torch.optim.Adam(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.SGD(
        model.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )


def _learning_rate(config: OptimizerConfig, epoch: int, epochs: int) -> float:
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    return config.learning_rate


def _prefers_channels_last(config: TrialConfig) -> bool:
    """Channels-last wins for narrow networks and in bf16; not in float32 at width 64 (measured on CPU)."""
    return config.precision == "bf16" or config.model.width <= 32
