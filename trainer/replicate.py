"""One replicate: a seed's model, optimiser and constraint, trained one epoch at a time.

Replicates of a trial share its data and nothing else: every random number comes from
`seed_for(seed, purpose)`, with the epoch in the purpose, so a replicate's numbers depend neither on its
companions nor on an interruption.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.config import TrainingFacts
from search_spaces.sizes import output_count
from trainer.data.resampling import resampled
from trainer.data.sampler import epoch_order, share_holding, trainable_batches
from trainer.device.capture import Captured, Lane
from trainer.device.compiled import compiled
from trainer.losses.build import make_loss
from trainer.losses.constraint import Constraint
from trainer.models.first_weights import take_first_weights
from trainer.models.scoring import build_replicate_model, logits_of
from trainer.patience import epochs_without_gain
from trainer.scored import ScoredEpochs, mean_scores
from trainer.setup import TrialSetup
from trainer.training_step import TrainingStep

# What one epoch left, by name.
EpochRecord: TypeAlias = dict[str, float]
"""
epoch                   from 0
learning_rate           of the epoch's steps
train/loss              mean over batches of the loss with the constraint's term
train/violation         mean over positives of the constraint's violation q; 0 without a constraint
train/penalty           mu at the epoch's end; 0 without a constraint
train/multiplier_mean   mean over positives of the multipliers lambda
train/multiplier_max    the largest of them
train/critical_batches  share of the epoch's batches that hold a critical example; with a constraint alone
val/loss                the loss on the validation split
val/<metric>            the task's metrics there, but for those that are told at the end alone
seconds                 this replicate's equal share of the time that its trial took for the epoch
ensemble/val/<metric>   the headline metrics of the mean over the trial's replicates, each by what it would be
                        scored by if it ended now
"""


@dataclass
class Replicate:
    """One seed of a trial. `state`: "running", "completed", "diverged" or, set from outside, "pruned".

    `records` holds a row per epoch; `batch_sizes` are those of the epoch under way; `scored` holds the epochs
    that it would be scored by if it ended now; `validation_outputs` are the last epoch's.
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
        setup, device = self.setup, self.setup.device
        config, data = setup.config, setup.data
        self.train_indices = data.train_indices(self.seed)
        self.sampled = resampled(config.sampler, self.train_indices, data.pool.targets, self.seed)
        drawn = data.pool.targets[self.train_indices]
        self.counts = setup.arrays.count_facts(drawn.numpy())
        self.label_pairs = setup.arrays.label_pairs(drawn.numpy())
        target_counts = setup.tensors.target_counts(drawn)
        ratio = config.data.ratio or setup.tensors.ratio_of(target_counts)
        self.loss = make_loss(config.loss, TrainingFacts(target_counts, ratio, len(drawn)), device)
        self.model = build_replicate_model(config, data.image_shape, setup.generator(self.seed, "weights"))
        take_first_weights(self.model, config.model, setup.options.data_dir, download=setup.options.download)
        self.model.to(device).to(memory_format=setup.memory_format)  # type: ignore[call-overload]
        self.constraint = self._make_constraint()
        self.scored = ScoredEpochs(config.scored)
        self.lane = Lane(device, capture=setup.capture)
        network: Callable[[Tensor], Tensor] = self.model
        if setup.options.compile:
            network = compiled(self.model, config, data.image_shape, device)
        self.batches = setup.examples.batches(capacity=len(self.sampled), batch_size=config.batch_size)
        self.step = TrainingStep(
            config, self.model, network, self.loss, self.batches, setup.tensors, self.constraint, self.lane
        )
        self._validate: Callable[[], None] = self._fill_validation_logits
        if not setup.examples.streams:  # what waits for a disk cannot be captured
            self._validate = Captured(self._fill_validation_logits, self.lane)
        self._validation_logits = torch.zeros((len(data.validation), output_count(config)), device=device)
        self.validation_outputs = np.zeros(0, np.float32)
        self._next_batch = 0

    def _make_constraint(self) -> Constraint | None:
        """The constraint, and where its multipliers may rise: (example, column) of the drawn positives."""
        setup = self.setup
        if setup.config.constraint is None:
            return None
        positive = setup.tensors.masks(setup.examples.pool_targets).positive
        # A positive may stand in several columns.
        self._columns_of = positive.sum(dim=1).cpu()
        drawn = self.train_indices.to(positive.device)
        rows, columns = positive[drawn].nonzero(as_tuple=True)
        self._own = drawn[rows], columns
        return Constraint(
            setup.config.constraint,
            examples=len(setup.data.pool),
            columns=len(setup.tensors.column_names),
            device=setup.device,
        )

    def begin_epoch(self) -> None:
        """Draw the epoch's order and augmentation, and bring them to the device."""
        config, setup = self.setup.config, self.setup
        pool_targets = setup.data.pool.targets
        order = epoch_order(
            config.sampler,
            self.sampled,
            pool_targets,
            setup.generator(self.seed, f"order/{self.epoch}"),
            progress=self.epoch / max(config.epochs - 1, 1),
        )
        draws = setup.examples.draw(len(order), setup.generator(self.seed, f"augmentation/{self.epoch}"))
        kept, self.batch_sizes = trainable_batches(
            pool_targets[order].bool(), config.batch_size, needs_pairs=config.loss.needs_pairs
        )
        if len(kept) < len(order):
            order, draws = order[kept], draws[kept]
        if self.constraint is not None:
            columns = self._columns_of[order]
            self._positives = int(columns.sum())
            self._critical_batches = share_holding(columns > 0, self.batch_sizes)
        self._next_batch = 0
        self.lane.follow_default()
        with self.lane.entered():
            self.batches.begin(order, draws)
            self.step.begin(self.epoch)

    def train_batch(self) -> bool:
        """Queue the training on the epoch's next batch; False when there was none left."""
        if self._next_batch >= len(self.batch_sizes):
            return False
        constrained = self.constraint is not None and self.constraint.active(self.epoch)
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
        self.batches.close()
        self.step.forget_captures()
        self._validate = Captured(_nothing, self.lane)
        self.lane.close()

    def _read_record(self) -> EpochRecord:
        """The epoch's record; the one place where the host waits for the device (see `EpochRecord`)."""
        config, setup = self.setup.config, self.setup
        validation_loss = torch.full((), math.nan, device=setup.device)
        if config.data.validates:
            with torch.no_grad():
                validation_loss = self.loss(self._validation_logits, setup.examples.validation_targets)
        waited_for = torch.stack([self.step.loss_sum, validation_loss, *self._constraint_sums()])
        loss, val_loss, violation, mean, most = waited_for.tolist()
        if self.constraint is not None:
            violation /= max(self._positives, 1)
        outputs = setup.tensors.outputs(self._validation_logits)
        self.validation_outputs = outputs.cpu().numpy().copy()
        summary = setup.arrays.summarize(setup.validation_labels, self.validation_outputs)
        record = {
            "epoch": self.epoch,
            "learning_rate": config.optimizer.rate(self.epoch, config.epochs),
            "train/loss": loss / max(len(self.batch_sizes), 1),
            "train/violation": violation,
            "train/penalty": 0.0 if self.constraint is None else self.constraint.penalty,
            "train/multiplier_mean": mean,
            "train/multiplier_max": most,
            "val/loss": val_loss,
        }
        if self.constraint is not None:
            record["train/critical_batches"] = self._critical_batches
        for name in setup.arrays.names("headline", "curve"):
            record[f"val/{name}"] = summary[name]
        return record

    def _constraint_sums(self) -> list[Tensor]:
        """Sum of the epoch's violations, mean and maximum of the positives' multipliers, on the device."""
        if self.constraint is None:
            return [torch.zeros((), device=self.setup.device)] * 3
        own = self.constraint.multipliers[self._own]
        return [self.constraint.violation, own.mean(), own.max()]

    def _fill_validation_logits(self) -> None:
        if not self.setup.config.data.validates:
            return
        logits = logits_of(self.model, self.setup.examples.validation(), self.setup.config.precision)
        self._validation_logits.copy_(logits.view_as(self._validation_logits))

    def _judge(self, record: dict[str, float]) -> None:
        """Diverged, to be scored by, or out of patience; and the penalty's growth."""
        steering = self.setup.config.data.steering_metric
        value, loss = record[f"val/{steering.name}"], record["val/loss"]
        finite = ["train/loss", "train/violation"]
        if self.setup.config.data.validates:
            finite.append("val/loss")
        if not all(math.isfinite(record[name]) for name in finite):
            self.state = "diverged"
            losses_seen = f"train {record['train/loss']}, validation {loss}"
            self.reason = f"the loss is not finite in epoch {self.epoch}: {losses_seen}"
            return
        self.scored.offer(self.epoch, value, loss, self.model.state_dict(), self.validation_outputs)
        if self.constraint is not None:
            raising = self.setup.config.data.raises_penalty
            self.constraint.end_epoch(self.epoch, record[f"val/{raising}"])
        patience = self.setup.config.patience
        values = [*(earlier[f"val/{steering.name}"] for earlier in self.records), value]
        if patience is not None and epochs_without_gain(values) >= patience:
            self.state = "completed"
            self.reason = f"no better validation {steering.words} for {patience} epochs"

    def score_test(self) -> NDArray[np.float32]:
        """Mean outputs of the test split over the scored epochs, [N] or [N, K]; the weights are theirs then.

        Call it once, when the replicate has ended. Raises ValueError for one without a validated epoch.
        """
        setup, found = self.setup, []
        for one in self.scored.held:
            self.model.load_state_dict(one.weights)
            logits = logits_of(self.model, setup.examples.evaluated(setup.data.test), setup.config.precision)
            found.append(setup.tensors.outputs(logits).cpu().numpy())
        return mean_scores(found)

    def state_dict(self) -> dict[str, Any]:
        """All that the next epoch depends on, as tensors and plain values (loads with `weights_only`)."""
        state = {
            "epoch": self.epoch,
            "state": self.state,
            "reason": self.reason,
            "scored": self.scored.state_dict(),
            "records": self.records,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "constraint": None if self.constraint is None else self.constraint.state_dict(),
        }
        learned = self.loss.state_dict()
        if learned:
            state["loss"] = learned
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        for name in ("epoch", "state", "reason", "records", "seconds"):
            setattr(self, name, state[name])
        self.scored.load_state_dict(state["scored"])
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state.get("loss", {}))
        self.step.load_optimizer(state["optimizer"])
        if self.constraint is not None:
            self.constraint.load_state_dict(state["constraint"])


def _nothing() -> None:
    raise ValueError("a closed replicate cannot be validated")
