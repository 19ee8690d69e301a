"""Where examples come from, which roles their classes have, and how they are split."""

from __future__ import annotations

from pydantic import Field, model_validator

from search_spaces.config.base import Frozen
from search_spaces.config.sources import ClassLabel, SourceConfig


class DataConfig(Frozen):
    """A binary task: which classes are negative, which positive (critical), and how the examples are split.

    `validation_per_class` examples of every class are held out of the training pool, the same ones for every
    seed; None takes the data set's own validation split. `test_per_class` likewise for the test split.
    Of the rest a seed draws `train_share` of each negative class, and `negatives // imbalance_ratio`
    positives; without a ratio it draws `train_share` of each positive class too.
    """

    source: SourceConfig
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
