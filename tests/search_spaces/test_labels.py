"""Labels read like the paper's tables, and never say the same of two configurations that differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from search_spaces.config import Binary, Digits, ImageFolder, MedMnist, TrialConfig
from search_spaces.errors import SpaceError
from search_spaces.labels import BlockLabels, block_key, block_label, settings_label, trial_label
from search_spaces.rows import row_label
from search_spaces.space import SearchSpace
from tests.search_spaces.strategies import data_configs, trials


def one(**settings: Any) -> TrialConfig:
    (trial,) = SearchSpace.of("one", [{key.replace("__", "."): v for key, v in settings.items()}])
    return trial


PAPER = {"dataset": "cifar10", "ratio": 100, "loss": "baseline_s_LM_m05"}


def test_words_of_the_paper() -> None:
    trial = one(**PAPER, constraint="ALM_16_beg", delta=0.1)
    assert block_label(trial.data) == "cifar10 1:100"
    assert row_label(trial) == "S-LM + ALM"
    assert settings_label(trial) == ""
    assert trial_label(trial) == "cifar10 1:100 baseline_s_LM_m05 ALM_16_beg delta=0.1"
    plain = one(**PAPER)
    assert row_label(plain) == "S-LM"
    assert trial_label(plain) == "cifar10 1:100 baseline_s_LM_m05"


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (one(dataset="digits", loss="baseline_BCE").data, "digits all data"),
        (one(dataset="digits-critical", ratio=40, loss="baseline_BCE").data, "digits-critical 1:40"),
        (
            one(dataset="digits-critical", ratio=40, loss="baseline_BCE", **{"data.test_per_class": 50}).data,
            "digits 1:40 (3, 8, 9 vs 0, 1 and 5 more) validation_per_class=20 test_per_class=50",
        ),
        (one(**PAPER, data__positive=[8]).data, "cifar10 1:100 (ship vs automobile)"),
        (
            one(**PAPER, data__validation_per_class=None, data__train_share=1).data,
            "cifar10 1:100 validation_per_class=none train_share=1",
        ),
        (
            Binary(source=MedMnist(subset="octmnist"), negative=(3,), positive=(0, 1)),
            "octmnist all data (choroidal neovascularization, diabetic macular edema vs normal)",
        ),
        (
            Binary(
                source=ImageFolder(folder="scans", size=64),
                negative=("no", "a b"),
                positive=("yes",),
                imbalance_ratio=7.5,
            ),
            "scans 1:7.5 (yes vs no, a b)",
        ),
    ],
)
def test_what_departs_from_the_preset_is_said(data: Binary, label: str) -> None:
    assert block_label(data) == label


def test_settings_that_depart_from_the_preset_are_said() -> None:
    trial = one(**PAPER, model__width=16, epochs=20, optimizer="adam", patience=None)
    said = "model.width=16 optimizer.name=adam optimizer.learning_rate=0.001"
    assert settings_label(trial) == f"{said} optimizer.weight_decay=0 epochs=20 patience=none"
    assert trial_label(trial) == f"cifar10 1:100 baseline_s_LM_m05 {settings_label(trial)}"


@given(data_configs(), data_configs())
def test_block_labels_and_keys_differ_exactly_when_the_data_do(one: Binary, other: Binary) -> None:
    for field in Binary.model_fields:
        changed = one.model_copy(update={field: getattr(other, field)})
        labels = BlockLabels([one, changed])
        assert (labels.block(one) == labels.block(changed)) == (one == changed)
        assert (block_key(one) == block_key(changed)) == (one == changed)


@pytest.mark.parametrize(
    "change",
    [
        {"negative": (1, 2)},
        {"negative": (2, 3, 1, 5, 9)},
        {"positive": ("8",)},
        {"imbalance_ratio": 20.0},
        {"validation_per_class": None},
        {"validation_per_class": 41},
        {"test_per_class": None},
        {"train_share": 1.0},
        {"source": ImageFolder(folder="digits")},
        {"source": ImageFolder(folder="digits", size=31)},
        {"source": ImageFolder(folder="digits", channels=1)},
        {"source": MedMnist(subset="digits")},
    ],
)
def test_each_change_of_the_data_shows(change: dict[str, Any]) -> None:
    data = one(dataset="digits", loss="baseline_BCE").data
    assert isinstance(data.source, Digits)
    changed = data.model_copy(update=change)
    labels = BlockLabels([data, changed])
    assert labels.block(changed) != labels.block(data)
    assert block_key(changed) != block_key(data)


@given(trials, trials)
def test_trial_labels_differ_exactly_when_the_ids_do(one: TrialConfig, other: TrialConfig) -> None:
    for field in TrialConfig.model_fields:
        changed = one.model_copy(update={field: getattr(other, field)})
        labels = BlockLabels([one.data, changed.data])
        assert (labels.trial(one) == labels.trial(changed)) == (one.trial_id == changed.trial_id)


PETS = {"source": {"name": "folder", "folder": "pets"}, "negative": ["dog"], "positive": ["cat"]}


def labels_of(*data: dict[str, Any], **more: Any) -> list[str]:
    """The labels of a sweep over these data."""
    space = SearchSpace.of("mine", [{"data": given, "loss": "bce", **more} for given in data])
    labels = BlockLabels(trial.data for trial in space)
    return [labels.block(trial.data) for trial in space]


def test_own_data_are_called_by_few_words_and_what_differs() -> None:
    full = {**PETS, "validation_per_class": 50, "test_per_class": 60, "imbalance_ratio": 10}
    assert labels_of(full) == ["pets 1:10 (cat vs dog)"]
    assert labels_of(full, {**full, "imbalance_ratio": 20}) == [
        "pets 1:10 (cat vs dog)",
        "pets 1:20 (cat vs dog)",
    ]
    assert labels_of(full, {**full, "test_per_class": 70}, {**full, "negative": ["dog", "cow"]}) == [
        "pets 1:10 (cat vs dog) test_per_class=60",
        "pets 1:10 (cat vs dog) test_per_class=70",
        "pets 1:10 (cat vs dog, cow)",
    ]
    many = [f"{letter}-many" for letter in "abcde"]
    several = {"task": "multiclass", "source": PETS["source"], "classes": many, "critical": many[:1]}
    assert labels_of(several, loss="cross_entropy") == ["pets all data (a-many of 5 classes)"]


def test_a_label_stands_for_its_data_and_moves_no_id() -> None:
    named = {**PETS, "label": "Haustiere 猫", "imbalance_ratio": 10}
    assert labels_of(named) == ["Haustiere 猫 1:10"]
    assert labels_of(named, {**named, "positive": ["lynx"]}) == [
        'Haustiere 猫 1:10 positive=["cat"]',
        'Haustiere 猫 1:10 positive=["lynx"]',
    ]
    with_label, without = (one(data=data, loss="bce") for data in (named, {**PETS, "imbalance_ratio": 10}))
    assert with_label.trial_id == without.trial_id
    assert block_key(with_label.data) == block_key(without.data)
    assert with_label.model_dump_json() == without.model_dump_json()
    changed = one(data=with_label.data, ratio=20, loss="bce")
    assert block_label(changed.data) == "Haustiere 猫 1:20"
    assert block_label(one(dataset="cifar10", data__label="cars", loss="bce").data) == "cars all data"


@pytest.mark.parametrize("label", ["", " cars", "two\nlines", "x" * 61, "\x1b[31mred", 7])
def test_a_label_is_one_short_line(label: object) -> None:
    with pytest.raises(SpaceError, match=r"data\.label: expected .*, given") as caught:
        one(data={**PETS, "label": label}, loss="bce")
    assert "\n" not in str(caught.value)


def test_a_block_has_one_label() -> None:
    with pytest.raises(SpaceError, match=r'data\.label: expected one label for pets .*given "a" and "b"'):
        SearchSpace.of(
            "mine",
            [
                {"data": {**PETS, "label": "a"}, "loss": "bce"},
                {"data": {**PETS, "label": "b"}, "loss": "ldam"},
            ],
        )


def test_labels_are_told_apart_whatever_a_person_calls_the_data() -> None:
    """The label of one is what is made of another's."""
    other = {
        **PETS,
        "source": {"name": "folder", "folder": "x"},
        "label": "pets all data (cat vs dog) size=3",
    }
    found = labels_of(
        PETS,
        {**PETS, "source": {**PETS["source"], "size": 8}},
        {**other, "label": "pets all data (cat vs dog) source.size=8"},
        {**other, "source": {"name": "folder", "folder": "y"}, "label": "pets"},
        {**other, "source": {"name": "folder", "folder": "z"}, "label": "pets"},
    )
    assert len(set(found)) == 5


def test_classes_of_any_script_are_shown_as_they_are() -> None:
    data = {**PETS, "negative": ["gutartig"], "positive": ["bösartig", "恶性"]}
    assert labels_of(data) == ["pets all data (bösartig, 恶性 vs gutartig)"]
    assert labels_of({**data, "label": "x"}, {**data, "label": "x", "positive": ["良性"]})[0] == (
        'x all data positive=["bösartig","恶性"]'
    )
