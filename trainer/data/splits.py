"""Disjoint training pool, validation and test split of a task."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Task
from search_spaces.errors import DataError
from trainer.data.pictures import digests, without
from trainer.data.sources.images import Images, Listing, Origin, RawData
from trainer.seeds import draw
from trainer.tasks.base import task_arrays

# Validation and test are drawn once for all replicates, whose own seeds draw under other purposes.
_FIXED_SEED = 0


@dataclass(frozen=True)
class HeldOut:
    """Images that never train. `origin` is the published split that they come from, which their ids refer to.

    copies     images of the data set's own split that were left out, as copies of test images: their ids
    """

    images: Images
    origin: Origin
    copies: NDArray[np.int64] | NDArray[np.str_]


@dataclass(frozen=True)
class Splits:
    """Pool, validation and test: no example and no picture stands in two of them.

    class_sizes     per asked class, training examples that are not held out, copies included
    copies          which of these are copies of a validation or test image and left the pool: their ids
    """

    pool: Images
    validation: HeldOut
    test: HeldOut
    class_sizes: tuple[int, ...]
    copies: NDArray[np.int64] | NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Part:
    """One of a data set's own splits, as it is divided.

    classes     int64 [N]
    ids         [N], by which examples are drawn
    pictures    [N], equal for copies of one picture
    """

    classes: NDArray[np.int64]
    ids: NDArray[np.int64] | NDArray[np.str_]
    pictures: Sequence[Hashable]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class Taken:
    """What is held out, as positions in the own split `origin`; so are the `copies` that are left out."""

    positions: NDArray[np.int64]
    classes: NDArray[np.int64]
    origin: Origin
    copies: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Division:
    """Where the examples of pool, validation and test stand; see `Splits`.

    pool, copies     positions in the data set's own training split
    """

    pool: NDArray[np.int64]
    validation: Taken
    test: Taken
    class_sizes: tuple[int, ...]
    copies: NDArray[np.int64]


def make_splits(raw: RawData, config: Task) -> Splits:
    """Hold out test and then validation, the same examples for every seed, ratio and trial.

    Images with equal pixels count as copies of one picture. A copy of a test image is neither drawn for
    validation nor kept in the data set's own validation split, and a training image that is a copy of a
    test or validation image leaves the pool. Copies within one split stay.

    Raises DataError if the data set lacks a split that the configuration does not draw, if a class
    has too few examples to draw from, and if validation or test lack what the task's metrics need.
    """
    train = _part(raw.train)
    validation = None if raw.validation is None else _part(raw.validation)
    test = None if raw.test is None else _part(raw.test)
    found = divide(train, validation, test, config)
    return Splits(
        pool=raw.train.take(found.pool),
        validation=_held_out(found.validation, raw.train, raw.validation),
        test=_held_out(found.test, raw.train, raw.test),
        class_sizes=found.class_sizes,
        copies=raw.train.ids[found.copies],
    )


def divide_listing(listing: Listing, config: Task) -> Division:
    """The division of a data set of which only the labels are known: no picture counts as a copy.

    As many examples of each class as `make_splits` takes where there are no copies, though not the same ones.
    Raises DataError for what labels tell, as `make_splits` does.
    """
    train = _listed("train", listing.train)
    validation = None if listing.validation is None else _listed("validation", listing.validation)
    test = None if listing.test is None else _listed("test", listing.test)
    return divide(train, validation, test, config)


def train_counts(sizes: Sequence[int], available: Sequence[int], config: Task) -> tuple[int, ...]:
    """How many training examples a seed draws of each class, as the task's `class_counts` says.

    Its DataError tells how many are copies of held-out images, where any are.
    """
    try:
        return task_arrays(config).class_counts(sizes, available, config.source.title)
    except DataError as error:
        copies = sum(sizes) - sum(available)
        if not copies:
            raise
        raise DataError(f"{error}; {copies:,} more are copies of validation or test images") from None


def divide(train: Part, validation: Part | None, test: Part | None, config: Task) -> Division:
    """See `make_splits`."""
    everything = np.arange(len(train))
    tested, rest = _hold_out("test", test, config.test_per_class, train, everything, (), config)
    taken = _pictures(tested, train, test)
    if config.validates:
        validated, rest = _hold_out(
            "validation", validation, config.validation_per_class, train, rest, taken, config
        )
    else:
        nothing = everything[:0]
        validated = Taken(nothing, nothing, "train", nothing)
    taken |= _pictures(validated, train, validation)
    pool = without(rest, train.pictures, taken)
    return Division(
        pool=pool,
        validation=validated,
        test=tested,
        class_sizes=count_classes(train.classes[rest], config),
        copies=np.setdiff1d(rest, pool),
    )


def _part(images: Images) -> Part:
    return Part(images.classes, images.ids, digests(images))


def _listed(name: Origin, classes: NDArray[np.int64]) -> Part:
    ids = np.arange(len(classes))
    return Part(classes, ids, [(name, position) for position in ids.tolist()])


def _held_out(taken: Taken, train: Images, own: Images | None) -> HeldOut:
    images = train if taken.origin == "train" or own is None else own
    return HeldOut(images.take(taken.positions), taken.origin, images.ids[taken.copies])


def _hold_out(
    name: Origin,
    own: Part | None,
    per_class: int | None,
    train: Part,
    rest: NDArray[np.int64],
    taken: Collection[Hashable],
    config: Task,
) -> tuple[Taken, NDArray[np.int64]]:
    """Draw `per_class` of each class out of `rest`, or take the `own` split; never a picture in `taken`.

    Returns what is held out and the positions in `train` that are left.
    """
    data_set = config.source.title
    if per_class is not None:
        drawn = _draw_per_class(name, per_class, train, rest, taken, config)
        held_out = Taken(drawn, train.classes[drawn], "train", drawn[:0])
        rest = np.setdiff1d(rest, drawn)
    elif own is not None:
        everything = np.arange(len(own))
        kept = without(everything, own.pictures, taken)
        held_out = Taken(kept, own.classes[kept], name, np.setdiff1d(everything, kept))
    else:
        raise DataError(
            f"{data_set} has no {name} split of its own: expected {name}_per_class, how many examples "
            f"of each class to hold out, given none"
        )
    try:
        task_arrays(config).check_split(name, held_out.classes, data_set)
    except DataError as error:
        copies = len(held_out.copies)
        if not copies:
            raise
        of_all = copies + len(held_out.positions)
        share = f"all {of_all:,}" if copies == of_all else f"{copies:,} of the {of_all:,}"
        raise DataError(f"{error}: {share} {name} images are copies of test images") from None
    return held_out, rest


def _draw_per_class(
    name: Origin,
    count: int,
    train: Part,
    rest: NDArray[np.int64],
    taken: Collection[Hashable],
    config: Task,
) -> NDArray[np.int64]:
    """Sorted positions in `train` of `count` examples of each class, out of `rest`."""
    candidates = without(rest, train.pictures, taken)
    drawn = []
    for index, label in enumerate(config.labels):
        members = candidates[train.classes[candidates] == index]
        if len(members) < count:
            copies = int(np.count_nonzero(train.classes[rest] == index)) - len(members)
            besides = f" besides {copies:,} copies of test images" if copies else ""
            raise DataError(
                f"{config.source.title}: {name}_per_class asks for {count} examples "
                f"of class {label!r}, there are {len(members)}{besides}"
            )
        drawn.append(members[draw(train.ids[members], count, seed=_FIXED_SEED, purpose=name)])
    return np.sort(np.concatenate(drawn))


def _pictures(held_out: Taken, train: Part, own: Part | None) -> frozenset[Hashable]:
    """The pictures that are held out."""
    part = train if held_out.origin == "train" or own is None else own
    return frozenset(part.pictures[position] for position in held_out.positions.tolist())


def count_classes(classes: NDArray[np.int64], config: Task) -> tuple[int, ...]:
    """How many of these examples are of each class."""
    return tuple(map(int, np.bincount(classes, minlength=len(config.labels))))
