"""The base of every configuration type."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from search_spaces.identity import check_marks


class Frozen(BaseModel):
    """Immutable; unknown keys, wrong types, infinities and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Check every configuration type when it is defined (see `search_spaces.identity`)."""
        super().__pydantic_init_subclass__(**options)
        check_marks(cls)
