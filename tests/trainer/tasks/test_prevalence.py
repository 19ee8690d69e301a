"""Which examples are kept so that labels have the shares that are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainer.tasks.label_sets import has_label, label_counts, of_strata, strata
from trainer.tasks.prevalence import keeping, whole_counts


def some_sets(seed: int, examples: int = 4000, labels: int = 3) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return (rng.random((examples, labels)) < rng.uniform(0.1, 0.6, labels)).astype(np.uint8)


def test_strata_are_the_classes_or_the_label_sets() -> None:
    of_classes = strata(np.array([2, 0, 2]), 3)
    assert [members.tolist() for members in of_classes.members] == [[1], [], [0, 2]]
    assert of_strata(of_classes.sets, of_classes.sizes) == (1, 0, 2)
    sets = np.array([[1, 1], [0, 0], [1, 1], [1, 0]], np.uint8)
    of_sets = strata(sets, 2)
    assert of_sets.sets.tolist() == [[0, 0], [1, 0], [1, 1]]
    assert [members.tolist() for members in of_sets.members] == [[1], [3], [0, 2]]
    assert of_strata(of_sets.sets, of_sets.sizes) == label_counts(sets, 2) == (3, 2)
    assert has_label(sets, 1).tolist() == [True, False, True, False]
    assert strata(np.zeros((0, 2), np.uint8), 2).sizes == ()


def test_of_one_label_that_is_cut_its_examples_alone_are_thinned() -> None:
    found = strata(some_sets(1), 3)
    kept = keeping(found.sets, found.sizes, {0: 0.05})
    assert kept is not None
    having = found.sets[:, 0] == 1
    assert np.all(kept[~having] == 1)
    assert np.ptp(kept[having]) < 1e-9


@given(st.integers(0, 99), st.lists(st.floats(0.03, 0.8), min_size=3, max_size=3))
def test_labels_have_the_asked_shares_and_at_least_one_set_is_kept_whole(
    seed: int, shares: list[float]
) -> None:
    found = strata(some_sets(seed), 3)
    asked = dict(enumerate(shares))
    kept = keeping(found.sets, found.sizes, asked)
    assert kept is not None
    assert 0 <= kept.min() <= kept.max() == 1
    counts = whole_counts(found.sets, kept * np.array(found.sizes), found.sizes)
    assert all(0 <= count <= size for count, size in zip(counts, found.sizes, strict=True))
    total = sum(counts)
    for label, count in enumerate(of_strata(found.sets, counts)):
        assert abs(count - asked[label] * total) < 2.5


@pytest.mark.parametrize("shares", [{0: 0.5}, {1: 0.5}])
def test_shares_that_no_choice_of_examples_has_are_none(shares: dict[int, float]) -> None:
    sets: Any = np.array([[0, 1], [0, 1]], np.uint8)
    assert keeping(sets, [5, 5], shares) is None
    assert keeping(sets[:0], [], shares) is None
