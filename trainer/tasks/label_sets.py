"""Which labels examples have: one class each, or a set of labels.

The labels of N examples, as readers give them, are

    int64 [N]      of a task with one class per example: its position among the task's labels
    uint8 [N, L]   of a task with label sets: 1 where an example has the label; none, one or several of a row

What is asked of both goes through here. Equal labels make a stratum: a class, or a label set.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.integer[Any]]


class Strata(NamedTuple):
    """Examples by their labels.

    sets      uint8 [S, L], the labels of each stratum's examples; of classes the identity
    members   int64 each, the rising positions of each stratum's examples
    """

    sets: NDArray[np.uint8]
    members: tuple[NDArray[np.int64], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Examples of each stratum [S]."""
        return tuple(map(len, self.members))


def are_sets(labels: Labels) -> bool:
    """Whether examples have label sets, as opposed to one class each."""
    return labels.ndim == 2


def has_label(labels: Labels, position: int) -> NDArray[np.bool_]:
    """Which examples [N] have the task's label at this position.

    >>> has_label(np.array([[1, 0], [1, 1]]), 1).tolist(), has_label(np.array([0, 1]), 1).tolist()
    ([False, True], [False, True])
    """
    found: NDArray[np.bool_] = labels[:, position] == 1 if are_sets(labels) else labels == position
    return found


def label_counts(labels: Labels, count: int) -> tuple[int, ...]:
    """How many examples have each of `count` labels. Those of label sets add up to any number.

    >>> label_counts(np.array([[1, 0], [1, 1]]), 2), label_counts(np.array([0, 0, 1]), 2)
    ((2, 1), (2, 1))
    """
    if are_sets(labels):
        return tuple(map(int, labels.sum(axis=0, dtype=np.int64)))
    return tuple(map(int, np.bincount(labels, minlength=count)))


def strata(labels: Labels, count: int) -> Strata:
    """The examples of each of `count` classes, empty ones too; or of each label set that occurs, in order."""
    if not are_sets(labels):
        members = [np.flatnonzero(labels == position) for position in range(count)]
        return Strata(np.eye(count, dtype=np.uint8), tuple(members))
    sets, member = np.unique(labels, axis=0, return_inverse=True)
    order = np.argsort(member.reshape(-1), kind="stable")
    ends = np.bincount(member.reshape(-1), minlength=len(sets)).cumsum()
    return Strata(sets.astype(np.uint8), tuple(np.split(order, ends)[: len(sets)]))


def of_strata(sets: NDArray[np.uint8], counts: tuple[int, ...]) -> tuple[int, ...]:
    """How many examples have each label, of so many examples of each stratum."""
    return tuple(map(int, np.asarray(counts, dtype=np.int64) @ sets.astype(np.int64)))
