"""The base of every configuration type."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from search_spaces.config.identity import check_marks

# `abs` turns -0.0 into 0.0, so that equal configurations have equal ids.
NonNegative = Annotated[float, Field(ge=0), AfterValidator(abs)]


class Frozen(BaseModel):
    """Immutable; unknown keys, wrong types, infinities and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Check every configuration type when it is defined (see `search_spaces.config.identity`)."""
        super().__pydantic_init_subclass__(**options)
        check_marks(cls)
