"""Where examples come from, told apart by `name`. They are read in `trainer.data.sources`."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from search_spaces.config.base import Frozen
from search_spaces.config.class_names import (
    CIFAR10,
    CIFAR100,
    CIFAR100_SUPERCLASSES,
    MEDMNIST,
    MEDMNIST_SIZES,
)
from search_spaces.config.classes import Classes, ClassLabel
from search_spaces.config.groups import GROUP_KEYS, GroupKey, Groups
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.kinds import Absent, Kind
from search_spaces.config.metrics import Rate
from search_spaces.config.registry import Registry


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
    def image_shape(self) -> tuple[int, int] | None:
        """Channels and side length of its images; None where only reading them tells."""
        return None


class Cifar10(Source):
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, classes 0 to 9, or their names."""

    implementation: ClassVar[str] = "trainer.data.sources.cifar:CifarReader"
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("column", "pattern")
    class_names: ClassVar[Mapping[ClassLabel, str]] = CIFAR10
    name: Literal["cifar10"] = "cifar10"

    @property
    def image_shape(self) -> tuple[int, int]:
        """Colour, 32 x 32."""
        return 3, 32


class Cifar100(Source):
    """CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images, 32 x 32, fine classes 0 to 99.

    Or their names; that of a superclass stands for its five.
    """

    implementation: ClassVar[str] = "trainer.data.sources.cifar:CifarReader"
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("column", "pattern")
    class_names: ClassVar[Mapping[ClassLabel, str]] = CIFAR100
    class_groups: ClassVar[Mapping[str, tuple[ClassLabel, ...]]] = CIFAR100_SUPERCLASSES
    name: Literal["cifar100"] = "cifar100"

    @property
    def image_shape(self) -> tuple[int, int]:
        """Colour, 32 x 32."""
        return 3, 32


class Digits(Source):
    """scikit-learn's digits: 1,797 grey images, 8 x 8, classes 0 to 9. Embedded, needs no file."""

    implementation: ClassVar[str] = "trainer.data.sources.digits:DigitsReader"
    needs_files: ClassVar[bool] = False
    known_classes: ClassVar[tuple[ClassLabel, ...]] = tuple(range(10))
    name: Literal["digits"] = "digits"

    @property
    def image_shape(self) -> tuple[int, int]:
        """Grey, 8 x 8."""
        return 1, 8


TILES = 4


class Mosaic(Source):
    """Images of 2 x 2 tiles, each an image of a data set of classes, and which of some classes are there.

    Each label is there with its own probability, whatever the others, on one tile; the other tiles show
    classes that are no label. No image is a tile in two splits; within one it may be so several times.

    classes       the labels, by number or name
    prevalences   the probability of each
    train         images of the training split
    validation    of the validation split
    test          of the test split
    """

    implementation: ClassVar[str] = "trainer.data.sources.mosaic:MosaicReader"
    label_sets: ClassVar[bool] = True
    tiles_of: ClassVar[Source]

    classes: tuple[ClassLabel, ...] = Field(min_length=2, max_length=TILES)
    prevalences: tuple[Rate, ...]
    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)

    @field_validator("classes", mode="before")
    @classmethod
    def _are_told_by_name(cls, given: object) -> object:
        if not isinstance(given, list | tuple):
            return given
        told = cls.tiles_of.classes_told
        found: list[object] = []
        for one in given:
            found += told.labels(one) or (one,) if isinstance(one, str) else (one,)
        return tuple(found)

    @model_validator(mode="after")
    def _labels_are_some_of_the_classes(self) -> Self:
        every = self.tiles_of.classes_told.every
        unknown = [label for label in self.classes if label not in every]
        if unknown or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"expected distinct classes among {list(every)}, given {list(self.classes)}")
        if len(self.prevalences) != len(self.classes):
            raise ValueError(
                f"expected prevalences of {len(self.classes)} classes, given {len(self.prevalences)}"
            )
        return self

    @property
    def classes_told(self) -> Classes:
        """The labels, by the names of the tiles' classes."""
        names = self.tiles_of.classes_told.names
        return Classes(self.classes, {label: names[label] for label in self.classes if label in names})

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Twice as wide as a tile."""
        shape = self.tiles_of.image_shape
        return None if shape is None else (shape[0], 2 * shape[1])


class DigitMosaic(Mosaic):
    """Mosaics of scikit-learn's digits: grey, 16 x 16. Embedded, needs no file."""

    needs_files: ClassVar[bool] = False
    tiles_of: ClassVar[Source] = Digits()
    name: Literal["digit_mosaic"] = "digit_mosaic"


class Cifar10Mosaic(Mosaic):
    """Mosaics of CIFAR-10: colour, 64 x 64; those of the test split of its test images."""

    tiles_of: ClassVar[Source] = Cifar10()
    name: Literal["cifar10_mosaic"] = "cifar10_mosaic"


class MedMnist(Source):
    """A MedMNIST v2 `.npz` file (Yang et al. 2023), for example `breastmnist`.

    Of a file with label sets, as `chestmnist`, the labels are the numbers of its columns, or their names.

    subset   the file's name without `.npz`
    """

    implementation: ClassVar[str] = "trainer.data.sources.medmnist:MedMnistReader"
    title_field: ClassVar[str | None] = "subset"
    label_sets: ClassVar[bool] = True
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("column",)
    name: Literal["medmnist"] = "medmnist"
    subset: str = Field(pattern=r"^[a-z0-9_]+$")

    @property
    def classes_told(self) -> Classes:
        """The published names, whatever the size; of a file of another name nothing is known."""
        subset = self.subset
        for ending in MEDMNIST_SIZES:
            subset = subset.removesuffix(ending)
        names = MEDMNIST.get(subset, {})
        return Classes(tuple(names), names)


class Percentiles(Frozen):
    """Grey values are scaled so that these percentiles of the training pool's become black and white.

    All values of the pool's images count alike, after they are resized; what lies beyond is clipped.
    Validation and test images are scaled by the same two values, which they have no part in.

    percentiles   the lower and the higher one, 0 to 100
    """

    kind: ClassVar[str] = "by_percentiles"

    percentiles: tuple[float, float]

    @field_validator("percentiles")
    @classmethod
    def _are_a_range(cls, given: tuple[float, float]) -> tuple[float, float]:
        low, high = given
        if not 0 <= low < high <= 100:
            raise ValueError(f"expected two percentiles, 0 to 100, the lower one first, given {list(given)}")
        return abs(low), high


def _scaling_tag(given: object) -> str | None:
    if isinstance(given, Mapping | Percentiles):
        return Percentiles.kind
    return "full_range" if given == "full_range" else None


Scaling = Annotated[
    Annotated[Literal["full_range"], Tag("full_range")] | Annotated[Percentiles, Tag(Percentiles.kind)],
    Discriminator(
        _scaling_tag,
        custom_error_type="scaling",
        custom_error_message="full_range or {percentiles: [1, 99]}",
    ),
]


# What becomes of images that cannot be read, and of files that are missing.
BadFiles: TypeAlias = Literal["stop", "skip"]


class ImageFolder(Source):
    """A folder per class below `<data dir>/<folder>` (or below its `train/`, `val/`, `test/`).

    folder     a path below the data directory, as its name is written there: "Chest X-Ray", "archive/scans"
    size       images are resized to `size` x `size`
    channels   1 (grey) or 3 (colour)
    scaling    how values of more than 8 bits become 0..255: "full_range" takes what the file's type can hold,
               0..65535 of 16 bits, 0..1 of floating-point numbers; or by percentiles of the training pool
    bad_files  images that cannot be read: "stop" refuses the data set and names them; "skip" goes on without
               them, counts them and names some
    """

    implementation: ClassVar[str] = "trainer.data.sources.folder:FolderReader"
    title_field: ClassVar[str | None] = "folder"
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("level", "pattern")
    name: Literal["folder"] = "folder"
    folder: str = Field(min_length=1)
    size: int = Field(default=32, ge=4, le=1024)
    channels: Literal[1, 3] = 3
    scaling: Annotated[Scaling, ADDED_LATER] = "full_range"
    bad_files: Annotated[BadFiles, ADDED_LATER] = "stop"

    @field_validator("folder")
    @classmethod
    def _lies_below(cls, given: str) -> str:
        return _path_below(given)

    @property
    def image_shape(self) -> tuple[int, int]:
        """As the fields say."""
        return self.channels, self.size


class Manifest(Source):
    """A table of images, CSV or Parquet, below the data directory: a row per image.

    An image is a file, or in Parquet the bytes of one. Its labels stand in one of three ways: a class in the
    column `label`, a list in the column `labels`, or a column per label, named as `classes` of the task names
    them, with 0 or 1.

    file       the table, `scans/labels.csv` or `scans/labels.parquet`; or a folder with Parquet files of
               splits, `train.parquet` or `train-00000-of-00005.parquet` and so on, as Hugging Face has them
    folder     the folder that the paths of images start from, below the data directory; that of the table
    image      the column with the path of an image, or its bytes
    label      the column with the class of an image, text or a whole number
    labels     the column with its labels: a list, or text with a separator between them
    separator  that of the text
    split      the column with its split, called as folders of splits are; without it all images are training
               ones
    size       images are resized to `size` x `size`
    channels   1 (grey) or 3 (colour)
    scaling    how values of more than 8 bits become 0..255, as of image folders
    bad_files  images that are missing or cannot be read: "stop" refuses the data set and names them; "skip"
               goes on without them, counts them and names some
    """

    implementation: ClassVar[str] = "trainer.data.sources.manifest:ManifestReader"
    title_field: ClassVar[str | None] = "file"
    label_sets: ClassVar[bool] = True
    group_keys: ClassVar[tuple[GroupKey, ...]] = ("column", "pattern")
    name: Literal["manifest"] = "manifest"
    file: str = Field(min_length=1)
    folder: str | None = None
    image: str = Field(default="image", min_length=1)
    label: str | None = Field(default=None, min_length=1)
    labels: str | None = Field(default=None, min_length=1)
    separator: str = Field(default="|", min_length=1)
    split: str | None = Field(default=None, min_length=1)
    size: int = Field(default=32, ge=4, le=1024)
    channels: Literal[1, 3] = 3
    scaling: Scaling = "full_range"
    bad_files: BadFiles = "stop"

    @field_validator("file", "folder")
    @classmethod
    def _lies_below(cls, given: str | None) -> str | None:
        return None if given is None else _path_below(given)

    @model_validator(mode="after")
    def _labels_stand_in_one_way(self) -> Self:
        if self.label is not None and self.labels is not None:
            raise ValueError(f"expected label or labels, given both: {self.label} and {self.labels}")
        return self

    @property
    def image_shape(self) -> tuple[int, int]:
        """As the fields say."""
        return self.channels, self.size


# Characters that let a name be shown in another order than it has.
_WRITING_DIRECTION = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def _path_below(given: str) -> str:
    """A path below the data directory, without slashes at its end. Raises ValueError for any other."""
    parts = given.rstrip("/").split("/")
    leads_away = given.startswith("/") or parts[0] == "~" or any(part in ("", ".", "..") for part in parts)
    has_control = any(unicodedata.category(c) == "Cc" or c in _WRITING_DIRECTION for c in given)
    if leads_away or has_control:
        raise ValueError(
            f"expected the path of a folder below the data directory, like scans or archive/scans, "
            f"given {given!r}"
        )
    return "/".join(parts)


class AbsentSource(Absent, Source):
    """A source whose plug-in is not installed here."""

    label_sets: ClassVar[bool] = True
    group_keys: ClassVar[tuple[GroupKey, ...]] = GROUP_KEYS


SOURCE_TYPES: Registry[Source] = Registry(
    Source,
    AbsentSource,
    Cifar10,
    Cifar100,
    Digits,
    MedMnist,
    ImageFolder,
    Manifest,
    DigitMosaic,
    Cifar10Mosaic,
)

if TYPE_CHECKING:
    SourceConfig: TypeAlias = Source
else:
    SourceConfig = SOURCE_TYPES.annotation()
