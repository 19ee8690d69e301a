"""Which examples a bootstrap draws, and which seeds.

Examples are drawn with replacement within each stratum of the task, so that every draw has the test set's
mixture (stratified bootstrap; Efron and Tibshirani 1993, chapter 13). Where the data have groups, patients
for one, whole groups are drawn: examples of one patient are alike, and drawn singly they would count as more
than they are (cluster bootstrap; Davison and Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.resampled import Counts
from trainer.seeds import seed_for

# Enough for the outermost quantile of `expanded_interval`, 0.0024 of the draws at six seeds.
DRAWS = 10_000
_HELD = 10_000_000  # counts held at once

Strata = Sequence[NDArray[np.int64]]


def example_draws(
    strata: Strata, groups: NDArray[Any] | None, *, draws: int = DRAWS, key: str
) -> Iterator[Counts]:
    """How often each example stands in a draw: parts of [examples, draws of the part].

    strata   positions of the examples of each stratum; each example is in one
    groups   [examples], the group of each; None where each stands for itself
    key      the same key and strata give the same draws
    """
    examples = sum(map(len, strata))
    units, of_unit = _units(strata, groups, examples)
    most = max(1, min(draws, _HELD // max(examples, 1)))
    for part, start in enumerate(range(0, draws, most)):
        generator = np.random.default_rng(seed_for(part, f"bootstrap/{key}"))
        number = min(most, draws - start)
        counts = np.zeros((examples, number), dtype=np.int16)
        for members in units:
            drawn = _drawn(generator, len(members), number)
            if of_unit is None:
                counts[members] = drawn
            else:
                for unit, row in zip(members, drawn, strict=True):
                    counts[of_unit[unit]] = row
        yield counts


def seed_draws(seeds: int, draws: int, key: str) -> NDArray[np.float64]:
    """The weight of each seed in a draw, [seeds, draws]; the weights of a draw sum to 1."""
    generator = np.random.default_rng(seed_for(seeds, f"bootstrap/seeds/{key}"))
    drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    return np.ascontiguousarray(drawn.T, dtype=np.float64) / seeds


def _units(
    strata: Strata, groups: NDArray[Any] | None, examples: int
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]] | None]:
    """What is drawn, by stratum; and the examples of each unit where a unit is a group.

    A group belongs to the smallest of the strata that its examples are of: of a patient with one positive
    scan among many negative ones, to that of the positives.
    """
    if groups is None:
        return [np.asarray(stratum) for stratum in strata if len(stratum)], None
    _, number = np.unique(groups, return_inverse=True)
    size_of = np.zeros(examples, np.int64)
    stratum_of = np.zeros(examples, np.int64)
    for position, stratum in enumerate(strata):
        size_of[stratum], stratum_of[stratum] = len(stratum), position
    members: list[list[int]] = [[] for _ in strata]
    of_unit = []
    order = np.argsort(number, kind="stable")
    for unit, its in enumerate(np.split(order, np.flatnonzero(np.diff(number[order])) + 1)):
        of_unit.append(its)
        members[stratum_of[its[np.argmin(size_of[its])]]].append(unit)
    return [np.array(its, np.int64) for its in members if its], of_unit


def _drawn(generator: np.random.Generator, units: int, draws: int) -> Counts:
    """How often each unit is drawn, [units, draws]; each draw sums to `units`."""
    chosen = generator.integers(units, size=(units, draws), dtype=np.int32)
    place = chosen.astype(np.int64) * draws + np.arange(draws)
    counted: Counts = np.bincount(place.ravel(), minlength=units * draws).reshape(units, draws)
    return counted.astype(np.int16)
