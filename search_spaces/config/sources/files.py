"""Images of one's own: a folder per class, or a table that lists them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from search_spaces.config.base import Frozen
from search_spaces.config.groups import GroupKey
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.sources.base import MappedForm, Source


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

    @property
    def mapped_form(self) -> MappedForm:
        """As the fields say; by percentiles the values are kept as files store them."""
        return MappedForm(self.channels, self.size, isinstance(self.scaling, Percentiles))


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

    @property
    def mapped_form(self) -> MappedForm:
        """As the fields say; by percentiles the values are kept as files store them."""
        return MappedForm(self.channels, self.size, isinstance(self.scaling, Percentiles))


# Characters that let a name be shown in another order than it has.
_WRITING_DIRECTION = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def _path_below(given: str) -> str:
    """A path below the data directory, without slashes at its end. Raises ValueError for any other."""
    parts = given.rstrip("/").split("/")
    leads_away = given.startswith("/") or parts[0] == "~" or any(part in ("", ".", "..") for part in parts)
    has_control = any(unicodedata.category(c) == "Cc" or c in _WRITING_DIRECTION for c in given)
    if leads_away or has_control:
        raise ValueError(
            f"expected a path below the data directory, like scans or archive/scans, without .., "
            f"given {given!r}"
        )
    return "/".join(parts)
