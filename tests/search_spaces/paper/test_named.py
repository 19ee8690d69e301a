"""The paper's names: complete, in any case, and back."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.config import FAMILIES, ConstraintConfig, Ldam, SymmetricMargin, WeightedBce, number
from search_spaces.errors import SpaceError
from search_spaces.paper.named import (
    CONSTRAINTS,
    LOSSES,
    MARGINS,
    constraint_by_name,
    constraint_name,
    loss_by_name,
    loss_name,
)


def test_there_are_21_losses_of_nine_families_and_8_constraints() -> None:
    assert len(LOSSES) == len(set(LOSSES.values())) == 21
    assert tuple(dict.fromkeys(loss.family for loss in LOSSES.values())) == FAMILIES[:9]
    assert len(CONSTRAINTS) == len(set(CONSTRAINTS.values())) == 8
    assert MARGINS == (0, 0.1, 0.25, 0.5, 1)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("baseline_BCE", {"name": "bce"}),
        ("baseline_s_LM_m05", {"name": "s_lm", "margin": 0.5}),
        ("baseline_s_LM_m4", {"name": "s_lm", "margin": 4}),
        ("baseline_a_LM_m2", {"name": "a_lm", "margin": 2}),
        ("baseline_s_FL_g05", {"name": "s_fl", "gamma": 0.5}),
        ("baseline_a_FL_g2", {"name": "a_fl", "gamma": 2}),
        ("baseline_cb_BCE_9999", {"name": "cb_bce", "beta": 0.9999}),
        ("baseline_WBCE_2_3", {"name": "w_bce", "weight_factor": 2 / 3}),
        ("baseline_WBCE_1", {"name": "w_bce", "weight_factor": 1}),
        ("baseline_LDAM", {"name": "ldam", "max_margin": 0.5, "scale": 30}),
        ("baseline_MBAUC", {"name": "mbauc"}),
    ],
)
def test_loss_parameters(name: str, fields: dict[str, Any]) -> None:
    assert loss_by_name(name).model_dump() == fields


def test_weight_factors_are_exact() -> None:
    assert loss_by_name("baseline_WBCE_1_3") == WeightedBce(weight_factor=1 / 3)


def test_penalties_fall_from_1e_2_to_1e_9_and_double() -> None:
    for power, (name, constraint) in zip(range(2, 10), CONSTRAINTS.items(), strict=True):
        assert name == f"ALM_{power + 10}_beg"
        assert constraint.penalty == float(f"1e-{power}")
        assert constraint.growth == 2
        assert constraint.introduce_at == 0


@pytest.mark.parametrize("name", LOSSES)
def test_loss_names_go_both_ways_in_any_case(name: str) -> None:
    for spelling in (name, name.upper(), name.lower()):
        assert loss_by_name(spelling) is LOSSES[name]
    assert loss_name(LOSSES[name].model_copy()) == name


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("margin", MARGINS)
def test_constraint_names_go_both_ways_in_any_case(name: str, margin: float) -> None:
    for spelling in (name, name.upper(), name.lower()):
        constraint = constraint_by_name(spelling, margin)
        assert constraint is not None
        assert constraint.margin == margin
        assert constraint_name(constraint) == name


def test_none_is_no_constraint() -> None:
    assert constraint_by_name("None", 0.1) is None
    assert constraint_name(None) == "none"


def test_unnamed_ones_are_told_by_their_parameters() -> None:
    assert loss_name(SymmetricMargin(margin=3)) == "s_lm(margin=3)"
    assert loss_name(Ldam(scale=10)) == "ldam(max_margin=0.5, scale=10)"
    assert constraint_name(ConstraintConfig(penalty=1e-7, growth=3)) == "ALM(penalty=1e-07, growth=3)"
    later = ConstraintConfig(penalty=1e-2, growth=2, introduce_at=4)
    assert constraint_name(later) == "ALM(penalty=0.01, growth=2, introduce_at=4)"


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(SpaceError, match=r"unknown loss 'bce'; known: baseline_BCE, .*, baseline_MBAUC$"):
        loss_by_name("bce")
    with pytest.raises(
        SpaceError, match=r"unknown constraint 'ALM_20'; known: none, ALM_12_beg, .*, ALM_19_beg$"
    ):
        constraint_by_name("ALM_20", 0.1)


@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf"), True, "1"])
def test_impossible_margin(margin: Any) -> None:
    with pytest.raises(SpaceError, match=r"constraint.margin: expected a finite number of at least 0, given"):
        constraint_by_name("ALM_12_beg", margin)


@pytest.mark.parametrize("value", [0.0, 1.0, 100.0, 1e-9, 1 / 3, 1e22])
def test_number_reads_back(value: float) -> None:
    assert float(number(value)) == value
