"""Names of index entries say exactly the states that they were made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.store import STATES
from trainer.store.trial_index import LONGEST_NAME, entry_name, states_of


@given(st.dictionaries(st.integers(0, 40) | st.integers(0, 2**63), st.sampled_from(STATES), max_size=30))
def test_names_round_trip(states: dict[int, str]) -> None:
    name = entry_name(states)
    if name is not None:
        assert len(name) <= LONGEST_NAME
        assert states_of(name) == states


def test_ten_seeds_make_a_short_name() -> None:
    assert entry_name(dict.fromkeys(range(1, 11), "completed")) == "c1-10"


def test_states_that_no_name_can_hold_have_none() -> None:
    assert entry_name({}) is None
    assert entry_name(dict.fromkeys(range(0, 10_000, 2), "completed")) is None


@pytest.mark.parametrize("name", ["", "c", "x1", "c1-", "c1..d2", "c1/../d2", "c-1", "c1_", "README"])
def test_other_names_tell_nothing(name: str) -> None:
    assert states_of(name) is None
