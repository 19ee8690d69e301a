"""What every task has and says, whatever its kind: its classes, which are critical, how they are split.

A task is the `data` of a trial. It says what else depends on its kind: its metrics and which of them steers,
its outputs, the columns of its constraint. Nobody else asks what kind it is. What is computed stands in
`trainer.tasks` and `trainer.losses`, in a file of the task's own each, which `arrays` and `tensors` name.

Words: positive = critical = 1; `imbalance_ratio` = majority per minority.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self, TypeAlias

from pydantic import field_validator, model_validator

from search_spaces.config.base import Frozen, number
from search_spaces.config.classes import ClassLabel
from search_spaces.config.metrics import DEFAULT_TARGETS, Metric, Targets
from search_spaces.config.sources.registered import SourceConfig

# Which examples a critical class is compared with: all others, or those of one other class at a time.
Comparison: TypeAlias = Literal["one_vs_rest", "pairwise"]

HeldOutName: TypeAlias = Literal["validation", "test"]

LONGEST_LABEL = 60
# So many classes of a role are named in a label.
_MOST_NAMED = 3
# Not printed themselves, and part of many a word in Persian or Hindi.
_JOINERS = "\u200c\u200d"


class HeldOutDraw(NamedTuple):
    """How many examples of each class are drawn for a split.

    key        the field that says so
    amount     a number of them, or a share of the class's training images
    is_share   which of the two
    """

    key: str
    amount: float
    is_share: bool

    def of_class(self, members: int) -> int:
        """So many of a class of `members` training images; half of one counts as one."""
        return int(self.amount * members + 0.5) if self.is_share else int(self.amount)


class Task(Frozen, ABC):
    """What every task has and says.

    The metric that `steers` chooses the best epoch, ends patience, stops early, selects.

    `label` names the data in every table, title and run; it is no part of a trial's identity.

    kind         the name by which losses say that they fit
    ratio_key    the field, below `data`, that `ratio` means in a space
    roles        its fields that list classes; for each one those whose classes `rest` in it leaves out
    comparisons  the constraint's comparisons that it knows
    has_label_sets       whether an example may have any number of its labels, as opposed to one
    decides_by_highest   whether an example is of the class of its highest output
    arrays       "module:class" of its metrics on stored outputs (see `trainer.tasks.base`)
    tensors      "module:class" of its targets, scores and columns on a device (see `trainer.losses.columns`)
    """

    kind: ClassVar[str]
    ratio_key: ClassVar[str]
    roles: ClassVar[Mapping[str, tuple[str, ...]]]
    comparisons: ClassVar[tuple[Comparison, ...]] = ("one_vs_rest",)
    has_label_sets: ClassVar[bool] = False
    decides_by_highest: ClassVar[bool] = False
    arrays: ClassVar[str]
    tensors: ClassVar[str]

    if TYPE_CHECKING:
        # Every task has these fields. It declares them itself: their order is that of labels.
        source: SourceConfig
        train_share: float
        validation_share: float | None
        test_share: float | None
        label: str | None
        replace_splits: bool

        @property
        def validation_per_class(self) -> int | None:
            """See the tasks; None of one that is drawn by share alone."""

        @property
        def test_per_class(self) -> int | None:
            """Likewise."""

    @field_validator("label", check_fields=False)
    @classmethod
    def _is_one_line(cls, label: str | None) -> str | None:
        if label is None:
            return None
        is_line = label.strip() == label and all(c.isprintable() or c in _JOINERS for c in label)
        if not is_line or not 0 < len(label) <= LONGEST_LABEL:
            raise ValueError(f"expected one line of 1 to {LONGEST_LABEL} characters, given {label!r}")
        return label

    @model_validator(mode="after")
    def _splits_are_drawn_in_one_way(self) -> Self:
        for name, count, share in (
            ("validation", self.validation_per_class, self.validation_share),
            ("test", self.test_per_class, self.test_share),
        ):
            if count is not None and share is not None:
                raise ValueError(f"expected {name}_per_class or {name}_share, given both")
            if count and self.source.groups is not None:
                raise ValueError(
                    f"{name}_per_class: expected {name}_share beside source.groups, of which whole "
                    f"ones are drawn, given {count}"
                )
        total = (self.validation_share or 0) + (self.test_share or 0)
        if total >= 1:
            raise ValueError(
                f"expected less than 1 for validation_share and test_share together, given {number(total)}"
            )
        return self

    def drawn(self, split: HeldOutName) -> HeldOutDraw | None:
        """How a split is drawn from the training images; None where the data set's own is taken."""
        count, share = self.validation_per_class, self.validation_share
        if split == "test":
            count, share = self.test_per_class, self.test_share
        if share is not None:
            return HeldOutDraw(f"{split}_share", share, is_share=True)
        return None if count is None else HeldOutDraw(f"{split}_per_class", count, is_share=False)

    def bare(self) -> Self:
        """The same task without what is no part of a trial's identity: its label, its permission."""
        return self.model_copy(update={"label": None, "replace_splits": False})

    @property
    def title(self) -> str:
        """What the data are called: the label, else the source's title."""
        return self.source.title if self.label is None else self.label

    @abstractmethod
    def role_words(self) -> str:
        """The classes' roles in a few words: "cat vs dog"."""

    def few_names(self, labels: Sequence[ClassLabel]) -> str:
        """The names of classes, of many the first two: "cat, dog and 5 more"."""
        names = list(map(self.source.classes_told.name, labels))
        if len(names) <= _MOST_NAMED:
            return ", ".join(names)
        first = _MOST_NAMED - 1
        return f"{', '.join(names[:first])} and {len(names) - first} more"

    def kept_shares(self, where: Literal["every_split", "training"]) -> Mapping[int, float]:
        """The shares of examples that labels are to have there, by leaving out others; of most tasks none."""
        return {}

    @classmethod
    @abstractmethod
    def example(cls) -> Self:
        """A small task of this kind on images that need no files, by which losses and models are tried."""

    @property
    @abstractmethod
    def labels(self) -> tuple[ClassLabel, ...]:
        """The classes that are asked of the source; an example's class is its position among them."""

    @property
    @abstractmethod
    def steers(self) -> str:
        """The name of the metric that steers, of which higher is better."""

    @property
    def validates(self) -> bool:
        """Whether there is a validation split; without one nothing is selected."""
        return self.validation_per_class != 0

    @property
    def raises_penalty(self) -> str:
        """The name of the metric, among the headline ones, by which the constraint's penalty grows."""
        return self.steers

    @abstractmethod
    def metrics(self, targets: Targets) -> tuple[Metric, ...]:
        """Every metric, in the order of a table's columns."""

    def headline(self, targets: Targets) -> tuple[Metric, ...]:
        """The metrics that are shown everywhere and may be pursued, in the order of `metrics`."""
        return tuple(metric for metric in self.metrics(targets) if metric.role == "headline")

    @property
    def steering_metric(self) -> Metric:
        """The metric that steers."""
        return next(metric for metric in self.metrics(DEFAULT_TARGETS) if metric.name == self.steers)

    def reads_targets_of(self, other: Task) -> bool:
        """Whether the outputs of this task's networks can be held against the targets of another task."""
        return self.kind == other.kind

    @abstractmethod
    def columns(self, comparison: Comparison) -> tuple[str, ...]:
        """A name for each of the R columns of the constraint."""

    # What follows is of a task whose field `ratio_key` is the ratio itself.

    @property
    def ratio(self) -> float | None:
        """Examples of the most frequent class per example of the rarest; None where that is left as it is."""
        ratio: float | None = getattr(self, self.ratio_key)
        return ratio

    def with_ratio(self, ratio: float | None) -> Self:
        """The same task at another ratio. Raises pydantic's ValidationError for an impossible one."""
        if ratio is None:
            return self.model_copy(update={self.ratio_key: None})
        return type(self)(**{**dict(self), self.ratio_key: ratio})

    def ratio_words(self) -> str:
        """The ratio in a label: "1:100", "all data"."""
        return "all data" if self.ratio is None else f"1:{number(self.ratio)}"

    @abstractmethod
    def whole(self) -> Self:
        """The same task with all training examples: tasks that differ in their share alone share images."""
