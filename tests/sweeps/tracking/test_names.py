"""Names of runs: what differs within the sweep stands first, numbers in as many digits as one reads."""

from __future__ import annotations

from typing import Any

from search_spaces.config import Bce, Binary, ConstraintConfig, ImageFolder, Ldam, ResNet10, Sgd, TrialConfig
from search_spaces.labels import BlockLabels
from sweeps.tracking.names import RunNames

OWN = Binary(
    source=ImageFolder(folder="scans_of_a_hospital_with_a_long_name", size=64),
    negative=("healthy", "benign"),
    positive=("malignant",),
    validation_per_class=50,
)
ALM = ConstraintConfig(penalty=1e-4, growth=2, margin=0.1)


def trial(data: Binary = OWN, **fields: Any) -> TrialConfig:
    return TrialConfig(**{"data": data, "loss": Bce(), "seeds": (1,), **fields})


def names(*configs: TrialConfig) -> list[str]:
    labels = BlockLabels(config.data for config in configs)
    made = RunNames(configs, labels)
    return [made.name(config) for config in configs]


def test_rows_of_own_data_do_not_begin_alike() -> None:
    block = BlockLabels([OWN]).block(OWN)
    assert names(trial(), trial(constraint=ALM), trial(loss=Ldam())) == [
        f"BCE {block}",
        f"BCE ALM_14_beg delta=0.1 {block}",
        f"LDAM {block}",
    ]


def test_what_differs_stands_first_whatever_it_is() -> None:
    narrow, wide = (trial(model=ResNet10(width=width)) for width in (8, 16))
    assert [name.partition(" ")[0] for name in names(narrow, wide)] == ["model.width=8", "model.width=16"]
    few, many = (trial(OWN.with_ratio(ratio)) for ratio in (10.0, 100.0))
    ratios = [name.partition(" BCE")[0] for name in names(few, many)]
    assert ratios == [BlockLabels([few.data, many.data]).block(config.data) for config in (few, many)]
    drawn = trial(optimizer=Sgd(learning_rate=0.012345678901234))
    assert names(drawn, trial())[0].startswith("optimizer.learning_rate=0.01235 ")


def test_what_a_blocks_preset_says_is_told_by_the_block() -> None:
    """The learning rate differs between two data sets, and is one within each."""
    slow = trial(OWN.with_ratio(10.0), optimizer=Sgd(learning_rate=0.001))
    fast = trial(OWN.with_ratio(100.0), optimizer=Sgd(learning_rate=0.01))
    assert not [name for name in names(slow, fast) if "learning_rate" in name]


def test_a_trial_that_nobody_knew_is_named_by_what_it_is() -> None:
    made = RunNames([], BlockLabels())
    name = made.name(trial(constraint=ALM, model=ResNet10(width=16)))
    assert name.startswith("BCE ALM_14_beg delta=0.1 ")
    assert "model.width=16" in name
