"""Augmentations have names, and those that differ have texts that differ."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.config import AugmentationConfig
from search_spaces.config.augmentation import AUGMENTATION_TYPES
from search_spaces.errors import SpaceError
from search_spaces.policies import POLICIES, policy_by_name, policy_name
from search_spaces.space import SearchSpace


def space(augmentation: object, **more: object) -> AugmentationConfig:
    given = {"dataset": "digits", "loss": "baseline_BCE", "augmentation": augmentation, **more}
    (trial,) = SearchSpace.of("mine", [given]).trials
    return trial.augmentation


@pytest.mark.parametrize("name", POLICIES)
def test_a_name_stands_for_its_augmentation_and_comes_back(name: str) -> None:
    assert policy_name(policy_by_name(name.upper())) == name
    assert space(name) == POLICIES[name]


def test_a_named_one_can_be_changed() -> None:
    assert space("none", **{"augmentation.horizontal_flip": 0.5}).horizontal_flip == 0.5


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SpaceError, match=r"augmentation: expected a known name \(none, .*given .nine"):
        space("nine")
    with pytest.raises(SpaceError, match="unknown augmentation 'nine'"):
        policy_by_name("nine")


def test_steps_behind_a_named_one_are_added_to_its_name() -> None:
    method = POLICIES["flip_rotate_affine_jitter"]
    mixed = {**method.model_dump(), "then": (*method.model_dump()["then"], {"name": "mixup"})}
    assert policy_name(AugmentationConfig.model_validate(mixed)) == "flip_rotate_affine_jitter+mixup"


def test_all_that_differ_have_names_that_differ() -> None:
    seen = list(POLICIES.values())
    for padding in (0, 2, 4):
        for flip in (0.0, 0.3, 0.5):
            seen.append(AugmentationConfig(crop_padding=padding, horizontal_flip=flip))
    steps: list[dict[str, Any]] = [{"name": kind.type_name()} for kind in AUGMENTATION_TYPES]
    changed = [{**step, "probability": 0.4} for step in steps if step["name"] != "random_crop"]
    for step in [*steps, *changed, {"name": "affine", "scale": (0.5, 2.0)}]:
        for padding in (0, 4):
            seen.append(AugmentationConfig.model_validate({"crop_padding": padding, "then": (step,)}))
    distinct = set(seen)
    assert len({policy_name(one) for one in distinct}) == len(distinct)
