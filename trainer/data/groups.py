"""Whole groups, patients for one, on one side: drawn, hashed, and asserted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import DataError
from search_spaces.words import count
from trainer.data.stratified import hold_out_units
from trainer.seeds import seed_for
from trainer.tasks.label_sets import Labels, are_sets

# Hexadecimal digits of a hashed group.
_DIGITS = 16


def draw_groups(
    groups: NDArray[np.str_],
    classes: Labels,
    wanted: NDArray[np.float64],
    *,
    seed: int,
    purpose: str,
) -> NDArray[np.bool_]:
    """Which examples [N] are held out: whole groups, with nearly `wanted` examples of each class.

    Groups are visited in the order of `seed_for(seed, "<purpose>/<group>")`, and one changes sides where that
    brings the held out examples nearer to what is wanted, round after round, until none does. So no single
    group more or less would come nearer. Near is the sum over classes of the squared differences, each as a
    share of the class's examples; before that counts how many classes would be missing on a side.
    Of examples with label sets that begins where iterative stratification of the groups ends.

    `classes` are [N], or label sets [N, C]; `wanted` [C] are numbers of examples, of which each class has
    more.
    """
    names, member = np.unique(groups, return_inverse=True)
    sizes = np.zeros((len(names), len(wanted)))
    ranks = [seed_for(seed, f"{purpose}/{name}") for name in names.tolist()]
    is_out = np.zeros(len(names), dtype=bool)
    if are_sets(classes):
        np.add.at(sizes, member, classes)
        every = np.bincount(member, minlength=len(names)).astype(np.float64)
        share = float(wanted.sum() / max(sizes.sum(), 1))
        is_out = hold_out_units(sizes, every, np.array([*wanted, share * every.sum()]), ranks)
    else:
        np.add.at(sizes, (member, classes), 1)
    total = sizes.sum(axis=0)
    held = sizes[is_out].sum(axis=0)
    distance = _distance(held, wanted, total)
    changed = True
    while changed:
        changed = False
        for group in np.argsort(ranks, kind="stable").tolist():
            other = held - sizes[group] if is_out[group] else held + sizes[group]
            nearer = _distance(other, wanted, total)
            if nearer < distance:
                held, distance, changed = other, nearer, True
                is_out[group] = not is_out[group]
    return is_out[member]


def _distance(
    held: NDArray[np.float64], wanted: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[int, float]:
    """How many classes are missing on a side; how far the held out counts are from the wanted ones."""
    there = total > 0
    missing = np.count_nonzero(there & (held == 0)) + np.count_nonzero(there & (held == total))
    shares = (held[there] - wanted[there]) / total[there]
    # Rounded, so that what is equally near on paper is so here.
    return int(missing), round(float(shares @ shares), 12)


def check_apart(groups: Mapping[str, NDArray[Any]], data_set: str) -> None:
    """Raise DataError where a group stands in two splits: in how many of them, and one example.

    `groups` are those of each split's examples, by the split's name.
    """
    names = list(groups)
    for position, one in enumerate(names):
        for other in names[position + 1 :]:
            both = np.intersect1d(groups[one], groups[other])
            if len(both):
                raise DataError(
                    f"{data_set}: expected every group in one split, found {count(len(both), 'group')} "
                    f"in both {one} and {other}, for example {both[0]}"
                )


def hashed(groups: NDArray[np.str_]) -> NDArray[np.str_]:
    """The first 16 digits of the SHA-256 of each group's name [N]: equal for one group, in every result.

    They keep names short and of one length. Whoever knows the names can find them again.
    """
    known = {name: hashlib.sha256(name.encode()).hexdigest()[:_DIGITS] for name in set(groups.tolist())}
    return np.array([known[name] for name in groups.tolist()], dtype=f"<U{_DIGITS}")
