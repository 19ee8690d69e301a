"""In which shares an epoch draws its examples. They are drawn in `trainer.data.sampler`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from search_spaces.config.base import Frozen

# What draws as a power does has one spelling, its name.
_NAMES = {0.5: "square_root", 1.0: "class_balanced"}


class PowerSampler(Frozen):
    """Draws with replacement, each example with a weight n^-a, n the examples of its class.

    A class of n examples is drawn in a share that goes with n^(1 - a).

    exponent   a; the nearer to 1, the more balanced
    """

    exponent: float = Field(gt=0, lt=1)


SamplerName = Literal["shuffle", "class_balanced", "square_root", "progressive"]


def _named(given: Any) -> Any:
    """The name of a power that has one."""
    if not isinstance(given, dict) or set(given) != {"exponent"}:
        return given
    exponent = given["exponent"]
    is_number = isinstance(exponent, int | float) and not isinstance(exponent, bool)
    return _NAMES.get(float(exponent), given) if is_number else given


# What each name means is told at `TrialConfig.sampler`.
Sampler: TypeAlias = Annotated[SamplerName | PowerSampler, BeforeValidator(_named)]
