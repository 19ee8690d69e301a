"""Composition in Python: sizes, order, what collapses, and what is an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import Adam, Sgd, SmallCnn, SymmetricMargin
from search_spaces.errors import SpaceError
from search_spaces.paper.named import LOSSES, MARGINS, constraint_by_name
from search_spaces.presets import TASKS
from search_spaces.space import SearchSpace, collapse, product

BASE = {"dataset": "digits", "ratio": 20, "loss": "baseline_BCE"}


def space(*settings: dict[str, Any], name: str = "s") -> SearchSpace:
    return SearchSpace.of(name, settings)


@given(
    st.integers(1, 21), st.lists(st.floats(1, 1e3), min_size=1, max_size=4, unique=True), st.integers(1, 4)
)
def test_size_of_a_product(losses: int, ratios: list[float], widths: int) -> None:
    settings = product(
        {"dataset": ["digits"], "loss": list(LOSSES)[:losses]},
        [{"model.width": 2**i} for i in range(widths)],
        {"ratio": ratios},
    )
    assert len(settings) == losses * len(ratios) * widths
    assert len(SearchSpace.of("s", settings)) == len(settings)


@given(st.lists(st.sampled_from([*range(6)]), min_size=1, max_size=6, unique=True))
def test_union_and_filter(epochs: list[int]) -> None:
    spaces = [space({**BASE, "epochs": e + 1}) for e in epochs]
    whole = spaces[0].union(*spaces, name="whole")
    assert whole.name == "whole"
    assert [trial.epochs - 1 for trial in whole] == epochs
    assert whole.union(whole).trials == whole.trials
    assert whole.filter(lambda trial: trial.epochs - 1 in epochs).trials == whole.trials
    first = whole.filter(lambda trial: trial.epochs - 1 == epochs[0], name="first")
    assert (first.name, first.trials) == ("first", spaces[0].trials)


def test_the_last_axis_varies_fastest() -> None:
    settings = product({"epochs": [1, 2]}, {"batch_size": [3, 4]})
    assert [tuple(s.values()) for s in settings] == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_the_order_of_keys_and_short_forms_make_no_other_trial() -> None:
    (one,) = space({**BASE, "constraint": "ALM_12_beg", "delta": 0.5})
    (other,) = space(
        {
            "constraint.margin": 0.5,
            "alm": "alm_12_BEG",
            "loss": {"name": "bce"},
            "data.imbalance_ratio": 20.0,
            "dataset": "DIGITS",
        }
    )
    assert one == other
    assert one.trial_id == other.trial_id


def test_parts_by_name_mapping_value_and_field() -> None:
    (trial,) = space(
        {
            **BASE,
            "loss": SymmetricMargin(margin=3),
            "model": "small_cnn",
            "model.width": 4,
            "optimizer": {"name": "adam", "learning_rate": 0.1},
            "seeds": [4, 2],
        }
    )
    assert trial.loss == SymmetricMargin(margin=3)
    assert trial.model == SmallCnn(width=4)
    assert trial.optimizer == Adam(learning_rate=0.1)
    assert trial.seeds == (4, 2)


def test_a_new_type_does_not_keep_the_old_ones_fields() -> None:
    for order in (["optimizer.name", "optimizer.weight_decay"], ["optimizer.weight_decay", "optimizer.name"]):
        values = {"optimizer.name": "adam", "optimizer.weight_decay": 0.5}
        (trial,) = space({**BASE, **{key: values[key] for key in order}})
        assert trial.optimizer == Adam(weight_decay=0.5)


def test_a_field_keeps_the_others_of_the_preset() -> None:
    (trial,) = space({**BASE, "dataset": "cifar100", "optimizer.momentum": 0.5})
    assert trial.optimizer == Sgd(learning_rate=0.001, momentum=0.5, weight_decay=2e-4)


def test_data_in_full_instead_of_a_preset() -> None:
    (trial,) = space({"data": TASKS["digits"].model_dump(), "loss": "baseline_BCE", "ratio": 3})
    assert trial.data == TASKS["digits"].model_copy(update={"imbalance_ratio": 3.0})
    assert trial.optimizer == Sgd()


def test_what_is_below_no_constraint_does_not_apply() -> None:
    settings = product({key: [value] for key, value in BASE.items()}, {"constraint": ["none", "ALM_12_beg"]})
    found = SearchSpace.of("s", product(settings, {"delta": MARGINS}))
    assert [trial.constraint for trial in found] == [
        None,
        *(constraint_by_name("ALM_12_beg", margin) for margin in MARGINS),
    ]


def test_equal_trials_unite_their_seeds() -> None:
    found = space({**BASE, "seeds": [1, 2]}, {**BASE, "epochs": 3}, {**BASE, "seeds": [2, 3]})
    assert len(found) == 2
    assert found.trials[0].seeds == (1, 2, 3)
    assert found.replicates == 3 + 10
    assert collapse(found.trials) == found.trials


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "-x", "a\n", "x" * 101])
def test_a_name_that_names_no_folder(name: str) -> None:
    with pytest.raises(SpaceError, match=r"^search space: name: expected letters, digits and _ \. - only"):
        space(BASE, name=name)


def test_a_space_holds_trials_and_each_once() -> None:
    (trial,) = space(BASE)
    with pytest.raises(SpaceError, match="s: expected at least one trial, given none"):
        space(BASE).filter(lambda trial: trial.epochs > 1000)
    with pytest.raises(SpaceError, match="s: expected distinct trials, given one more than once"):
        SearchSpace("s", (trial, trial))


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([{"epochs": []}], "epochs: expected a list of at least one value, given []"),
        ([{"epochs": 3}], "epochs: expected a list of at least one value, given 3"),
        ([{"delta": [0, 1, 0.0]}], "delta[2]: expected a value other than that of delta[0], given 0.0"),
        (
            [{"loss": ["baseline_BCE", {"name": "bce"}]}],
            "loss[1]: expected a value other than that of loss[0]",
        ),
        (
            [{"constraint": ["none", None]}],
            "constraint[1]: expected a value other than that of constraint[0]",
        ),
        ([{"epochs": [1]}, {"epochs": [2]}], "epochs: expected a key in one factor only, given in two"),
        ([{"epoch": [1]}], "epoch: expected a known key (dataset, ratio, alm, delta, data, model,"),
        (
            [{"epochs": list(range(1, 1002)), "batch_size": list(range(2, 1002))}],
            "expected at most 1,000,000 combinations, given 1,001,000",
        ),
    ],
)
def test_wrong_products(factors: list[Any], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        product(*factors)
    assert str(caught.value).startswith(f"product: {message}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"delta": 0.1},
            "delta: expected a constraint beside it (a name, none, or a mapping), given nothing",
        ),
        (
            {"delta": 0.1, "constraint.margin": 1},
            "constraint.margin: expected every key once, given also as delta",
        ),
        ({"loss": object()}, "loss: expected a name or a mapping, given"),
        ({"constraint": "none", "delta": -1}, "delta: expected a number of at least 0, given -1"),
        ({"model": 3, "model.width": 3}, "model.width: expected a mapping in which to set it, given 3"),
        (
            {"optimizer.schedule": "steep"},
            "optimizer.schedule: expected 'constant', 'cosine', 'step' or 'exponential', given \"steep\"",
        ),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space({**BASE, **settings})
    assert str(caught.value).startswith(f"search space s: {message}")
