"""One replicate: a seed's model, optimiser, multipliers and penalty, trained one epoch at a time.

Replicates of a trial share its data and nothing else: every random number comes from
`seed_for(seed, purpose)`, with the epoch in the purpose, so a replicate's numbers depend neither on its
companions nor on an interruption.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import TrainingFacts
from search_spaces.sizes import output_count
from trainer.data.sampler import epoch_order, trainable_batches
from trainer.device.capture import Captured, Lane
from trainer.device.compiled import compiled
from trainer.losses import binary as losses
from trainer.losses import constraint
from trainer.losses.build import make_loss
from trainer.metrics import binary as metrics
from trainer.models.scoring import EVALUATION_BATCH, build_replicate_model, logits_of
from trainer.patience import epochs_without_gain
from trainer.scored import ScoredEpochs, mean_scores
from trainer.setup import TrialSetup
from trainer.training_step import TrainingStep, learning_rate

CURVES = ("auroc", "fpr_at_tpr_98", "fpr_at_tpr_95", "fpr_at_tpr_90", "average_precision")


@dataclass
class Replicate:
    """One seed of a trial. `state`: "running", "completed", "diverged" or, set from outside, "pruned".

    `records` holds a row per epoch; `batch_sizes` are those of the epoch under way; `scored` holds the epochs
    that it would be scored by if it ended now.
    """

    setup: TrialSetup
    seed: int
    epoch: int = 0
    state: str = "running"
    reason: str | None = None
    records: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    batch_sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, task, device = self.setup.config, self.setup.task, self.setup.device
        self.train_indices = task.train_indices(self.seed)
        drawn = task.pool.targets[self.train_indices]
        self.positives = int(drawn.sum())
        self.negatives = len(drawn) - self.positives
        ratio = config.data.imbalance_ratio or self.negatives / self.positives
        self.loss = make_loss(config.loss, TrainingFacts((self.negatives, self.positives), ratio))
        self.model = build_replicate_model(config, task, self.setup.generator(self.seed, "weights"))
        self.model.to(device).to(memory_format=self.setup.memory_format)  # type: ignore[call-overload]
        self.multipliers = constraint.initial_multipliers(len(task.pool.targets), device)
        self.penalty = None if config.constraint is None else constraint.PenaltySchedule(config.constraint)
        self.scored = ScoredEpochs(config.scored)
        self.lane = Lane(device, capture=self.setup.capture)
        self.step = TrainingStep(
            config,
            self.model,
            compiled(self.model, config, task.pool.pixels.shape[1:], device)
            if self.setup.options.compile
            else self.model,
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
            (len(task.validation.targets), output_count(config)), device=device
        )

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
        kept, self.batch_sizes = trainable_batches(
            setup.task.pool.targets[order].bool(),
            config.batch_size,
            needs_pairs=config.loss.needs_pairs,
        )
        if len(kept) < len(order):
            order, draws = order[kept], draws[kept]
        self._positives = int(setup.task.pool.targets[order].sum())
        self._next_batch = 0
        self.lane.follow_default()
        with self.lane.entered():
            self.step.begin(
                order,
                draws,
                learning_rate=learning_rate(config.optimizer, self.epoch, config.epochs),
                penalty=self.current_penalty,
            )

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

    def close(self) -> None:
        """Let go of captured graphs, once nothing is left to train; scores and state can still be read.

        They and the replicate hold each other, so nothing but the garbage collector would find them: at any
        moment, and the moment of another capture would break that one.
        """
        with suppress(RuntimeError):  # a broken device must not hide the error that came before
            self.lane.wait()
        self.step.forget_captures()
        self._validate = Captured(_nothing, self.lane)
        self.lane.close()

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
            "learning_rate": learning_rate(config.optimizer, self.epoch, config.epochs),
            "train/loss": loss / batches,
            "train/violation": violation / max(self._positives, 1),
            "train/penalty": self.current_penalty,
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
    def current_penalty(self) -> float:
        """The constraint's penalty (mu) now; 0 without a constraint."""
        return 0.0 if self.penalty is None else self.penalty.penalty

    def _judge(self, record: dict[str, float]) -> None:
        """Diverged, to be scored by, or out of patience; and the penalty's growth."""
        auroc, loss = record["val/auroc"], record["val/loss"]
        if not all(math.isfinite(record[k]) for k in ("train/loss", "val/loss", "train/violation")):
            self.state = "diverged"
            losses_seen = f"train {record['train/loss']}, validation {loss}"
            self.reason = f"the loss is not finite in epoch {self.epoch}: {losses_seen}"
            return
        self.scored.offer(self.epoch, auroc, loss, self.model.state_dict(), self._last_scores)
        if self.penalty is not None:
            self.penalty.update(self.epoch, auroc)
        patience = self.setup.config.patience
        aurocs = [*(earlier["val/auroc"] for earlier in self.records), auroc]
        if patience is not None and epochs_without_gain(aurocs) >= patience:
            self.state = "completed"
            self.reason = f"no better validation AUROC for {patience} epochs"

    def test_scores(self) -> NDArray[np.float32]:
        """Mean scores [N] of the test split over the scored epochs. Call once, when the replicate has ended.

        Raises ValueError for a replicate without a validated epoch.
        """
        test = self.setup.task.test.pixels.to(self.setup.device)
        scores = []
        for one in self.scored.held:
            self.model.load_state_dict(one.weights)
            parts = (self.setup.augmenter.eval_batch(part) for part in test.split(EVALUATION_BATCH))
            logits = logits_of(self.model, parts, self.setup.config.precision)
            scores.append(losses.score(logits).cpu().numpy())
        return mean_scores(scores)

    def state_dict(self) -> dict[str, Any]:
        """All that the next epoch depends on, as tensors and plain values (loads with `weights_only`)."""
        return {
            "epoch": self.epoch,
            "state": self.state,
            "reason": self.reason,
            "scored": self.scored.state_dict(),
            "records": self.records,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "multipliers": self.multipliers,
            "penalty": None if self.penalty is None else self.penalty.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        for name in ("epoch", "state", "reason", "records", "seconds"):
            setattr(self, name, state[name])
        self.scored.load_state_dict(state["scored"])
        self.model.load_state_dict(state["model"])
        self.step.load_optimizer(state["optimizer"])
        self.multipliers.copy_(state["multipliers"])
        if self.penalty is not None:
            self.penalty.load_state_dict(state["penalty"])


def _nothing() -> None:
    raise ValueError("a closed replicate cannot be validated")
