"""What losses, models and sources say of themselves."""

from __future__ import annotations

import pytest

from search_spaces.config import (
    FAMILIES,
    LOSS_TYPES,
    Cifar100,
    Digits,
    ImageFolder,
    MedMnist,
    Source,
)


@pytest.mark.parametrize(
    ("source", "title"),
    [
        (Digits(), "digits"),
        (Cifar100(), "cifar100"),
        (MedMnist(subset="breastmnist"), "breastmnist"),
        (ImageFolder(folder="birds"), "birds"),
    ],
)
def test_a_data_set_has_one_name(source: Source, title: str) -> None:
    assert source.title == title


def test_rows_stand_in_the_order_of_the_papers_tables() -> None:
    assert FAMILIES[:9] == ("BCE", "S-LM", "S-FL", "A-LM", "A-FL", "CB-BCE", "W-BCE", "LDAM", "MBAUC")


OF_CLASSES = ["CE", "FL", "W-CE", "CB-CE", "LDAM-DRW", "LA", "VS"]
OF_LABELS = ["ML-BCE", "ML-W-BCE", "ML-FL", "ML-W-FL", "ML-FL-2", "ASL", "DB"]


def test_what_sets_a_loss_apart() -> None:
    assert [loss.family for loss in LOSS_TYPES if loss.outputs != 1] == ["LDAM", *OF_CLASSES, *OF_LABELS]
    assert [loss.family for loss in LOSS_TYPES if loss.head == "cosine"] == ["LDAM"]
    assert [loss.family for loss in LOSS_TYPES if loss.head == "scaled_cosine"] == ["LDAM-DRW"]
    assert [loss.family for loss in LOSS_TYPES if not loss.decides_at_zero] == [
        "LDAM",
        "AUCM",
        "pAUC",
        *OF_CLASSES,
    ]
    assert [loss.family for loss in LOSS_TYPES if "multiclass" in loss.tasks] == OF_CLASSES
    assert [loss.family for loss in LOSS_TYPES if "multi_label" in loss.tasks] == OF_LABELS
    assert [loss.family for loss in LOSS_TYPES if loss.needs_pairs] == ["MBAUC", "pAUC"]
    assert [loss.family for loss in LOSS_TYPES if not loss.takes_constraint] == ["MBAUC"]
