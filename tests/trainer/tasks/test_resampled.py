"""A task's metrics of resampled test sets, with every example once, are those of the set itself."""

import numpy as np
import pytest

from search_spaces.config import Binary, MultiClass, MultiLabel, Task
from trainer.tasks.base import task_arrays


@pytest.mark.parametrize(
    "task", [Binary.example(), MultiClass.example(), MultiLabel.example()], ids=lambda task: task.kind
)
def test_with_every_count_one_they_are_the_sets_own(task: Task) -> None:
    arrays = task_arrays(task)
    generator = np.random.default_rng(0)
    classes = len(task.labels)
    shape = (90, classes) if task.has_label_sets else (90,)
    targets = generator.integers(2 if task.has_label_sets or task.kind == "binary" else classes, size=shape)
    outputs = generator.normal(size=(90,) if task.kind == "binary" else (90, classes)).round(1)
    summary = arrays.summarize(targets, outputs)
    every = arrays.resampled(targets, outputs, np.ones((90, 3), np.int16))
    headline = arrays.resampled(targets, outputs, np.ones((90, 3), np.int16), headline=True)
    assert set(headline) == set(arrays.names("headline")), "every headline metric has an interval"
    assert set(headline) <= set(every)
    for name, values in {**every, **headline}.items():
        assert values == pytest.approx([summary[name]] * 3, abs=1e-12), name
