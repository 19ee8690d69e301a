"""How many examples classes give, in whole numbers, and in which shares samplers draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from search_spaces.config import ClassLabel, PowerSampler, SamplerName, Task
from search_spaces.errors import DataError


def shares(share: float, sizes: Sequence[int], available: Sequence[int]) -> list[int]:
    """A share of each size, rounded down, and never more than what is available.

    The share counts as it is written: 0.29 of 100 is 29, not 28.

    >>> shares(0.29, [100, 10], [100, 1])
    [29, 1]
    """
    exact = Fraction(str(share))
    return [min(int(exact * size), left) for size, left in zip(sizes, available, strict=True)]


def tail(most: int, factor: float, places: Sequence[float]) -> list[int]:
    """Examples of each class of a long tail: floor(most * factor^-place), for places from 0 to 1.

    Cui et al., "Class-balanced loss based on effective number of samples", CVPR 2019, section 5.

    >>> tail(100, 10, [0, 0.5, 1]), tail(500, 100, [0, 1])
    ([100, 31, 10], [500, 5])
    """
    counts = []
    for place in places:
        wanted = most * factor**-place
        # A power that is a whole number may come out a little below it.
        nearest = round(wanted)
        counts.append(nearest if math.isclose(wanted, nearest, rel_tol=1e-12) else math.floor(wanted))
    return counts


def drawn_shares(
    sampler: SamplerName | PowerSampler, sizes: Sequence[int], progress: float = 0.0
) -> list[float]:
    """The expected share of an epoch that each class has, of classes of `sizes` training examples.

    progress   0 in the first epoch to 1 in the last

    >>> drawn_shares("square_root", [900, 100]), drawn_shares("progressive", [900, 100], progress=1)
    ([0.75, 0.25], [0.5, 0.5])
    """
    total = sum(sizes)
    own, equal = [size / total for size in sizes], 1 / len(sizes)
    match sampler:
        case "shuffle":
            return own
        case "class_balanced":
            return [equal] * len(sizes)
        case "progressive":
            return [(1 - progress) * share + progress * equal for share in own]
        case "square_root":
            weights = [math.sqrt(size) for size in sizes]
        case PowerSampler(exponent=exponent):
            weights = [size ** (1 - exponent) for size in sizes]
    return [weight / math.fsum(weights) for weight in weights]


def check_each(
    task: Task, counts: Sequence[int], labels: Sequence[ClassLabel], sizes: Sequence[int], data_set: str
) -> None:
    """Raise DataError for a class of whose examples `train_share` takes none."""
    for count, label, size in zip(counts, labels, sizes, strict=True):
        if count == 0:
            raise DataError(
                f"{data_set}: train_share {task.train_share:g} asks for 0 of the {size} "
                f"training examples of class {label!r}, at least 1 is needed"
            )
