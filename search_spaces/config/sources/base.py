"""What every source says of itself. Sources are told apart by `name`, and read in `trainer.data.sources`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, NamedTuple

from pydantic import field_validator

from search_spaces.config.classes import Classes, ClassLabel
from search_spaces.config.groups import GROUP_KEYS, GroupKey, Groups
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.kinds import Absent, Kind


class MappedForm(NamedTuple):
    """What images are decoded to, as a node keeps them: [channels, size, size].

    raw   whether values are kept as files store them, for a scaling that is not known yet
    """

    channels: int
    size: int
    raw: bool


class Source(Kind):
    """What every source says of itself.

    The implementation is a `trainer.data.sources.reader.Reader`, made of the configuration.

    needs_files     whether it reads a data directory
    title_field     the field that names the data set, where `name` names only its format
    known_classes   every class, in order, where that is known without its files
    class_names     what a person calls each of them
    class_groups    names that stand for several of them, in order
    label_sets      whether its examples may have several labels, or none
    group_keys      what of its examples can tell their groups
    groups          what tells the group of an example, a patient for one: no group stands in two of training,
                    validation and test
    """

    kind: ClassVar[str] = "data set"
    group: ClassVar[str] = "almsweep.sources"
    told: ClassVar[tuple[str, ...]] = ("title_field", "label_sets")
    needs_files: ClassVar[bool] = True
    title_field: ClassVar[str | None] = None
    known_classes: ClassVar[tuple[ClassLabel, ...]] = ()
    class_names: ClassVar[Mapping[ClassLabel, str]] = {}
    class_groups: ClassVar[Mapping[str, tuple[ClassLabel, ...]]] = {}
    label_sets: ClassVar[bool] = False
    group_keys: ClassVar[tuple[GroupKey, ...]] = ()

    groups: Annotated[Groups | None, ADDED_LATER] = None

    @field_validator("groups")
    @classmethod
    def _can_be_told(cls, given: Groups | None) -> Groups | None:
        if given is not None and given.key not in cls.group_keys:
            known = f"groups by {' or '.join(cls.group_keys)}" if cls.group_keys else "no groups"
            raise ValueError(f"expected {known} of source {cls.type_name()}, given groups by {given.key}")
        return given

    @property
    def classes_told(self) -> Classes:
        """What is known of its classes before anything is read: by these a space may name them."""
        every = self.known_classes or tuple(self.class_names)
        return Classes(every, self.class_names, self.class_groups)

    @property
    def title(self) -> str:
        """The data set's name in messages, labels and tags: "cifar10", "breastmnist", a folder's name."""
        return self.name if self.title_field is None else str(getattr(self, self.title_field))

    @property
    def data_set(self) -> str:
        """The same for sources of the same images, whatever size these are brought to."""
        return f"{self.name}/{self.title}"

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Channels and side length of its images; None where only reading them tells."""
        return None

    @property
    def mapped_form(self) -> MappedForm | None:
        """What its images are decoded to in a node's cache; None of a source that keeps no map of them."""
        return None


class AbsentSource(Absent, Source):
    """A source whose plug-in is not installed here."""

    label_sets: ClassVar[bool] = True
    group_keys: ClassVar[tuple[GroupKey, ...]] = GROUP_KEYS
