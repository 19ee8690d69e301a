"""What one trial is: a tree of frozen, validated values.

A `TrialConfig` says everything that can change a trial's result, and which replicate seeds are wanted.
Its `trial_id` is a hash of the former alone, so that asking for more replicates is the same trial.

Words: positive = critical = 1; `imbalance_ratio` = majority per minority. Greek letters of the paper
(Sangalli et al., NeurIPS 2021) stand in the docstrings of the fields that carry them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from search_spaces.base import Frozen
from search_spaces.identity import canonical
from search_spaces.losses import LossConfig

# Part of every trial id. Raise it when the same configuration starts to give other numbers; a field that is
# added is no reason (see `search_spaces.identity`).
SCHEMA_VERSION = 2

# `abs` turns -0.0 into 0.0, so that equal configurations have equal ids.
NonNegative = Annotated[float, Field(ge=0), AfterValidator(abs)]
ClassLabel = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]


class Cifar10(Frozen):
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, classes 0 to 9."""

    name: Literal["cifar10"] = "cifar10"


class Cifar100(Frozen):
    """CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, fine classes 0 to 99."""

    name: Literal["cifar100"] = "cifar100"


class Digits(Frozen):
    """scikit-learn's digits: 1,797 grey images, 8 x 8, classes 0 to 9. Embedded, needs no file."""

    name: Literal["digits"] = "digits"


class MedMnist(Frozen):
    """A MedMNIST v2 `.npz` file (Yang et al. 2023), for example `breastmnist`; the file is `<subset>.npz`."""

    name: Literal["medmnist"] = "medmnist"
    subset: str = Field(pattern=r"^[a-z0-9_]+$")


class ImageFolder(Frozen):
    """A folder per class below `<data dir>/<folder>` (or below its `train/`, `val/`, `test/`).

    Images are resized to `size` x `size`; `channels` is 1 (grey) or 3 (colour).
    """

    name: Literal["folder"] = "folder"
    folder: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    size: int = Field(default=32, ge=4, le=1024)
    channels: Literal[1, 3] = 3


Source = Annotated[Cifar10 | Cifar100 | Digits | MedMnist | ImageFolder, Field(discriminator="name")]


class DataConfig(Frozen):
    """A binary task: which classes are negative, which positive (critical), and how the examples are split.

    `validation_per_class` examples of every class are held out of the training pool, the same ones for every
    seed; None takes the data set's own validation split. `test_per_class` likewise for the test split.
    Of the rest a seed draws `train_share` of each negative class, and `negatives // imbalance_ratio`
    positives; without a ratio it draws `train_share` of each positive class too.
    """

    source: Source
    negative: tuple[ClassLabel, ...] = Field(min_length=1)
    positive: tuple[ClassLabel, ...] = Field(min_length=1)
    imbalance_ratio: float | None = Field(default=None, ge=1)
    validation_per_class: int | None = Field(default=None, ge=1)
    test_per_class: int | None = Field(default=None, ge=1)
    train_share: float = Field(default=0.9, gt=0, le=1)

    @model_validator(mode="after")
    def _roles_are_disjoint(self) -> DataConfig:
        roles = self.negative + self.positive
        if len(set(roles)) != len(roles):
            given = f"negative={list(self.negative)} positive={list(self.positive)}"
            raise ValueError(f"expected every class in one role and once, given {given}")
        return self


Initialization = Literal["torch", "he_fan_out"]


class ResNet10(Frozen):
    """ResNet with basic blocks [1, 1, 1, 1] and `width`-2w-4w-8w channels; 3 x 3 stem, no max-pool.

    `initialization` says how the convolutions' first weights are drawn. "torch": torch's default, uniform
    with a = sqrt 5, variance 1 / (3 fan-in), which the paper's released code leaves as it is. "he_fan_out":
    normal with variance 2 / fan-out (He et al., ICCV 2015).

    It sets the effective learning rate: batch norm hides the weights' scale from the forward pass, but a
    step's effect goes with 1 / |w|^2. Under "he_fan_out" the rate is in effect 6 times smaller at first, 3
    times where a convolution doubles the channels, in all but the stem. CIFAR-100 1:100, BCE, width 16, 30
    epochs, seeds 1 to 3: test AUROC 0.720, 0.625 and 0.747, against 0.791, 0.683 and 0.794 with "torch"
    (docs/initial-weights.md).
    """

    name: Literal["resnet10"] = "resnet10"
    width: int = Field(default=64, ge=1, le=1024)
    initialization: Initialization = "torch"


class SmallCnn(Frozen):
    """Two 3 x 3 convolution blocks of `width` and 2 x `width` channels and a linear output.

    `initialization` is that of `ResNet10`, and has the same effect.
    """

    name: Literal["small_cnn"] = "small_cnn"
    width: int = Field(default=16, ge=1, le=1024)
    initialization: Initialization = "torch"


ModelConfig = Annotated[ResNet10 | SmallCnn, Field(discriminator="name")]


class ConstraintConfig(Frozen):
    """The critical-class constraint, solved with an augmented Lagrangian (paper, section 3).

    penalty            initial mu, the weight of the squared violation
    growth             rho, the factor by which the penalty is raised
    margin             delta, by how much a positive's score should exceed each negative's
    introduce_at       first epoch (from 0) in which the constraint is active
    growth_rule        "no_improvement": raise when validation AUROC did not improve over the previous epoch
                       (the paper); "released_code": raise once at epoch `introduce_at + 2`
                       without comparing, and after that epoch when it fell by more than 0.05
    max_growth_steps   how often the penalty may be raised; None is the paper's 5 for mu < 1e-3, else 3
    """

    penalty: float = Field(gt=0)
    growth: float = Field(default=2.0, ge=1)
    margin: NonNegative = 0.25
    introduce_at: int = Field(default=0, ge=0)
    growth_rule: Literal["no_improvement", "released_code"] = "no_improvement"
    max_growth_steps: int | None = Field(default=None, ge=0)

    @property
    def growth_step_limit(self) -> int:
        """How often the penalty may be raised (reference: mu_0 * rho^5 if mu_0 < 1e-3, else mu_0 * rho^3)."""
        if self.max_growth_steps is not None:
            return self.max_growth_steps
        return 5 if self.penalty < 1e-3 else 3


class AugmentationConfig(Frozen):
    """Random crop after zero-padding by `crop_padding` pixels, then a flip with this probability."""

    crop_padding: int = Field(default=4, ge=0, le=64)
    horizontal_flip: NonNegative = Field(default=0.5, le=1)


class Sgd(Frozen):
    """Stochastic gradient descent with momentum and L2 weight decay."""

    name: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=0.01, gt=0)
    momentum: NonNegative = Field(default=0.9, lt=1)
    weight_decay: NonNegative = 2e-4
    schedule: Literal["constant", "cosine"] = "constant"


class Adam(Frozen):
    """Adam (Kingma and Ba 2015) with torch's default betas."""

    name: Literal["adam"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "cosine"] = "constant"


OptimizerConfig = Annotated[Sgd | Adam, Field(discriminator="name")]


# By which epochs a replicate is scored, and how many sets of weights that holds (see `trainer.scored`).
ScoredBy = Literal["best_epoch", "last", "mean_of_last_3", "mean_of_best_3"]
SCORED_EPOCHS: Mapping[ScoredBy, int] = {
    "best_epoch": 1,
    "last": 1,
    "mean_of_last_3": 3,
    "mean_of_best_3": 3,
}


class TrialConfig(Frozen):
    """One combination of the sweep. See `trial_id` for what makes two trials the same.

    scored   over which epochs a replicate's logits are averaged, on validation and test: the best one by
             validation AUROC (the paper), the last one, the last three, or the three best; where there are
             fewer, over those. `patience` and the penalty's growth do not depend on it.
    """

    data: DataConfig
    model: ModelConfig = ResNet10()
    loss: LossConfig
    constraint: ConstraintConfig | None = None
    sampler: Literal["shuffle", "class_balanced"] = "shuffle"
    augmentation: AugmentationConfig = AugmentationConfig()
    optimizer: OptimizerConfig = Sgd()
    epochs: int = Field(default=100, ge=1)
    patience: int | None = Field(default=30, ge=1)
    scored: ScoredBy = "best_epoch"
    batch_size: int = Field(default=64, ge=2)
    precision: Literal["float32", "bf16"] = "float32"
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=tuple(range(1, 11)), min_length=1)

    @field_validator("seeds")
    @classmethod
    def _seeds_are_unique(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"expected distinct seeds, given {list(seeds)}")
        return seeds

    @property
    def scored_epochs(self) -> int:
        """The most epochs that a replicate is scored by: so many sets of weights are held and kept."""
        return min(SCORED_EPOCHS[self.scored], self.epochs)

    def identity(self) -> str:
        """Canonical JSON of every field that can change a replicate's result, plus the schema number.

        Fields that were added after schema 2 stand in it only where they differ from their default.
        """
        fields = canonical(self)
        del fields["seeds"]
        return json.dumps({"schema": SCHEMA_VERSION, **fields}, sort_keys=True, separators=(",", ":"))

    @property
    def trial_id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of `identity()`: no seed, no path, no host."""
        return hashlib.sha256(self.identity().encode()).hexdigest()[:16]
