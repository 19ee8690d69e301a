"""Images with any number of labels, of which some are rare and critical."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from search_spaces.config.classes import ClassLabel
from search_spaces.config.identity import NOT_IDENTITY
from search_spaces.config.metrics import (
    Metric,
    Rate,
    Targets,
    auroc,
    average_precision,
    calibration_error,
    decision_metrics,
    fpr_at_tpr,
    of_labels,
    partial_aucs,
    tpr_at_fpr,
)
from search_spaces.config.sources.mosaics import DigitMosaic
from search_spaces.config.sources.registered import SourceConfig
from search_spaces.config.tasks.base import Comparison, Task

# Of so many labels each has an F1 of its own that is shown everywhere.
MOST_OF_ONE_LABEL = 10


class MultiLabel(Task):
    """Images that may have several labels at once, or none; each label is decided for by itself.

    task               says that there are label sets
    source             where the images come from
    classes            the labels, by number or name; `rest`: those that are not listed. Images with none of
                       them are examples too
    critical           those among them that the constraint has a column for, and metrics of their own
    imbalance_ratio    negatives per positive of each critical label in training, by leaving out images; the
                       validation and test splits are as without
    prevalences        the share of images that each label is to have, in the order of `classes`, none where
                       it is left as it is: images are left out until it has, and as few as possible
    prevalences_in     where: in every split, or in training alone
    validation_share   this share of the training images is held out, the same ones for every seed, so that
                       every label has nearly its share (iterative stratification); of a source with groups
                       whole groups; without it the data set's own validation split is taken
    test_share         likewise for the test split
    train_share        share of what is not held out that a seed draws, of each label set
    label              what tables, titles and runs call the data; no part of a trial's identity
    replace_splits     allows validation and test to be drawn where the data set has such splits of its own,
                       which are left out then; no part of a trial's identity
    """

    kind: ClassVar[str] = "multi_label"
    ratio_key: ClassVar[str] = "imbalance_ratio"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {"classes": ("classes",), "critical": ()}
    has_label_sets: ClassVar[bool] = True
    validation_per_class: ClassVar[None] = None
    test_per_class: ClassVar[None] = None
    arrays: ClassVar[str] = "trainer.tasks.multilabel:MultiLabelArrays"
    tensors: ClassVar[str] = "trainer.losses.multilabel:MultiLabelTensors"

    task: Literal["multi_label"] = "multi_label"
    source: SourceConfig
    classes: tuple[ClassLabel, ...] = Field(min_length=2)
    critical: tuple[ClassLabel, ...] = Field(min_length=1)
    imbalance_ratio: float | None = Field(default=None, gt=0)
    prevalences: tuple[Rate | None, ...] | None = None
    prevalences_in: Literal["every_split", "training"] = "every_split"
    validation_share: float | None = Field(default=None, gt=0, lt=1)
    test_share: float | None = Field(default=None, gt=0, lt=1)
    train_share: float = Field(default=1.0, gt=0, le=1)
    label: Annotated[str | None, NOT_IDENTITY] = None
    replace_splits: Annotated[bool, NOT_IDENTITY] = False

    @field_validator("classes", "critical")
    @classmethod
    def _are_distinct(cls, labels: tuple[ClassLabel, ...]) -> tuple[ClassLabel, ...]:
        # Metrics and columns are named by the text of a label.
        if len({str(label) for label in labels}) != len(labels):
            raise ValueError(f"expected every label once, given {list(labels)}")
        return labels

    @field_validator("source")
    @classmethod
    def _has_label_sets(cls, source: SourceConfig) -> SourceConfig:
        if not source.label_sets:
            raise ValueError(f"expected a source whose images may have several labels, given {source.name}")
        return source

    @model_validator(mode="after")
    def _critical_are_labels(self) -> MultiLabel:
        unknown = [label for label in self.critical if label not in self.classes]
        if unknown:
            raise ValueError(f"expected critical labels among {list(self.classes)}, given {unknown}")
        return self

    @model_validator(mode="after")
    def _every_label_has_one_share(self) -> MultiLabel:
        if self.prevalences is None:
            if self.prevalences_in != "every_split":
                raise ValueError(
                    f"expected prevalences with prevalences_in {self.prevalences_in}, given none"
                )
            return self
        if len(self.prevalences) != len(self.classes):
            raise ValueError(
                f"expected prevalences for each of {len(self.classes)} labels, given {len(self.prevalences)}"
            )
        if self.imbalance_ratio is not None and self.prevalences_in == "training":
            raise ValueError("expected prevalences in training or imbalance_ratio, given both")
        return self

    @classmethod
    def example(cls) -> Self:
        """Which of four digits a mosaic shows, 8 and 9 critical."""
        source = DigitMosaic(
            classes=(0, 1, 8, 9), prevalences=(0.5, 0.4, 0.2, 0.3), train=160, validation=60, test=60
        )
        return cls(source=source, classes=source.classes, critical=(8, 9))

    def reads_targets_of(self, other: Task) -> bool:
        """Only of the same labels, in the same order."""
        return super().reads_targets_of(other) and self.labels == other.labels

    @property
    def labels(self) -> tuple[ClassLabel, ...]:
        """The labels."""
        return self.classes

    def role_words(self) -> str:
        """The critical of all: "8, 9 of 10 labels"."""
        return f"{self.few_names(self.critical)} of {len(self.classes)} labels"

    @property
    def steers(self) -> str:
        """The mean over labels of the average precision."""
        return "mean_average_precision"

    def metrics(self, targets: Targets) -> tuple[Metric, ...]:
        """Over all labels; of each critical one its rates; of each one what decisions at 0.5 come to.

        The F1 of a label that is not critical is no headline metric where there are many labels.
        """
        found = [*of_labels(), *partial_aucs(mean=True)]
        critical = self.columns("one_vs_rest")
        for label in critical:
            found += [fpr_at_tpr(rate, of=label) for rate in targets.tpr]
            found += partial_aucs(of=label)
        for label in map(str, self.classes):
            is_headline = label in critical or len(self.classes) <= MOST_OF_ONE_LABEL
            found += decision_metrics(of=label, role="headline" if is_headline else "summary")
            found += [auroc(of=label, role="summary"), average_precision(of=label)]
            found.append(calibration_error(tabled=False, of=label))
        for label in critical:
            found += [tpr_at_fpr(rate, of=label) for rate in targets.fpr]
        return tuple(found)

    def columns(self, comparison: Comparison) -> tuple[str, ...]:
        """A critical label each."""
        return tuple(str(label) for label in self.critical)

    def kept_shares(self, where: Literal["every_split", "training"]) -> dict[int, float]:
        """The shares of images that labels are to have there, by their positions among the labels."""
        found: dict[int, float] = {}
        if self.prevalences is not None and self.prevalences_in == where:
            for position, share in enumerate(self.prevalences):
                if share is not None:
                    found[position] = share
        if where == "training" and self.imbalance_ratio is not None:
            for label in self.critical:
                found[self.classes.index(label)] = 1 / (1 + self.imbalance_ratio)
        return found

    def whole(self) -> Self:
        """The same labels without what thins training alone, all examples of each."""
        update: dict[str, object] = {"imbalance_ratio": None, "train_share": 1.0}
        if self.prevalences_in == "training":
            update.update(prevalences=None, prevalences_in="every_split")
        return self.model_copy(update=update)
