"""Disjoint training pool, validation and test split of a task."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Task
from search_spaces.errors import DataError
from trainer.data.groups import check_apart
from trainer.data.held_out import Part, Taken, count_classes, hold_out
from trainer.data.pictures import digests, without
from trainer.data.sources.images import Images, Listing, Origin, RawData
from trainer.seeds import draw
from trainer.tasks.base import task_arrays
from trainer.tasks.label_sets import Labels, Strata, are_sets, strata
from trainer.tasks.prevalence import keeping, whole_counts

T = TypeVar("T")

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

    class_sizes     per asked class or label, training examples that are not held out, copies included
    copies          which of these are copies of a validation or test image and left the pool: their ids
    """

    pool: Images
    validation: HeldOut
    test: HeldOut
    class_sizes: tuple[int, ...]
    copies: NDArray[np.int64] | NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Division:
    """Where the examples of pool, validation and test stand; see `Splits`.

    pool, copies     positions in the data set's own training split
    groups           how many groups pool, validation and test have; empty of a source without groups
    """

    pool: NDArray[np.int64]
    validation: Taken
    test: Taken
    class_sizes: tuple[int, ...]
    copies: NDArray[np.int64]
    groups: tuple[int, ...] = ()


def make_splits(raw: RawData, config: Task) -> Splits:
    """Hold out test and then validation, the same examples for every seed, ratio and trial.

    Images with equal pixels count as copies of one picture. A copy of a test image is neither drawn for
    validation nor kept in the data set's own validation split, and a training image that is a copy of a
    test or validation image leaves the pool. Copies within one split stay.

    Of a source with groups whole groups are drawn, and no group stands in two of the three. Where labels are
    to have shares in every split, examples are left out of the data set's own splits first.

    Raises DataError if the data set lacks a split that the configuration does not draw, if a class
    has too few examples to draw from, if validation or test lack what the task's metrics need, and if a
    group stands in two of the data set's own splits.
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

    As many examples of each class as `make_splits` takes where there are no copies, though not the same ones;
    and the same groups.
    Raises DataError for what labels tell, as `make_splits` does.
    """
    train = _listed("train", listing.train, listing)
    validation = None
    if listing.validation is not None:
        validation = _listed("validation", listing.validation, listing)
    test = None if listing.test is None else _listed("test", listing.test, listing)
    return divide(train, validation, test, config)


def train_counts(sizes: Sequence[int], pool: Strata, config: Task) -> tuple[int, ...]:
    """How many training examples a seed draws of each stratum of the pool, as `class_counts` says.

    `sizes` are training examples of each class or label, copies of held-out ones included. A DataError tells
    how many are such copies, where any are.
    """
    try:
        return task_arrays(config).class_counts(sizes, pool.sizes, config.source.title, pool.sets)
    except DataError as error:
        copies = sum(sizes) - sum(pool.sizes)
        if config.has_label_sets or not copies:  # sizes of labels overlap
            raise
        raise DataError(f"{error}; {copies:,} more are copies of validation or test images") from None


def divide(train: Part, validation: Part | None, test: Part | None, config: Task) -> Division:
    """See `make_splits`."""
    for part in (train, validation, test):
        if part is not None:
            _check_labels(part.classes, config)
    shares = config.kept_shares("every_split")
    if not shares:
        return _divide(train, validation, test, config)
    own: dict[Origin, Part | None] = {"train": train, "validation": validation, "test": test}
    kept = {name: _kept(part, shares, config) for name, part in own.items() if part is not None}
    found = _divide(
        train.take(kept["train"]),
        None if validation is None else validation.take(kept["validation"]),
        None if test is None else test.take(kept["test"]),
        config,
    )
    return replace(
        found,
        pool=kept["train"][found.pool],
        validation=_back(found.validation, kept),
        test=_back(found.test, kept),
        copies=kept["train"][found.copies],
    )


def _check_labels(labels: Labels, config: Task) -> None:
    """Raise DataError for label sets where a task wants one class each, and the other way round."""
    if are_sets(labels) == config.has_label_sets:
        return
    words = ["one class per image", "label sets"]
    expected, found = (words[int(sets)] for sets in (config.has_label_sets, are_sets(labels)))
    raise DataError(f"{config.source.title}: expected {expected} for a {config.kind} task, found {found}")


def _kept(part: Part, shares: Mapping[int, float], config: Task) -> NDArray[np.int64]:
    """Sorted positions of the examples of a split with which labels have these shares, as many as can be."""
    found = strata(part.classes, len(config.labels))
    weights = keeping(found.sets, found.sizes, shares)
    if weights is None:
        asked = ", ".join(f"{share:g} of label {config.labels[place]!r}" for place, share in shares.items())
        raise DataError(
            f"{config.source.title}: expected images of which the shares can be {asked}, found none"
        )
    counts = whole_counts(found.sets, weights * np.array(found.sizes), found.sizes)
    kept = []
    for members, count in zip(found.members, counts, strict=True):
        kept.append(members[draw(part.ids[members], count, seed=_FIXED_SEED, purpose="prevalence")])
    return np.sort(np.concatenate(kept))


def _back(taken: Taken, kept: Mapping[Origin, NDArray[np.int64]]) -> Taken:
    """The same examples by their positions in the data set's own split."""
    own = kept[taken.origin]
    return replace(taken, positions=own[taken.positions], copies=own[taken.copies])


def _divide(train: Part, validation: Part | None, test: Part | None, config: Task) -> Division:
    for part in (train, validation, test):
        if config.source.groups is not None and part is not None and part.groups is None:
            raise DataError(
                f"{config.source.title}: expected the groups of source.groups, its reader tells none"
            )
    everything = np.arange(len(train))
    tested, rest = hold_out("test", test, train, everything, (), config)
    taken = _pictures(tested, train, test)
    if config.validates:
        validated, rest = hold_out("validation", validation, train, rest, taken, config)
    else:
        nothing = everything[:0]
        validated = Taken(nothing, nothing, "train", nothing)
    taken |= _pictures(validated, train, validation)
    pool = without(rest, train.pictures, taken)
    groups = {
        "training": _groups(pool, train),
        "validation": _groups(validated.positions, _origin_of(validated, train, validation)),
        "test": _groups(tested.positions, _origin_of(tested, train, test)),
    }
    check_apart(groups, config.source.title)
    return Division(
        pool=pool,
        validation=validated,
        test=tested,
        class_sizes=count_classes(train.classes[rest], config),
        copies=np.setdiff1d(rest, pool),
        groups=() if train.groups is None else tuple(len(np.unique(its)) for its in groups.values()),
    )


def _part(images: Images) -> Part:
    return Part(images.classes, images.ids, digests(images), images.groups)


def _listed(name: Origin, classes: Labels, listing: Listing) -> Part:
    ids = np.arange(len(classes))
    pictures = [(name, position) for position in ids.tolist()]
    return Part(classes, ids, pictures, listing.groups.get(name))


def _origin_of(taken: Taken, train: T, own: T | None) -> T:
    """That of the two to which the positions of what is held out refer."""
    return train if taken.origin == "train" or own is None else own


def _held_out(taken: Taken, train: Images, own: Images | None) -> HeldOut:
    images = _origin_of(taken, train, own)
    return HeldOut(images.take(taken.positions), taken.origin, images.ids[taken.copies])


def _groups(positions: NDArray[np.int64], part: Part) -> NDArray[np.str_]:
    return np.empty(0, np.str_) if part.groups is None else part.groups[positions]


def _pictures(held_out: Taken, train: Part, own: Part | None) -> frozenset[Hashable]:
    """The pictures that are held out."""
    part = _origin_of(held_out, train, own)
    return frozenset(part.pictures[position] for position in held_out.positions.tolist())
