"""How one split is held out: drawn from the training images, or taken as the data set's own."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import HeldOutDraw, HeldOutName, Task
from search_spaces.errors import DataError
from trainer.data.groups import draw_groups
from trainer.data.pictures import without
from trainer.data.sources.images import Origin
from trainer.data.stratified import draw_stratified
from trainer.seeds import draw
from trainer.tasks.base import task_arrays
from trainer.tasks.label_sets import Labels, are_sets, has_label, label_counts

# Validation and test are drawn once for all replicates, whose own seeds draw under other purposes.
_FIXED_SEED = 0


@dataclass(frozen=True, eq=False)
class Part:
    """One of a data set's own splits, as it is divided.

    classes     int64 [N], or uint8 [N, L] of label sets
    ids         [N], by which examples are drawn
    pictures    [N], equal for copies of one picture
    groups      [N], of a source with groups
    """

    classes: Labels
    ids: NDArray[np.int64] | NDArray[np.str_]
    pictures: Sequence[Hashable]
    groups: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, positions: NDArray[np.int64]) -> Part:
        """The examples at these positions, in their order."""
        pictures = [self.pictures[position] for position in positions.tolist()]
        groups = None if self.groups is None else self.groups[positions]
        return Part(self.classes[positions], self.ids[positions], pictures, groups)


@dataclass(frozen=True, eq=False)
class Taken:
    """What is held out, as positions in the own split `origin`; so are the `copies` that are left out."""

    positions: NDArray[np.int64]
    classes: Labels
    origin: Origin
    copies: NDArray[np.int64]


def hold_out(
    name: HeldOutName,
    own: Part | None,
    train: Part,
    rest: NDArray[np.int64],
    taken: Collection[Hashable],
    config: Task,
) -> tuple[Taken, NDArray[np.int64]]:
    """Draw of each class or label out of `rest`, or take the `own` split; never a picture in `taken`.

    Returns what is held out and the positions in `train` that are left: of a drawn group none.
    """
    data_set, asked = config.source.title, config.drawn(name)
    if asked is not None and train.groups is not None:
        chosen = _whole_groups(name, asked, train, train.groups, rest, config)
        drawn = without(chosen, train.pictures, taken)
        held_out = Taken(drawn, train.classes[drawn], "train", np.setdiff1d(chosen, drawn))
        rest = np.setdiff1d(rest, chosen)
    elif asked is not None:
        draw_from = _draw_of_label_sets if are_sets(train.classes) else _draw_of_each_class
        drawn = draw_from(name, asked, train, rest, taken, config)
        held_out = Taken(drawn, train.classes[drawn], "train", drawn[:0])
        rest = np.setdiff1d(rest, drawn)
    elif own is not None:
        everything = np.arange(len(own))
        kept = without(everything, own.pictures, taken)
        held_out = Taken(kept, own.classes[kept], name, np.setdiff1d(everything, kept))
    else:
        expected = f"{name}_per_class, how many examples of each class to hold out, or {name}_share"
        if are_sets(train.classes):
            expected = f"{name}_share, the share of the training images to hold out"
        raise DataError(f"{data_set} has no {name} split of its own: expected {expected}, given none")
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


def _whole_groups(
    name: HeldOutName,
    asked: HeldOutDraw,
    train: Part,
    groups: NDArray[np.str_],
    rest: NDArray[np.int64],
    config: Task,
) -> NDArray[np.int64]:
    """Sorted positions in `train`, out of `rest`, of the groups that are drawn for a split by its share."""
    wanted = asked.amount * np.array(count_classes(train.classes, config))
    is_drawn = draw_groups(
        groups[rest], train.classes[rest], wanted, seed=_FIXED_SEED, purpose=f"{name}/group"
    )
    return rest[is_drawn]


def _draw_of_each_class(
    name: HeldOutName,
    asked: HeldOutDraw,
    train: Part,
    rest: NDArray[np.int64],
    taken: Collection[Hashable],
    config: Task,
) -> NDArray[np.int64]:
    """Sorted positions in `train` of so many examples of each class, out of `rest`."""
    candidates = without(rest, train.pictures, taken)
    drawn = []
    for index, label in enumerate(config.labels):
        is_one = has_label(train.classes, index)
        members = candidates[is_one[candidates]]
        count = asked.of_class(int(np.count_nonzero(is_one)))
        if len(members) < count:
            copies = int(np.count_nonzero(is_one[rest])) - len(members)
            besides = f" besides {copies:,} copies of test images" if copies else ""
            raise DataError(
                f"{config.source.title}: {asked.key} asks for {count} examples "
                f"of class {label!r}, there are {len(members)}{besides}"
            )
        drawn.append(members[draw(train.ids[members], count, seed=_FIXED_SEED, purpose=name)])
    return np.sort(np.concatenate(drawn))


def _draw_of_label_sets(
    name: HeldOutName,
    asked: HeldOutDraw,
    train: Part,
    rest: NDArray[np.int64],
    taken: Collection[Hashable],
    config: Task,
) -> NDArray[np.int64]:
    """Sorted positions in `train`, out of `rest`, of a share of all examples and of those with each label."""
    candidates = without(rest, train.pictures, taken)
    wanted = asked.amount * np.array([*count_classes(train.classes, config), len(train)])
    is_drawn = draw_stratified(
        train.classes[candidates], wanted, train.ids[candidates], seed=_FIXED_SEED, purpose=name
    )
    return candidates[is_drawn]


def count_classes(classes: Labels, config: Task) -> tuple[int, ...]:
    """How many of these examples are of each class, or have each label."""
    return label_counts(classes, len(config.labels))
