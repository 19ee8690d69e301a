"""A task's metrics of resampled test sets: with every example once, and with one left out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from search_spaces.config import Binary, MultiClass, MultiLabel, Task
from trainer.tasks.base import task_arrays

ALL = [Binary.example(), MultiClass.example(), MultiLabel.example()]


def some(task: Task, examples: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Targets of a task and outputs with ties."""
    generator = np.random.default_rng(0)
    classes = len(task.labels)
    shape = (examples, classes) if task.has_label_sets else (examples,)
    targets = generator.integers(2 if task.has_label_sets or task.kind == "binary" else classes, size=shape)
    outputs = generator.normal(size=(examples,) if task.kind == "binary" else (examples, classes)).round(1)
    return targets, outputs


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.kind)
def test_with_every_count_one_they_are_the_sets_own(task: Task) -> None:
    arrays = task_arrays(task)
    targets, outputs = some(task, 90)
    summary = arrays.summarize(targets, outputs)
    every = arrays.resampled(targets, outputs, np.ones((90, 3), np.int16))
    headline = arrays.resampled(targets, outputs, np.ones((90, 3), np.int16), headline=True)
    assert set(headline) == set(arrays.names("headline")), "every headline metric has an interval"
    assert set(headline) <= set(every)
    for name, values in {**every, **headline}.items():
        assert values == pytest.approx([summary[name]] * 3, abs=1e-12), name


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.kind)
def test_an_examples_influence_is_what_leaving_it_out_changes(task: Task) -> None:
    """Of every area; exactly so but for a factor n / (n - 1) of the example's class of n."""
    arrays = task_arrays(task)
    targets, outputs = some(task, 80)
    found = arrays.influences(targets, outputs)
    values = arrays.resampled(targets, outputs, np.ones((80, 1), np.int16))
    without = arrays.resampled(targets, outputs, 1 - np.eye(80, dtype=np.int16))
    areas = [name for name in values if "auroc" in name]
    assert areas
    for name in areas:
        change = values[name] - without[name]
        if task.kind == "binary":
            size = np.where(targets == 1, np.sum(targets == 1), np.sum(targets == 0))
            assert found[name] * size / (size - 1) == pytest.approx(change, abs=1e-12)
        assert np.corrcoef(change, found[name])[0, 1] > 0.99, name
        assert np.sum(found[name]) == pytest.approx(0, abs=1e-9), name
