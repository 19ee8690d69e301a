"""Domains that a space draws values from, and draws that are the same on every machine.

uniform       [low, high]: real values, all equally likely
log_uniform   [low, high], low above 0: real values whose logarithms are equally likely
int_uniform   [low, high]: whole numbers, both ends included
choice        a list of values, all equally likely

A draw depends on the seed, the key and its index alone: a larger sample begins with the smaller one, and
another key beside it changes nothing. Real values are rounded to six significant digits, so that the last bit
of a machine's `exp` does not decide a trial's id.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from search_spaces.axis import check_axis
from search_spaces.problem import Problem, join, shown
from search_spaces.words import did_you_mean


@dataclass(frozen=True)
class Uniform:
    """Real values in [low, high], all equally likely."""

    low: float
    high: float

    def value(self, share: float) -> object:
        """The value at this share (in [0, 1)) of the domain."""
        return self.settled(self.low + share * (self.high - self.low))

    def settled(self, value: float) -> float:
        """The value of the domain that stands for a number: six significant digits, within the bounds."""
        return min(max(float(f"{value:.6g}"), self.low), self.high)

    def contains(self, value: object) -> bool:
        """Whether the value lies in the domain."""
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        )

    def extremes(self) -> tuple[object, ...]:
        """Values that must be possible for all of the domain to be."""
        return (self.low, self.high)


@dataclass(frozen=True)
class LogUniform(Uniform):
    """Real values in [low, high], low > 0, whose logarithms are equally likely."""

    def value(self, share: float) -> object:
        """The value at this share (in [0, 1)) of the domain."""
        logarithm = math.log(self.low) + share * (math.log(self.high) - math.log(self.low))
        return self.settled(math.exp(logarithm))


@dataclass(frozen=True)
class IntUniform:
    """Whole numbers in [low, high], all equally likely."""

    low: int
    high: int

    def value(self, share: float) -> object:
        """The value at this share (in [0, 1)) of the domain."""
        return min(self.low + int(share * (self.high - self.low + 1)), self.high)

    def contains(self, value: object) -> bool:
        """Whether the value lies in the domain."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def extremes(self) -> tuple[object, ...]:
        """Values that must be possible for all of the domain to be."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """One of the options, all equally likely."""

    options: tuple[object, ...]

    def value(self, share: float) -> object:
        """The value at this share (in [0, 1)) of the domain."""
        return self.options[min(int(share * len(self.options)), len(self.options) - 1)]

    def extremes(self) -> tuple[object, ...]:
        """Values that must be possible for all of the domain to be."""
        return self.options


Domain = Uniform | IntUniform | Choice

KINDS = ("uniform", "log_uniform", "int_uniform", "choice")


def parse_domain(path: str, key: str, given: object) -> Domain:
    """The domain of a canonical key, written as for example `{log_uniform: [1e-5, 1e-2]}` at `path`.

    Raises Problem for an unknown kind, bounds that are not two rising numbers, or no options.
    """
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in KINDS:
        said = next(iter(given), None) if isinstance(given, Mapping) else given
        hint = did_you_mean(said, KINDS)
        raise Problem(path, f"a mapping with one of {', '.join(KINDS)}", shown(given), hint=hint)
    kind, values = next(iter(given.items()))
    path = join(path, kind)
    if kind == "choice":
        return Choice(check_axis(path, key, values))
    number, word = (int, "whole numbers") if kind == "int_uniform" else ((int, float), "finite numbers")
    if (
        not isinstance(values, list | tuple)
        or len(values) != 2
        or not all(isinstance(v, number) and not isinstance(v, bool) and _is_finite(v) for v in values)
        or not values[0] < values[1]
    ):
        raise Problem(path, f"two {word} [low, high], low below high", shown(values))
    low, high = values
    if kind == "int_uniform":
        return IntUniform(low, high)
    if kind == "uniform":
        return Uniform(float(low), float(high))
    if low <= 0:
        raise Problem(join(path, "[0]"), "a number above 0", shown(low))
    return LogUniform(float(low), float(high))


def _is_finite(value: float) -> bool:
    """Whether a number is finite as a float; a whole number of 400 digits is not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def share(seed: int, key: str, index: int) -> float:
    """A number in [0, 1) that depends on seed, key and index alone (53 bits of a SHA-256)."""
    digest = hashlib.sha256(f"{seed}/{key}/{index}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
