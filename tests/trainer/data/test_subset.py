from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search_spaces.config import Binary, Cifar10, Cifar100, ClassLabel, Source
from search_spaces.errors import DataError
from trainer.data.subset import draw_subset
from trainer.tasks.base import task_arrays


def class_counts(task: Binary, sizes: Sequence[int], available: Sequence[int]) -> tuple[int, ...]:
    return task_arrays(task).class_counts(sizes, available, task.source.name)


def _config(
    negatives: int, positives: int, ratio: float | None, share: float = 0.9, source: Source | None = None
) -> Binary:
    labels: tuple[ClassLabel, ...] = tuple(range(negatives + positives))
    return Binary(
        source=source or Cifar10(),
        negative=labels[:negatives],
        positive=labels[negatives:],
        imbalance_ratio=ratio,
        train_share=share,
    )


@pytest.mark.parametrize(
    ("negatives", "size", "ratio", "expected"),
    [
        (1, 4900, 100.0, (4410, 44)),
        (1, 4900, 200.0, (4410, 22)),
        (1, 4900, None, (4410, 4410)),
        (5, 450, 100.0, (405,) * 5 + (20,)),
        (5, 450, 200.0, (405,) * 5 + (10,)),
    ],
)
def test_the_papers_counts(negatives: int, size: int, ratio: float | None, expected: tuple[int, ...]) -> None:
    sizes = [size] * (negatives + 1)
    assert class_counts(_config(negatives, 1, ratio, source=Cifar100()), sizes, sizes) == expected


def test_copies_that_left_the_pool_change_no_count_that_the_rest_can_give() -> None:
    assert class_counts(_config(1, 1, 100.0), [450, 450], [448, 450]) == (405, 4)
    assert class_counts(_config(1, 1, 100.0, share=1.0), [450, 450], [448, 450]) == (448, 4)


@pytest.mark.parametrize(
    ("share", "size", "expected"), [(0.29, 100, 29), (0.57, 100, 57), (1 / 3, 10, 3), (1.0, 7, 7)]
)
def test_a_share_is_taken_as_it_is_written(share: float, size: int, expected: int) -> None:
    assert class_counts(_config(1, 1, None, share), [size] * 2, [size] * 2) == (expected, expected)


@pytest.mark.parametrize(("ratio", "expected"), [(1.1, 100), (2.5, 44), (55.0, 2), (110.0, 1)])
def test_a_ratio_is_taken_as_it_is_written(ratio: float, expected: int) -> None:
    assert class_counts(_config(1, 1, ratio, 1.0), [110, 200], [110, 200]) == (110, expected)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.lists(st.integers(0, 40), min_size=1, max_size=5),
    st.integers(1, 30),
)
def test_positives_are_spread_as_evenly_as_their_classes_allow(
    negatives: list[int], positives: list[int], ratio: int
) -> None:
    asked = sum(negatives) // ratio
    assume(0 < asked <= sum(positives))
    sizes = negatives + positives
    counts = class_counts(_config(len(negatives), len(positives), float(ratio), 1.0), sizes, sizes)
    assert counts[: len(negatives)] == tuple(negatives)
    spread = counts[len(negatives) :]
    assert sum(spread) == asked
    assert all(n <= size for n, size in zip(spread, positives, strict=True))
    # A class that could give more gives at most one less than any other.
    assert all(n == size or n >= max(spread) - 1 for n, size in zip(spread, positives, strict=True))


def test_too_few_positives_say_how_many_there_are() -> None:
    with pytest.raises(DataError) as caught:
        class_counts(_config(1, 1, 2.0), [4900, 30], [4900, 30])
    assert str(caught.value) == (
        "cifar10: ratio 1:2 of 4410 training negatives asks for 2205 positives of class 1, "
        "there are 30 besides validation and test"
    )


def test_a_ratio_that_leaves_no_positive_is_an_error() -> None:
    with pytest.raises(DataError) as caught:
        class_counts(_config(1, 2, 5000.0), [4900, 10, 20], [4900, 10, 20])
    assert str(caught.value) == (
        "cifar10: ratio 1:5000 of 4410 training negatives asks for 0 positives of class 1, 2, "
        "expected 1 or more; there are 30"
    )


@pytest.mark.parametrize(("sizes", "label"), [((1, 100), 0), ((100, 1), 1), ((0, 100), 0)])
def test_a_class_without_an_example_to_train_on_is_an_error(sizes: tuple[int, int], label: int) -> None:
    with pytest.raises(DataError, match=rf"cifar10: train_share 0.9 asks for 0 of the . .* of class {label}"):
        class_counts(_config(1, 1, None), sizes, sizes)


def test_a_seed_draws_each_class_apart() -> None:
    ids = np.arange(100) * 7
    members = [np.arange(0, 60), np.arange(60, 100)]
    drawn = draw_subset(ids, members, (30, 4), seed=1)
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert (drawn < 60).sum() == 30
    assert len(drawn) == 34
    fewer = draw_subset(ids, members, (30, 2), seed=1)
    assert set(fewer.tolist()) < set(drawn.tolist())
    assert draw_subset(ids, members, (30, 4), seed=2).tolist() != drawn.tolist()
