"""What one trial is: a tree of frozen, validated values.

A `TrialConfig` says everything that can change a trial's result, and which replicate seeds are wanted.
Its `trial_id` is a hash of the former alone, so that asking for more replicates is the same trial.

Words: positive = critical = 1; `imbalance_ratio` = majority per minority. Greek letters of the paper
(Sangalli et al., NeurIPS 2021) stand in the docstrings of the fields that carry them.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from search_spaces.config.augmentation import AUGMENTATION_TYPES, AugmentationConfig
from search_spaces.config.base import Frozen
from search_spaces.config.constraint import ConstraintConfig
from search_spaces.config.losses.registered import LOSS_TYPES, LossConfig
from search_spaces.config.models.own import ResNet10
from search_spaces.config.models.registered import MODEL_TYPES, ModelConfig
from search_spaces.config.registry import Registry
from search_spaces.config.sampling import LabelSetSampler, Sampler
from search_spaces.config.sources.registered import SOURCE_TYPES
from search_spaces.config.tasks.registered import DataConfig
from search_spaces.config.training import SCORED_EPOCHS, OptimizerConfig, ScoredBy, Sgd
from search_spaces.limits import MOST_BATCH, MOST_EPOCHS, MOST_REPLICATES, MOST_SEED

# Part of every trial id. Raise it when the same configuration starts to give other numbers; a field that is
# added is no reason (see `search_spaces.config.identity`).
SCHEMA_VERSION = 2

# Of every kind that describes itself, and that plug-ins may bring.
REGISTRIES: tuple[Registry[Any], ...] = (LOSS_TYPES, MODEL_TYPES, SOURCE_TYPES, AUGMENTATION_TYPES)


class TrialConfig(Frozen):
    """One combination of the sweep. See `trial_id` for what makes two trials the same.

    data           the task: which classes, which of them are critical, how examples are split
    model          the network
    loss           the base loss
    constraint     the critical-class constraint, or none
    sampler        "shuffle": every example once an epoch, in random order; the others as many, drawn
                   with replacement: "class_balanced" classes equally often, "square_root" by the root of
                   their examples, "progressive" from their own shares in the first epoch to equal ones in
                   the last (Kang et al., ICLR 2020). Of label sets "shuffle", or a training set that is
                   resampled before
    augmentation   how training images are augmented
    optimizer      how weights are stepped
    epochs         the most epochs that a replicate is trained
    patience       a replicate ends after so many epochs without a better validation value of what steers
    scored         over which epochs a replicate's logits are averaged, on validation and test: the best one
                   by the task's steering metric (the paper), the last one, the last three, or the three
                   best; where there are fewer, over those. `patience` and the penalty's growth do not depend
                   on it
    batch_size     examples per step
    precision      of the networks' arithmetic; weights, statistics and constraint are float32 in any case
    seeds          the replicates, each with its own weights, subset and order; no part of the identity
    """

    data: DataConfig
    model: ModelConfig = ResNet10()
    loss: LossConfig
    constraint: ConstraintConfig | None = None
    sampler: Sampler = "shuffle"
    augmentation: AugmentationConfig = AugmentationConfig()
    optimizer: OptimizerConfig = Sgd()
    epochs: int = Field(default=100, ge=1, le=MOST_EPOCHS)
    patience: int | None = Field(default=30, ge=1)
    scored: ScoredBy = "best_epoch"
    batch_size: int = Field(default=64, ge=2, le=MOST_BATCH)
    precision: Literal["float32", "bf16"] = "float32"
    seeds: tuple[Annotated[int, Field(ge=0, le=MOST_SEED)], ...] = Field(
        default=tuple(range(1, 11)), min_length=1, max_length=MOST_REPLICATES
    )

    @field_validator("seeds")
    @classmethod
    def _seeds_are_unique(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"expected distinct seeds, given {list(seeds)}")
        return seeds

    @model_validator(mode="after")
    def _parts_fit_the_task(self) -> TrialConfig:
        kind = self.data.kind
        if not self.loss.fits(kind):
            fitting = ", ".join(sorted(self.loss.tasks))
            raise ValueError(f"loss: expected one for {kind} tasks, given {self.loss.name} (for {fitting})")
        if self.constraint is not None and self.constraint.comparison not in self.data.comparisons:
            known = " or ".join(self.data.comparisons)
            raise ValueError(f"constraint.comparison: expected {known}, given {self.constraint.comparison}")
        of_sets = isinstance(self.sampler, LabelSetSampler)
        if self.sampler != "shuffle" and of_sets != self.data.has_label_sets:
            whose = "label sets" if of_sets else "classes"
            raise ValueError(f"sampler: expected one for {kind} tasks, given one of {whose}")
        return self

    @model_validator(mode="after")
    def _what_reads_validation_has_some(self) -> TrialConfig:
        if self.data.validates:
            return self
        without = "data.validation_per_class is 0: expected"
        if self.scored not in ("last", "mean_of_last_3"):
            raise ValueError(f"{without} scored last or mean_of_last_3, given {self.scored}")
        if self.patience is not None:
            raise ValueError(f"{without} no patience, given {self.patience}")
        if self.constraint is not None:
            raise ValueError(f"{without} no constraint, whose penalty follows validation, given one")
        return self

    @model_validator(mode="after")
    def _mixed_images_have_two_labels(self) -> TrialConfig:
        mixing = self.augmentation.mixing
        if mixing is None:
            return self
        if self.constraint is not None:
            raise ValueError(f"augmentation: expected no {mixing.name} beside a constraint, given both")
        if not self.loss.takes_mixed:
            raise ValueError(
                f"augmentation: expected no {mixing.name} beside loss {self.loss.name}, given both"
            )
        return self

    @property
    def scored_epochs(self) -> int:
        """The most epochs that a replicate is scored by: so many sets of weights are held and kept."""
        return min(SCORED_EPOCHS[self.scored], self.epochs)

    @property
    def corrects_twice(self) -> bool:
        """Whether both the sampler and the loss make up for rare classes: a double correction."""
        return self.loss.corrects_counts and self.sampler != "shuffle"

    def identity(self) -> str:
        """Canonical JSON of every field that can change a replicate's result, plus the schema number.

        Fields that were added after schema 2 stand in it only where they differ from their default.
        """
        fields = self.model_dump(mode="json", exclude={"seeds"})
        return json.dumps({"schema": SCHEMA_VERSION, **fields}, sort_keys=True, separators=(",", ":"))

    @property
    def trial_id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of `identity()`: no seed, no path, no host."""
        return hashlib.sha256(self.identity().encode()).hexdigest()[:16]
