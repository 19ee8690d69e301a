"""Classes by their names: the trial is the one that is written by numbers, wherever they stand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search_spaces.config import Cifar100, TrialConfig
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace, product
from search_spaces.yaml.space import read_space

CIFAR10 = {"name": "cifar10"}
CIFAR100 = {"name": "cifar100"}
DIGITS = {"name": "digits"}
OCT = {"name": "medmnist", "subset": "octmnist_64"}


def one(**data: Any) -> TrialConfig:
    loss = "cross_entropy" if data.get("task") == "multiclass" else "bce"
    (trial,) = SearchSpace.of("one", [{"data": data, "loss": loss}])
    return trial


@pytest.mark.parametrize(
    ("by_name", "by_number"),
    [
        (
            {"source": CIFAR10, "negative": ["dog"], "positive": ["cat"]},
            {"source": CIFAR10, "negative": [5], "positive": [3]},
        ),
        (
            {"source": CIFAR10, "negative": "rest", "positive": ["Dog", 3]},
            {"source": CIFAR10, "negative": [0, 1, 2, 4, 6, 7, 8, 9], "positive": [5, 3]},
        ),
        (
            {"source": CIFAR100, "negative": ["aquatic mammals"], "positive": ["people", "shark"]},
            {"source": CIFAR100, "negative": [4, 30, 55, 72, 95], "positive": [2, 11, 35, 46, 98, 73]},
        ),
        (
            {"source": CIFAR100, "negative": ["Large man-made outdoor things"], "positive": ["lawn mower"]},
            {"source": CIFAR100, "negative": [12, 17, 37, 68, 76], "positive": [41]},
        ),
        (
            {"source": DIGITS, "negative": [0], "positive": "rest"},
            {"source": DIGITS, "negative": [0], "positive": [1, 2, 3, 4, 5, 6, 7, 8, 9]},
        ),
        (
            {
                "source": {"name": "medmnist", "subset": "octmnist_64"},
                "negative": ["normal"],
                "positive": "rest",
            },
            {"source": OCT, "negative": [3], "positive": [0, 1, 2]},
        ),
        (
            {"task": "multiclass", "source": CIFAR10, "classes": ["rest", "ship"], "critical": ["ship"]},
            {
                "task": "multiclass",
                "source": CIFAR10,
                "classes": [0, 1, 2, 3, 4, 5, 6, 7, 9, 8],
                "critical": [8],
            },
        ),
        (
            {"task": "multiclass", "source": DIGITS, "classes": "rest", "critical": [8, 9]},
            {"task": "multiclass", "source": DIGITS, "classes": list(range(10)), "critical": [8, 9]},
        ),
    ],
)
def test_names_are_numbers_before_the_identity(
    by_name: Mapping[str, Any], by_number: Mapping[str, Any]
) -> None:
    named, numbered = one(**by_name), one(**by_number)
    assert named == numbered
    assert named.trial_id == numbered.trial_id
    assert named.model_dump_json() == numbered.model_dump_json()


SPACES = {
    "fixed": "fixed: {dataset: cifar10, loss: bce, data.negative: [dog], data.positive: rest}",
    "grid": "fixed: {dataset: cifar10, loss: bce, data.positive: rest}\ngrid: {data.negative: [[dog]]}",
    "choices": """
fixed: {dataset: cifar10, loss: bce}
choices:
  - {data.negative: [dog], data.positive: rest}
""",
    "domains": """
fixed: {dataset: cifar10, loss: bce, data.positive: rest}
random: {samples: 1, domains: {data.negative: {choice: [[dog]]}}}
""",
}


@pytest.mark.parametrize("block", SPACES)
def test_names_stand_wherever_a_class_may(tmp_path: Path, block: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACES[block])
    (trial,) = read_space(path)
    assert trial.data.labels == (5, 0, 1, 2, 3, 4, 6, 7, 8, 9)


def test_a_search_knows_its_trials_by_names() -> None:
    fixed = {"dataset": "cifar10", "loss": "bce"}
    domains = {"data.negative": {"choice": [["dog"], ["cat"]]}, "epochs": {"choice": [1, 2]}}
    space = SearchSpace.searched("mine", fixed, {"domains": domains})
    assert space.search is not None
    point = {"data.negative": ["cat"], "epochs": 2}
    trial = space.search.trial(point)
    assert trial.data.labels == (3, 9)
    assert space.search.locate(trial) == point


def test_names_in_a_product() -> None:
    settings = product({"dataset": ["cifar100"], "loss": ["bce"], "data.positive": [["shark"], ["fish"]]})
    space = SearchSpace.of("mine", settings)
    assert [trial.data.labels[5:] for trial in space] == [(73,), (1, 32, 67, 73, 91)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"source": CIFAR10, "negative": ["dgo"], "positive": [1]},
            "data.negative[0]: expected a class by its number or its name (airplane, automobile, bird, cat, "
            'deer, dog, frog, horse, ship, truck, rest), given "dgo"; did you mean dog?',
        ),
        (
            {"source": CIFAR100, "negative": [1], "positive": ["peoples"]},
            'given "peoples"; did you mean people?',
        ),
        (
            {"source": {"name": "folder", "folder": "scans"}, "negative": "rest", "positive": ["bad"]},
            "data.negative: expected the names of the classes (which there are, scans tells only when it is "
            "read), given rest",
        ),
        (
            {"source": DIGITS, "positive": "rest"},
            "data.negative: expected a value, given nothing",
        ),
        (
            {"source": DIGITS, "negative": "rest", "positive": "rest"},
            "data.negative: expected rest once, given twice",
        ),
        (
            {"task": "multiclass", "source": DIGITS, "classes": [1, 2], "critical": "rest"},
            "data.critical: expected the classes one by one, given rest",
        ),
        (
            {"source": CIFAR10, "negative": [1, "automobile"], "positive": [2]},
            "data: expected every class in one role and once, given negative=[1, 1] positive=[2]",
        ),
    ],
)
def test_a_wrong_name_is_one_clear_line(data: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        one(**data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folders_class_may_be_called_rest() -> None:
    trial = one(source={"name": "folder", "folder": "f"}, negative=["rest", "sleep"], positive=["work"])
    assert trial.data.labels == ("rest", "sleep", "work")


def test_superclasses_are_those_of_the_files() -> None:
    """In the files a superclass's number is its place in the alphabet."""
    folder = os.environ.get("ALMSWEEP_TEST_DATA")
    if not folder:
        pytest.skip("ALMSWEEP_TEST_DATA names no folder of images")
    import pyarrow.parquet as parquet

    path = Path(folder) / "cifar100" / "test.parquet"
    columns = parquet.read_table(path, columns=["fine_label", "coarse_label"]).to_pydict()
    members: dict[int, set[int]] = {}
    for fine, coarse in zip(columns["fine_label"], columns["coarse_label"], strict=True):
        members.setdefault(coarse, set()).add(fine)
    told = [set(group) for group in Cifar100().classes_told.groups.values()]
    assert told == [members[number] for number in range(20)]
