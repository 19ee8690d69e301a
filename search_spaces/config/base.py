"""The base of every configuration type."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from search_spaces.config.identity import check_fields, leave_out_defaults

# `abs` turns -0.0 into 0.0, so that equal configurations have equal ids.
NonNegative = Annotated[float, Field(ge=0), AfterValidator(abs)]


class Frozen(BaseModel):
    """Immutable; unknown keys, wrong types, infinities and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Check every configuration type when it is defined (see `search_spaces.config.identity`)."""
        super().__pydantic_init_subclass__(**options)
        check_fields(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The type's schema, in which fields that were added later are left out at their defaults."""
        leave_out_defaults(cls)
        return handler(source)


def number(value: float) -> str:
    """The shortest text that reads back as the same number, whole numbers without a fraction.

    >>> number(100.0), number(0.25), number(1e-7)
    ('100', '0.25', '1e-07')
    """
    return repr(value).removesuffix(".0")
