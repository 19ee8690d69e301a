"""What makes results doubtful: lines for every kind of task, by what it says of its critical classes."""

from __future__ import annotations

import pytest

from search_spaces.config import Binary, DigitMosaic, Digits, ImageFolder, MultiClass, MultiLabel, Task
from trainer.data.doubts import doubts
from trainer.data.survey import HeldOutFacts, Survey

SCANS = ImageFolder(folder="scans", size=8)
BINARY = Binary(source=SCANS, negative=("a", "b"), positive=("c", "d"))
MULTICLASS = MultiClass(source=SCANS, classes=("a", "b", "c"), critical=("c",))
MULTI_LABEL = MultiLabel(
    source=DigitMosaic(classes=(8, 9), prevalences=(0.1, 0.5), train=9, validation=9, test=9),
    classes=(8, 9),
    critical=(9,),
)
DIGITS = Binary(source=Digits(), negative=(1,), positive=(8,), validation_per_class=0, test_per_class=40)


def survey(train: tuple[int, ...], validation: tuple[int, ...], test: tuple[int, ...]) -> Survey:
    return Survey(
        train=train,
        sizes=train,
        validation=HeldOutFacts(counts=validation, drawn=False),
        test=HeldOutFacts(counts=test, drawn=False),
    )


def told(task: Task, train: tuple[int, ...], validation: tuple[int, ...], test: tuple[int, ...]) -> list[str]:
    return doubts(task, survey(train, validation, test), (0.98, 0.9))


def test_positives_of_all_positive_classes_count_for_a_binary_task() -> None:
    assert told(BINARY, (99,) * 4, (99,) * 4, (99,) * 4) == []
    (validation, test) = told(BINARY, (99,) * 4, (99, 99, 28, 0 + 25), (99, 99, 70, 78))
    assert validation == (
        "too few positives in validation for the asked TPR: 53, expected at least 149 for 98 %; tables mark "
        "what is read there as not resolved"
    )
    assert "in test for the asked TPR: 148, expected at least 149 for 98 %;" in test
    assert told(BINARY, (99,) * 4, (99, 99, 75, 74), (99,) * 4) == [], "149 are enough"


@pytest.mark.parametrize(
    ("task", "few", "many", "name"),
    [(MULTICLASS, (200, 200, 28), (200,) * 3, "c"), (MULTI_LABEL, (200, 28), (200,) * 2, "9")],
)
def test_every_critical_class_or_label_has_a_line(
    task: Task, few: tuple[int, ...], many: tuple[int, ...], name: str
) -> None:
    (line,) = told(task, many, many, few)
    words = "28, expected at least 149 for 98 %, 29 for 90 %"
    assert line.startswith(f"too few positives of {name} in test for the asked TPR: {words};")
    assert told(task, many, many, many) == []


def test_classes_that_splits_lack_and_nearly_empty_ones_are_named() -> None:
    lines = told(BINARY, (99, 99, 99, 19), (300, 0, 300, 300), (300, 0, 300, 0))
    assert lines[:3] == [
        "b is in training alone",
        "d is not in test",
        "nearly empty in training (fewer than 20): d (19)",
    ]
    lines = told(MULTI_LABEL, (99, 99), (19, 300), (3, 300))
    assert lines == [
        "nearly empty in validation (fewer than 20): label 8 (19)",
        "nearly empty in test (fewer than 20): label 8 (3)",
    ]


def test_without_validation_nothing_is_said_of_it() -> None:
    assert told(DIGITS, (99, 99), (0, 0), (300, 300)) == []
