"""How many images train, validate and test in the presets of long tails, by both protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search_spaces.presets import TASKS
from trainer.data.task import load_task
from trainer.tasks.base import task_arrays

# The sum of training images for each factor.
TOTALS = {
    "cifar50-longtail": {10: 8_908, 50: 5_788, 200: 4_387},
    "cifar50-longtail-published": {10: 9_901, 50: 6_430, 200: 4_878},
    "cifar100-longtail": {10: 17_614, 50: 11_349, 100: 9_754},
    "cifar100-longtail-published": {10: 19_573, 50: 12_608, 100: 10_847},
    "cifar10-longtail": {10: 18_388, 50: 12_596, 100: 11_165},
    "cifar10-longtail-published": {10: 20_431, 50: 13_996, 100: 12_406},
}
EACH = {"cifar10": 5000, "cifar50": 500, "cifar100": 500}


@pytest.mark.parametrize("name", TOTALS)
def test_as_many_train_as_the_protocol_says(name: str) -> None:
    task: Any = TASKS[name]
    left = EACH[name.partition("-")[0]] - task.validation_per_class
    sizes = [left] * len(task.classes)
    for factor, total in TOTALS[name].items():
        assert sum(task_arrays(task.with_ratio(factor)).class_counts(sizes, sizes, "cifar")) == total


@pytest.mark.parametrize("name", ["cifar50-longtail", "cifar50-longtail-published"])
def test_real_images_are_as_many(real_data: Path, name: str) -> None:
    """Copies of test images leave the pool, and of no class that a tail needs whole."""
    task: Any = TASKS[name]
    for factor, total in TOTALS[name].items():
        data = load_task(task.with_ratio(factor), real_data)
        assert len(data.train_indices(1)) == sum(data.counts) == total
        assert list(data.counts) == sorted(data.counts, reverse=True)
    assert len(data.validation.ids) == 50 * task.validation_per_class
    assert len(data.test.ids) == 50 * 100
