"""Configurations are strict, survive JSON and pickle, and are one trial exactly when their ids are equal."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.config import Bce, Binary, Cifar10, ConstraintConfig, Sgd, TrialConfig
from search_spaces.presets import preset
from tests.search_spaces.strategies import trials


def trial(**changes: Any) -> TrialConfig:
    return TrialConfig.model_validate({**preset("cifar10", 100), "loss": Bce(), **changes})


@given(trials)
def test_json_round_trip(config: TrialConfig) -> None:
    again = TrialConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert again.trial_id == config.trial_id


@given(trials)
def test_pickle_round_trip(config: TrialConfig) -> None:
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.trial_id == config.trial_id
    assert hash(again) == hash(config)


@given(trials, st.randoms(use_true_random=False))
def test_id_does_not_depend_on_the_order_of_keys(config: TrialConfig, random: Any) -> None:
    def shuffled(value: object) -> object:
        if not isinstance(value, dict):
            return value
        items = list(value.items())
        random.shuffle(items)
        return {key: shuffled(item) for key, item in items}

    text = json.dumps(shuffled(config.model_dump(mode="json")))
    assert TrialConfig.model_validate_json(text).trial_id == config.trial_id


@given(trials, trials)
def test_ids_are_equal_exactly_when_all_but_the_seeds_are(one: TrialConfig, other: TrialConfig) -> None:
    for field in TrialConfig.model_fields:
        changed = one.model_copy(update={field: getattr(other, field)})
        assert (one.trial_id == changed.trial_id) == (field == "seeds" or one == changed)


@given(trials)
def test_id_does_not_depend_on_the_seeds(config: TrialConfig) -> None:
    assert config.model_copy(update={"seeds": (100, 101)}).trial_id == config.trial_id
    assert "seeds" not in json.loads(config.identity())


def test_every_other_field_is_in_the_identity() -> None:
    fields = set(TrialConfig.model_fields) - {"seeds"} | {"schema"}
    assert set(json.loads(trial().identity())) == fields


def test_whole_numbers_and_negative_zero_make_no_other_trial() -> None:
    constraint = {"penalty": 1, "growth": 2, "margin": 0}
    same = {"penalty": 1.0, "growth": 2.0, "margin": -0.0}
    assert trial(constraint=constraint).trial_id == trial(constraint=same).trial_id


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": 3},
        {"epochs": 3.0},
        {"epochs": True},
        {"epochs": 0},
        {"patience": 0},
        {"batch_size": 1},
        {"seeds": ()},
        {"seeds": (1, 1)},
        {"seeds": (-1,)},
        {"precision": "float16"},
        {"constraint": {"penalty": 0.0}},
        {"constraint": {"penalty": 1.0, "margin": float("nan")}},
        {"constraint": {"penalty": 1.0, "growth": 0.5}},
        {"optimizer": {"name": "sgd", "momentum": 1.0}},
        {"optimizer": {"learning_rate": 0.1}},
        {"loss": {"name": "s_lm"}},
        {"loss": {"name": "bce", "margin": 1.0}},
    ],
)
def test_what_is_impossible_is_an_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        trial(**changes)


def test_a_class_has_one_role() -> None:
    with pytest.raises(
        ValidationError, match=r"expected every class in one role and once, given negative=\[1\]"
    ):
        Binary(source=Cifar10(), negative=(1,), positive=(1,))


def test_configurations_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        trial().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(("penalty", "steps"), [(1e-2, 3), (1e-3, 3), (9.9e-4, 5), (1e-9, 5)])
def test_cap_of_the_penalty(penalty: float, steps: int) -> None:
    assert ConstraintConfig(penalty=penalty).growth_step_limit == steps
    assert ConstraintConfig(penalty=penalty, max_growth_steps=0).growth_step_limit == 0


def test_sgd_defaults_are_the_papers() -> None:
    assert Sgd() == Sgd(learning_rate=0.01, momentum=0.9, weight_decay=2e-4)
