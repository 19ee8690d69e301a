"""Examples to look at, as they are and as they are augmented."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.config import Binary, Digits, MultiLabel, Task
from search_spaces.policies import POLICIES
from trainer.data.sheet import EXAMPLES, augmented, example_rows
from trainer.data.task import load_task

DIGITS = Binary(source=Digits(), negative=(1, 2), positive=(8,), validation_per_class=20, test_per_class=20)


@pytest.mark.parametrize("task", [DIGITS, MultiLabel.example()], ids=lambda task: task.kind)
def test_a_row_holds_different_examples_of_its_class_or_label_alone(task: Task) -> None:
    data = load_task(task, None)
    rows = example_rows(data.splits)
    places = [row.place for row in rows]
    assert places == [*range(len(task.labels)), *([None] if task.has_label_sets else [])]
    sets, members = data.splits.strata
    hashes = np.array([picture.hex() for picture in data.pool.pixels.hashes()])
    for row in rows:
        assert len(row.pixels) == EXAMPLES
        of_it = set()
        for own, positions in zip(sets, members, strict=True):
            if own[row.place] if row.place is not None else not own.any():
                of_it |= set(hashes[positions])
        shown = [type(data.pool.pixels)(image[None]).hashes()[0].hex() for image in row.pixels]
        assert set(shown) <= of_it
        assert len(set(shown)) == EXAMPLES, "from all over the pool"
    again = example_rows(load_task(task, None).splits)
    assert all(np.array_equal(row.pixels, other.pixels) for row, other in zip(rows, again, strict=True))


def test_what_training_sees_is_shown_in_the_same_places() -> None:
    rows = example_rows(load_task(DIGITS, None).splits)
    for row, same in zip(rows, augmented(rows, POLICIES["none"]), strict=True):
        assert np.array_equal(row.pixels, same.pixels)
    changed = augmented(rows, POLICIES["flip_rotate_affine_jitter"])
    assert [row.place for row in changed] == [row.place for row in rows]
    assert [row.pixels.shape for row in changed] == [row.pixels.shape for row in rows]
    assert any(not np.array_equal(row.pixels, one.pixels) for row, one in zip(rows, changed, strict=True))
    twice = augmented(rows, POLICIES["flip_rotate_affine_jitter"])
    assert all(np.array_equal(row.pixels, one.pixels) for row, one in zip(twice, changed, strict=True))
