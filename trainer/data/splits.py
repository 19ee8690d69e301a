"""Disjoint training pool, validation and test split of a task."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Task
from search_spaces.errors import DataError
from trainer.data.sources.images import Images, Origin, RawData
from trainer.seeds import draw
from trainer.tasks.base import task_arrays

# Validation and test are drawn once for all replicates, whose own seeds draw under other purposes.
_FIXED_SEED = 0


@dataclass(frozen=True)
class HeldOut:
    """Images that never train. `origin` is the published split that they come from, which their ids refer to.

    removed     images of the data set's own split that were left out, as copies of images in another split
    """

    images: Images
    origin: Origin
    removed: int


@dataclass(frozen=True)
class Splits:
    """Pool, validation and test: no example and no picture stands in two of them.

    class_sizes     per asked class, training examples that are not held out, copies included
    removed         how many of these are copies of a validation or test image and left the pool
    """

    pool: Images
    validation: HeldOut
    test: HeldOut
    class_sizes: tuple[int, ...]
    removed: int


def make_splits(raw: RawData, config: Task) -> Splits:
    """Hold out test and then validation, the same examples for every seed, ratio and trial.

    Images with equal pixels count as copies of one picture. A copy of a test image is neither drawn for
    validation nor kept in the data set's own validation split, and a training image that is a copy of a
    test or validation image leaves the pool. Copies within one split stay.

    Raises DataError if the data set lacks a split that the configuration does not draw, if a class
    has too few examples to draw from, and if validation or test lack what the task's metrics need.
    """
    train, digests = raw.train, _digests(raw.train)
    everything = np.arange(len(digests))
    test, rest = _hold_out("test", raw.test, config.test_per_class, train, digests, everything, (), config)
    taken = frozenset(_digests(test.images))
    validation, rest = _hold_out(
        "validation", raw.validation, config.validation_per_class, train, digests, rest, taken, config
    )
    taken |= frozenset(_digests(validation.images))
    pool = _without(rest, digests, taken)
    classes = len(config.labels)
    return Splits(
        pool=train.take(pool),
        validation=validation,
        test=test,
        class_sizes=tuple(int(n) for n in np.bincount(train.classes[rest], minlength=classes)),
        removed=len(rest) - len(pool),
    )


def _hold_out(
    name: Origin,
    own: Images | None,
    per_class: int | None,
    train: Images,
    digests: Sequence[bytes],
    rest: NDArray[np.int64],
    taken: Collection[bytes],
    config: Task,
) -> tuple[HeldOut, NDArray[np.int64]]:
    """Draw `per_class` of each class out of `rest`, or take the `own` split; never a picture in `taken`.

    Returns what is held out and the positions in `train` that are left.
    """
    data_set = config.source.title
    if per_class is not None:
        candidates = _without(rest, digests, taken)
        drawn = _draw_per_class(name, per_class, train, candidates, config)
        held_out, rest = HeldOut(train.take(drawn), "train", 0), np.setdiff1d(rest, drawn)
    elif own is not None:
        kept = _without(np.arange(len(own.ids)), _digests(own), taken)
        held_out = HeldOut(own.take(kept), name, len(own.ids) - len(kept))
    else:
        raise DataError(
            f"{data_set} has no {name} split of its own: expected {name}_per_class, how many examples "
            f"of each class to hold out, given none"
        )
    task_arrays(config).check_split(name, held_out.images.classes, data_set)
    return held_out, rest


def _draw_per_class(
    name: Origin, count: int, train: Images, candidates: NDArray[np.int64], config: Task
) -> NDArray[np.int64]:
    """Sorted positions in `train` of `count` examples of each class."""
    drawn = []
    for index, label in enumerate(config.labels):
        members = candidates[train.classes[candidates] == index]
        if len(members) < count:
            raise DataError(
                f"{config.source.title}: {name}_per_class asks for {count} examples "
                f"of class {label!r}, there are {len(members)}"
            )
        drawn.append(members[draw(train.ids[members], count, seed=_FIXED_SEED, purpose=name)])
    return np.sort(np.concatenate(drawn))


def _without(
    positions: NDArray[np.int64], digests: Sequence[bytes], taken: Collection[bytes]
) -> NDArray[np.int64]:
    return np.array([p for p in positions if digests[p] not in taken], dtype=np.int64)


def _digests(images: Images) -> list[bytes]:
    """A hash of each image's pixels. All images of a data set have one shape."""
    return [hashlib.blake2b(pixels.tobytes(), digest_size=16).digest() for pixels in images.pixels]
