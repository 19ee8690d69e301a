"""Published figures stand beside the trials that are what was published, and beside no other."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.catalog import load_space
from search_spaces.config import (
    AugmentationConfig,
    Bce,
    Binary,
    Cifar10,
    Cifar100,
    ConstraintConfig,
    CrossEntropy,
    ImageFolder,
    Imbalance,
    LogitAdjusted,
    Mixup,
    MultiClass,
    ResNet32,
    Sgd,
    TrialConfig,
)
from search_spaces.config.augmentation import Affine, ColorJitter, Rotation
from search_spaces.published.found import PUBLISHED, published

NONE = AugmentationConfig(crop_padding=0, horizontal_flip=0.0)
METHOD = AugmentationConfig(
    crop_padding=0,
    horizontal_flip=0.3,
    then=(Rotation(degrees=15, probability=0.3), Affine(translate=0.1), ColorJitter(hue=0.05)),
)
CROP_FLIP = AugmentationConfig()


def cifar50(factor: float | None, **fields: Any) -> MultiClass:
    return MultiClass(
        source=Cifar100(),
        classes=tuple(range(0, 100, 2)),
        critical=(96, 98),
        imbalance=None if factor is None else Imbalance(profile="cui", factor=factor),
        **{"validation_per_class": 0, "train_share": 1.0, **fields},
    )


def cifar100(factor: float) -> MultiClass:
    return MultiClass(
        source=Cifar100(),
        classes=tuple(range(100)),
        critical=(99,),
        imbalance=Imbalance(factor=factor),
        validation_per_class=0,
        train_share=1.0,
    )


def trial(data: Any, **fields: Any) -> TrialConfig:
    settings = {"loss": CrossEntropy(), "patience": None, "scored": "last", "augmentation": NONE}
    return TrialConfig(data=data, **{**settings, **fields})


@pytest.mark.parametrize(
    ("factor", "without", "method"),
    [
        (10, (0.425, 0.4612), (0.503, 0.5156)),
        (50, (0.2677, 0.3298), (0.3714, 0.394)),
        (200, (0.1717, 0.2434), (0.3389, 0.3838)),
    ],
)
def test_the_document_s_long_tails(
    factor: float, without: tuple[float, float], method: tuple[float, float]
) -> None:
    data = cifar50(factor)
    for rate in (1e-4, 1e-2):
        plain = published(trial(data, optimizer=Sgd(learning_rate=rate)))
        assert plain is not None
        assert (plain.macro_f1, plain.accuracy) == ((without[0],), (without[1],))
    both = published(trial(data, sampler="class_balanced", augmentation=METHOD))
    assert both is not None
    assert (both.macro_f1, both.accuracy) == ((method[0],), (method[1],))
    assert "document" in both.source


@pytest.mark.parametrize(
    "fields",
    [
        {"sampler": "class_balanced"},
        {"sampler": "square_root", "augmentation": METHOD},
        {"augmentation": METHOD},
        {"augmentation": CROP_FLIP},
        {"loss": LogitAdjusted()},
        {"optimizer": Sgd(warmup_epochs=5)},
        {
            "sampler": "class_balanced",
            "augmentation": METHOD.model_copy(update={"then": (*METHOD.then, Mixup())}),
        },
    ],
    ids=["sampler", "soft", "augmentation", "crop", "loss", "warm-up", "mixup"],
)
def test_parts_and_next_steps_of_the_method_were_not_published(fields: dict[str, Any]) -> None:
    assert published(trial(cifar50(10), **fields)) is None


@pytest.mark.parametrize(
    "data",
    [
        cifar50(20),
        cifar50(None),
        cifar50(10, validation_per_class=50),
        cifar50(10, validation_per_class=None),
        cifar50(10, train_share=0.9),
        cifar100(10),
        MultiClass(
            source=Cifar10(),
            classes=tuple(range(10)),
            critical=(9,),
            imbalance=Imbalance(factor=10),
            validation_per_class=0,
            train_share=1.0,
        ),
    ],
)
def test_other_data_and_other_protocols_have_none(data: MultiClass) -> None:
    scored = "best_epoch" if data.validates else "last"
    assert published(trial(data, scored=scored)) is None


def test_the_constraint_was_not_published() -> None:
    data = cifar50(10, validation_per_class=50)
    config = trial(data, constraint=ConstraintConfig(penalty=1e-3, margin=0.1))
    assert published(config) is None


def test_the_literature_s_long_tail() -> None:
    fields: dict[str, Any] = {"model": ResNet32(), "augmentation": CROP_FLIP}
    plain = published(trial(cifar100(100), **fields))
    balanced = published(trial(cifar100(100), loss=LogitAdjusted(tau=1.0), **fields))
    assert plain is not None
    assert balanced is not None
    assert (plain.macro_f1, plain.accuracy) == ((), (0.391,))
    assert balanced.accuracy == (0.439, 0.451), "logit adjustment and balanced softmax are one trial"
    assert published(trial(cifar100(100), loss=LogitAdjusted(tau=0.5), **fields)) is None
    assert published(trial(cifar100(100), augmentation=CROP_FLIP)) is None


def test_images_of_one_s_own_are_known_by_their_label() -> None:
    folder = {"source": ImageFolder(folder="patches"), "validation_per_class": 0, "train_share": 1.0}
    named = Binary(**folder, negative=("0",), positive=("1",), label="histopathology")
    found = published(trial(named, loss=Bce()))
    assert found is not None
    assert (found.macro_f1, found.accuracy) == ((0.6673,), (0.6965,))
    assert published(trial(named.model_copy(update={"label": None}), loss=Bce())) is None


def test_no_two_figures_are_of_one_trial() -> None:
    keys = []
    for one in PUBLISHED:
        keys.append((one.data, one.tail, one.steps, tuple(sorted(one.settings.items()))))
        for value in (*one.macro_f1, *one.accuracy):
            assert 0 < value < 1
    assert len(set(keys)) == len(keys)


def test_the_named_spaces_hold_the_trials_that_were_published() -> None:
    """Of each long tail of the document four: two learning rates, without its method and with it."""
    by_figure: dict[int, int] = {}
    for name in ("longtail", "longtail-cifar-published"):
        for config in load_space(name).trials:
            figure = published(config)
            if figure is not None:
                place = PUBLISHED.index(figure)
                by_figure[place] = by_figure.get(place, 0) + 1
    expected = {}
    for place, one in enumerate(PUBLISHED):
        if one.data != "histopathology":
            expected[place] = 2 if one.data == "cifar50" else 1
    assert by_figure == expected
