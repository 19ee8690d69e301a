"""Two classes of examples, of which one is critical. Words: positive = critical = 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from search_spaces.config.classes import ClassLabel
from search_spaces.config.identity import ADDED_LATER, NOT_IDENTITY
from search_spaces.config.metrics import (
    Metric,
    Targets,
    auroc,
    balanced_accuracy,
    calibration_error,
    fpr_at_tpr,
    partial_aucs,
    tpr_at_fpr,
)
from search_spaces.config.sources.named import Digits
from search_spaces.config.sources.registered import SourceConfig
from search_spaces.config.tasks.base import Comparison, Task


class Binary(Task):
    """Which classes are negative, which positive (critical), and how the examples are split.

    source                 where the images come from
    negative               the classes that are not critical, by number or name; `rest`: all others
    positive               the critical classes, likewise
    imbalance_ratio        negatives per positive in training: a seed draws `negatives // imbalance_ratio`
                           positives; without a ratio `train_share` of each positive class
    validation_per_class   so many examples of every class are held out of the training pool, the same ones
                           for every seed; without it the data set's own validation split is taken;
                           with 0 there is no validation, and nothing is selected
    test_per_class         likewise for the test split
    validation_share       in place of `validation_per_class`: this share of the training images of each
                           class; of a source with groups whole groups, as near to it as these allow
    test_share             likewise for the test split
    train_share            share of each negative class, of what is not held out, that a seed draws
    label                  what tables, titles and runs call the data; no part of a trial's identity
    replace_splits         allows validation and test to be drawn where the data set has such splits of its
                           own, which are left out then; no part of a trial's identity
    """

    kind: ClassVar[str] = "binary"
    ratio_key: ClassVar[str] = "imbalance_ratio"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "negative": ("negative", "positive"),
        "positive": ("negative", "positive"),
    }
    arrays: ClassVar[str] = "trainer.tasks.binary:BinaryArrays"
    tensors: ClassVar[str] = "trainer.losses.binary:BinaryTensors"

    source: SourceConfig
    negative: tuple[ClassLabel, ...] = Field(min_length=1)
    positive: tuple[ClassLabel, ...] = Field(min_length=1)
    imbalance_ratio: float | None = Field(default=None, ge=1)
    validation_per_class: int | None = Field(default=None, ge=0)
    test_per_class: int | None = Field(default=None, ge=1)
    train_share: float = Field(default=0.9, gt=0, le=1)
    validation_share: Annotated[float | None, Field(gt=0, lt=1), ADDED_LATER] = None
    test_share: Annotated[float | None, Field(gt=0, lt=1), ADDED_LATER] = None
    label: Annotated[str | None, NOT_IDENTITY] = None
    replace_splits: Annotated[bool, NOT_IDENTITY] = False

    @model_validator(mode="after")
    def _roles_are_disjoint(self) -> Binary:
        if len(set(self.labels)) != len(self.labels):
            given = f"negative={list(self.negative)} positive={list(self.positive)}"
            raise ValueError(f"expected every class in one role and once, given {given}")
        return self

    @classmethod
    def example(cls) -> Self:
        """Eights against ones and twos, 1:5."""
        return cls(
            source=Digits(),
            negative=(1, 2),
            positive=(8,),
            imbalance_ratio=5,
            validation_per_class=20,
            test_per_class=20,
        )

    @property
    def labels(self) -> tuple[ClassLabel, ...]:
        """The negative classes, then the positive ones."""
        return self.negative + self.positive

    def role_words(self) -> str:
        """Positives against negatives: "cat vs dog"."""
        return f"{self.few_names(self.positive)} vs {self.few_names(self.negative)}"

    @property
    def steers(self) -> str:
        """The AUROC."""
        return "auroc"

    def metrics(self, targets: Targets) -> tuple[Metric, ...]:
        """AUROC, the rates of the targets, average precision, balanced accuracy at score 0.

        Tables leave out calibration, and partial areas, which are in their CSV files: those of binary tasks
        are the paper's.
        """
        return (
            auroc(),
            *(fpr_at_tpr(rate) for rate in targets.tpr),
            *(tpr_at_fpr(rate) for rate in targets.fpr),
            Metric("average_precision", "higher", "AP", "average precision", role="curve"),
            balanced_accuracy(2),
            calibration_error(tabled=False),
            *partial_aucs(),
        )

    def columns(self, comparison: Comparison) -> tuple[str, ...]:
        """One: positives against negatives."""
        return ("positive",)

    def whole(self) -> Self:
        """The same roles without a ratio, all examples of each class."""
        return self.model_copy(update={"imbalance_ratio": None, "train_share": 1.0})
