"""How many examples of each class a replicate trains on, and which ones its seed draws."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, DataConfig
from search_spaces.errors import DataError
from trainer.seeds import draw


def class_counts(config: DataConfig, sizes: Sequence[int], available: Sequence[int]) -> tuple[int, ...]:
    """Examples to draw of each class, in the order negative + positive (reference, section 3).

    A negative class gives `train_share` of its `sizes` (training examples that are not held out); the
    positives are `negatives // imbalance_ratio`, spread over the positive classes as evenly as these allow,
    or, without a ratio, `train_share` of each class. Everything is rounded down. `available` is what is
    left of the sizes when copies of held-out images are taken away: no class gives more.

    Raises DataError if a class gives nothing, or if fewer positives are available than asked for.

    >>> from search_spaces.config import Cifar10
    >>> task = DataConfig(source=Cifar10(), negative=(1,), positive=(9,), imbalance_ratio=100.0)
    >>> class_counts(task, (4900, 4900), (4900, 4900))
    (4410, 44)
    """
    shares = [
        min(_floor_product(config.train_share, size), left)
        for size, left in zip(sizes, available, strict=True)
    ]
    split = len(config.negative)
    negatives, positives = shares[:split], shares[split:]
    if config.imbalance_ratio is not None:
        asked = int(sum(negatives) // Fraction(str(config.imbalance_ratio)))
        positives = _spread_positives(config, asked, sum(negatives), available[split:])
    else:
        _check_each(config, positives, config.positive, sizes[split:])
    _check_each(config, negatives, config.negative, sizes[:split])
    return (*negatives, *positives)


def draw_subset(
    ids: NDArray[np.int64] | NDArray[np.str_],
    members: Sequence[NDArray[np.int64]],
    counts: Sequence[int],
    seed: int,
) -> NDArray[np.int64]:
    """Sorted positions of a seed's training subset: `counts[c]` of the positions `members[c]` of each class
    c.

    Seeds draw independently. A higher ratio's positives are among a lower ratio's.
    """
    drawn = [m[draw(ids[m], n, seed=seed, purpose="subset")] for m, n in zip(members, counts, strict=True)]
    return np.sort(np.concatenate(drawn))


def _floor_product(share: float, size: int) -> int:
    """floor(share * size), with the share as it is written: 0.29 of 100 is 29, not 28."""
    return int(Fraction(str(share)) * size)


def _spread_positives(config: DataConfig, asked: int, negatives: int, available: Sequence[int]) -> list[int]:
    name, classes = config.source.title, ", ".join(map(repr, config.positive))
    what = f"{name}: ratio 1:{config.imbalance_ratio:g} of {negatives} training negatives"
    if asked == 0:
        raise DataError(
            f"{what} asks for 0 positives of class {classes}, expected 1 or more; there are {sum(available)}"
        )
    if asked > sum(available):
        raise DataError(
            f"{what} asks for {asked} positives of class {classes}, there are {sum(available)} "
            "besides validation and test"
        )
    counts = [0] * len(available)
    # The smallest class first: what it cannot give is spread over the larger ones.
    order = sorted(range(len(available)), key=lambda i: (available[i], i))
    for done, index in enumerate(order):
        counts[index] = min(available[index], (asked - sum(counts)) // (len(order) - done))
    return counts


def _check_each(
    config: DataConfig, counts: Sequence[int], labels: Sequence[ClassLabel], sizes: Sequence[int]
) -> None:
    for count, label, size in zip(counts, labels, sizes, strict=True):
        if count == 0:
            raise DataError(
                f"{config.source.title}: train_share {config.train_share:g} asks for 0 of the {size} "
                f"training examples of class {label!r}, at least 1 is needed"
            )
