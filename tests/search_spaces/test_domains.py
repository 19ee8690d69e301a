"""Draws stay in their domain, are spread over it, and are the same everywhere and for ever."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.domains import Choice, IntUniform, LogUniform, Uniform, parse_domain, share
from search_spaces.problem import Problem

shares = st.floats(0, 1, exclude_max=True)
bounds = st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)).filter(lambda b: b[0] < b[1])


def test_golden_draws() -> None:
    drawn = [LogUniform(1e-4, 1e-1).value(share(1, "optimizer.learning_rate", i)) for i in range(3)]
    assert drawn == [0.00339352, 0.00020566, 0.000112891]


@given(bounds, shares)
def test_real_draws_stay_within_and_rise(bounds: tuple[float, float], at: float) -> None:
    for domain in (Uniform(*bounds), LogUniform(*bounds)):
        value = domain.value(at)
        assert isinstance(value, float)
        assert bounds[0] <= value <= bounds[1]
        assert domain.value(0) == pytest.approx(bounds[0], rel=1e-5)
        assert domain.value(at / 2) <= value  # type: ignore[operator]


@given(st.integers(-5, 5), st.integers(1, 9), shares)
def test_whole_draws_stay_within(low: int, width: int, at: float) -> None:
    value = IntUniform(low, low + width).value(at)
    assert isinstance(value, int)
    assert low <= value <= low + width


def test_draws_are_spread() -> None:
    drawn = [share(3, "key", i) for i in range(2000)]
    assert min(drawn) >= 0
    assert max(drawn) < 1
    assert sum(drawn) / 2000 == pytest.approx(0.5, abs=0.03)
    counts = [sum(IntUniform(0, 3).value(d) == k for d in drawn) for k in range(4)]
    assert min(counts) > 400
    assert {Choice(("a", "b")).value(d) for d in drawn} == {"a", "b"}
    below_mid = sum(LogUniform(1e-4, 1.0).value(d) < 1e-2 for d in drawn)  # type: ignore[operator]
    assert below_mid / 2000 == pytest.approx(0.5, abs=0.05)


def test_draws_differ_by_seed_key_and_index() -> None:
    assert len({share(s, k, i) for s in range(3) for k in ("a", "b") for i in range(3)}) == 18


def test_real_draws_have_six_digits() -> None:
    value = Uniform(0, 1).value(1 / 3)
    assert value == 0.333333


@pytest.mark.parametrize(
    ("given", "domain"),
    [
        ({"uniform": [0, 1]}, Uniform(0.0, 1.0)),
        ({"log_uniform": [1e-5, 1]}, LogUniform(1e-5, 1.0)),
        ({"int_uniform": [1, 3]}, IntUniform(1, 3)),
        ({"choice": [1, "a"]}, Choice((1, "a"))),
    ],
)
def test_domains_as_written(given: Any, domain: Any) -> None:
    assert parse_domain("d", "epochs", given) == domain


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "d: expected a mapping with one of uniform, log_uniform, int_uniform, choice, given 3"),
        ({}, "d: expected a mapping with one of uniform, log_uniform, int_uniform, choice, given {}"),
        ({"normal": [0, 1]}, "d: expected a mapping with one of uniform"),
        ({"uniform": [0, 1], "choice": [1]}, "d: expected a mapping with one of uniform"),
        (
            {"uniform": [1, 1]},
            "d.uniform: expected two finite numbers [low, high], low below high, given [1, 1]",
        ),
        ({"uniform": [0, math.inf]}, "d.uniform: expected two finite numbers"),
        ({"uniform": [0, True]}, "d.uniform: expected two finite numbers"),
        ({"uniform": "01"}, "d.uniform: expected two finite numbers"),
        ({"log_uniform": [0, 1]}, "d.log_uniform[0]: expected a number above 0, given 0"),
        ({"int_uniform": [0.5, 2]}, "d.int_uniform: expected two whole numbers [low, high]"),
        ({"choice": []}, "d.choice: expected a list of at least one value, given []"),
        ({"choice": [1, 1]}, "d.choice[1]: expected a value other than that of d.choice[0], given 1"),
    ],
)
def test_wrong_domains(given: Any, message: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_domain("d", "epochs", given)
    assert str(caught.value).startswith(message)
