"""Several classes, of which some are critical, and the long tail of their examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from search_spaces.config.base import Frozen, number
from search_spaces.config.classes import ClassLabel
from search_spaces.config.identity import ADDED_LATER, NOT_IDENTITY
from search_spaces.config.metrics import (
    Metric,
    Targets,
    accuracy,
    auroc,
    balanced_accuracy,
    calibration_error,
    fpr_at_tpr,
    group_recalls,
    macro_f1,
    partial_aucs,
    recall,
    tpr_at_fpr,
)
from search_spaces.config.sources.named import Digits
from search_spaces.config.sources.registered import SourceConfig
from search_spaces.config.tasks.base import Comparison, Task

# Of so many classes each has metrics of its own that are shown everywhere.
MOST_OF_ONE_CLASS = 10


class Imbalance(Frozen):
    """A long tail: how many of n_max examples each class c of C keeps.

    profile   "exponential": floor(n_max * factor^(-c / (C - 1))) (Cui et al., CVPR 2019, section 5); "step":
              n_max in the first half of the classes, floor(n_max / factor) in the last C // 2; "cui": as
              "exponential", but c and C are those of all the source's classes, asked for or not: a part of
              its long tail, as CIFAR-50's of CIFAR-100's even classes
    factor    examples of the first class per example of the last
    """

    profile: Literal["exponential", "step", "cui"] = "exponential"
    factor: float = Field(ge=1)


class MultiClass(Task):
    """Several classes, of which some are critical, with a long tail or without.

    task                   says that there are several classes
    source                 where the images come from
    classes                the classes, by number or name, the most frequent of a long tail first; `rest`:
                           those that are not listed
    critical               the critical ones among them
    imbalance              a long tail: the first class keeps all examples that a seed draws, the others
                           follow the profile; without it each class keeps its own
    steering               the metric that steers: macro F1, or the mean over critical classes of the
                           one-vs-rest AUROC, which raises the penalty in any case
    validation_per_class   so many examples of every class are held out of the training pool, the same ones
                           for every seed; without it the data set's own validation split is taken;
                           with 0 there is no validation, and nothing is selected
    test_per_class         likewise for the test split
    validation_share       in place of `validation_per_class`: this share of the training images of each
                           class; of a source with groups whole groups, as near to it as these allow
    test_share             likewise for the test split
    train_share            share of each class, of what is not held out, that a seed draws
    label                  what tables, titles and runs call the data; no part of a trial's identity
    replace_splits         allows validation and test to be drawn where the data set has such splits of its
                           own, which are left out then; no part of a trial's identity
    """

    kind: ClassVar[str] = "multiclass"
    ratio_key: ClassVar[str] = "imbalance.factor"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {"classes": ("classes",), "critical": ()}
    comparisons: ClassVar[tuple[Comparison, ...]] = ("one_vs_rest", "pairwise")
    decides_by_highest: ClassVar[bool] = True
    arrays: ClassVar[str] = "trainer.tasks.multiclass:MultiClassArrays"
    tensors: ClassVar[str] = "trainer.losses.multiclass:MultiClassTensors"

    task: Literal["multiclass"] = "multiclass"
    source: SourceConfig
    classes: tuple[ClassLabel, ...] = Field(min_length=2)
    critical: tuple[ClassLabel, ...] = Field(min_length=1)
    imbalance: Imbalance | None = None
    steering: Literal["critical_auroc", "macro_f1"] = "critical_auroc"
    validation_per_class: int | None = Field(default=None, ge=0)
    test_per_class: int | None = Field(default=None, ge=1)
    train_share: float = Field(default=0.9, gt=0, le=1)
    validation_share: Annotated[float | None, Field(gt=0, lt=1), ADDED_LATER] = None
    test_share: Annotated[float | None, Field(gt=0, lt=1), ADDED_LATER] = None
    label: Annotated[str | None, NOT_IDENTITY] = None
    replace_splits: Annotated[bool, NOT_IDENTITY] = False

    @field_validator("classes", "critical")
    @classmethod
    def _are_distinct(cls, labels: tuple[ClassLabel, ...]) -> tuple[ClassLabel, ...]:
        # Metrics and columns are named by the text of a class.
        if len({str(label) for label in labels}) != len(labels):
            raise ValueError(f"expected every class once, given {list(labels)}")
        return labels

    @model_validator(mode="after")
    def _critical_are_classes(self) -> MultiClass:
        unknown = [label for label in self.critical if label not in self.classes]
        if unknown:
            raise ValueError(f"expected critical classes among {list(self.classes)}, given {unknown}")
        return self

    @model_validator(mode="after")
    def _cui_knows_all_classes(self) -> MultiClass:
        if self.imbalance is None or self.imbalance.profile != "cui":
            return self
        every = self.source.classes_told.every
        if not every:
            raise ValueError(
                f"imbalance.profile: expected exponential or step, as {self.source.name} does not tell its "
                "classes beforehand, given cui"
            )
        unknown = [label for label in self.classes if label not in every]
        if unknown:
            raise ValueError(
                f"classes: expected those of {self.source.name} beside profile cui, given {unknown}"
            )
        return self

    @classmethod
    def example(cls) -> Self:
        """Four digits, of which 8 and 9 are critical."""
        classes = (0, 1, 8, 9)
        return cls(
            source=Digits(), classes=classes, critical=(8, 9), validation_per_class=20, test_per_class=20
        )

    def reads_targets_of(self, other: Task) -> bool:
        """Only of the same classes, in the same order: a target is the position of a class."""
        return super().reads_targets_of(other) and self.labels == other.labels

    @property
    def labels(self) -> tuple[ClassLabel, ...]:
        """The classes."""
        return self.classes

    def role_words(self) -> str:
        """The critical of all: "8, 9 of 10 classes"."""
        return f"{self.few_names(self.critical)} of {len(self.classes)} classes"

    @property
    def steers(self) -> str:
        """What `steering` names."""
        return self.steering

    @property
    def raises_penalty(self) -> str:
        """The mean critical AUROC, whatever steers."""
        return "critical_auroc"

    def metrics(self, targets: Targets) -> tuple[Metric, ...]:
        """Of all classes, of groups of them; of each critical one its rates and area; of each one its recall.

        The recall of a class that is not critical is no headline metric where there are many classes.
        """
        words = "mean critical AUROC"
        found = [
            Metric(
                name="critical_auroc",
                better="higher",
                header="Critical AUC",
                words=words,
                role="headline",
                mean_of="auroc",
                trivial=0.5,
            ),
            macro_f1(),
            accuracy(),
            balanced_accuracy(len(self.classes), role="headline"),
            *group_recalls(),
            calibration_error(tabled=True),
            *partial_aucs(mean=True),
        ]
        critical = self.columns("one_vs_rest")
        for label in critical:
            found += [fpr_at_tpr(rate, of=label) for rate in targets.tpr]
        for label in critical:
            found.append(auroc(of=label, role="curve"))
            found += partial_aucs(of=label)
        for label in map(str, self.classes):
            is_headline = label in critical or len(self.classes) <= MOST_OF_ONE_CLASS
            found.append(recall(of=label, role="headline" if is_headline else "summary"))
        for label in critical:
            found += [tpr_at_fpr(rate, of=label) for rate in targets.fpr]
        return tuple(found)

    def columns(self, comparison: Comparison) -> tuple[str, ...]:
        """A critical class each ("8"), or a critical and another one ("8>3")."""
        if comparison == "one_vs_rest":
            return tuple(str(label) for label in self.critical)
        names = []
        for critical in self.critical:
            names += [f"{critical}>{other}" for other in self.classes if other != critical]
        return tuple(names)

    @property
    def ratio(self) -> float | None:
        """The long tail's factor."""
        return None if self.imbalance is None else self.imbalance.factor

    def with_ratio(self, ratio: float | None) -> Self:
        """Of a long tail the ratio is the factor; its profile stays."""
        if ratio is None:
            return self.model_copy(update={"imbalance": None})
        tail = Imbalance(**{**dict(self.imbalance or {}), "factor": ratio})
        return self.model_copy(update={"imbalance": tail})

    def ratio_words(self) -> str:
        """The tail as "exponential 1:10", or "all data"."""
        if self.imbalance is None:
            return "all data"
        return f"{self.imbalance.profile} 1:{number(self.imbalance.factor)}"

    def whole(self) -> Self:
        """The same classes without a long tail, all examples of each, whatever steers."""
        update = {"imbalance": None, "train_share": 1.0, "steering": "critical_auroc"}
        return self.model_copy(update=update)
