"""Which examples belong together: those of one patient, one video, one scanner."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from search_spaces.config.base import Frozen
from search_spaces.config.identity import ADDED_LATER

# What tells an example's group: the fields of `Groups`.
GroupKey: TypeAlias = Literal["column", "level", "pattern"]
GROUP_KEYS: tuple[GroupKey, ...] = ("column", "level", "pattern")


class Groups(Frozen):
    """What tells the group of an example, a patient for one; examples of one group stay on one side.

    One of three, as far as the source knows it:

    column    a column of Parquet files; of a MedMNIST file `name` the arrays `train_name`, `val_name` and
              `test_name`; of CIFAR's original files an entry beside the labels, one value per image
    level     which of the folders above an image, counted from the data set's folder (or from its `train`,
              `val`, `test`): 1 of `PATIENT/benign/1.png`, 2 of `benign/PATIENT/1.png`
    pattern   a regular expression with one group, found in an image's file name: `^([0-9]+)_` of
              `8863_idx5_class0.png`; in Parquet files that is the image's path
    """

    column: Annotated[str | None, Field(min_length=1), ADDED_LATER] = None
    level: Annotated[int | None, Field(ge=1, le=9), ADDED_LATER] = None
    pattern: Annotated[str | None, Field(min_length=1), ADDED_LATER] = None

    @field_validator("pattern")
    @classmethod
    def _has_one_group(cls, given: str | None) -> str | None:
        if given is None:
            return None
        try:
            found = re.compile(given).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"expected a regular expression, given {given!r} ({error})") from None
        if found != 1:
            raise ValueError(f"expected a regular expression with one group in brackets, given {given!r}")
        return given

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Groups:
        said = [key for key in GROUP_KEYS if getattr(self, key) is not None]
        if len(said) != 1:
            given = " and ".join(said) or "none"
            raise ValueError(f"expected one of column, level and pattern, given {given}")
        return self

    @property
    def key(self) -> GroupKey:
        """Which of the three it is."""
        return next(key for key in GROUP_KEYS if getattr(self, key) is not None)
