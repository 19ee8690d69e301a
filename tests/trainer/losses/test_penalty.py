"""The penalty's schedule: when it grows under either rule, and that it goes on from a checkpoint."""

import math

import pytest

from search_spaces.config import ConstraintConfig
from search_spaces.errors import CheckpointError
from trainer.losses.penalty import PenaltySchedule

NAN = math.nan


def run(schedule: PenaltySchedule, aurocs: list[float]) -> list[int]:
    """Growth steps taken after each epoch."""
    steps = []
    for epoch, auroc in enumerate(aurocs):
        schedule.update(epoch, auroc)
        steps.append(schedule.steps)
    return steps


SCHEDULES = {
    "the first epoch has no previous one": ({}, [0.5], [0]),
    "no growth while it improves": ({}, [0.5, 0.6, 0.7], [0, 0, 0]),
    "equal is no improvement": ({}, [0.5, 0.5, 0.6, 0.55], [0, 1, 1, 2]),
    "better than the previous epoch is enough": ({}, [0.9, 0.5, 0.6], [0, 1, 1]),
    "five steps below 1e-3": ({"penalty": 9e-4}, [0.5] * 8, [0, 1, 2, 3, 4, 5, 5, 5]),
    "three steps from 1e-3": ({"penalty": 1e-3}, [0.5] * 6, [0, 1, 2, 3, 3, 3]),
    "an own cap": ({"max_growth_steps": 1}, [0.5] * 4, [0, 1, 1, 1]),
    "stays once perfect": ({}, [0.5, 1.0, 0.4, 0.3], [0, 0, 0, 0]),
    "stays after a perfect epoch that follows growth": ({}, [0.5, 0.4, 1.0, 0.4, 0.3], [0, 1, 1, 1, 1]),
    "undefined is passed over": ({}, [0.5, NAN, 0.5, NAN], [0, 0, 1, 1]),
    "undefined first": ({}, [NAN, 0.5, 0.5], [0, 0, 1]),
    "inactive before introduce_at": ({"introduce_at": 3}, [0.5, 0.4, 0.3, 0.3, 0.5], [0, 0, 0, 1, 1]),
    "released: forced once at introduce_at + 2": (
        {"growth_rule": "released_code"},
        [0.5, 0.6, 0.7, 0.8, 0.9],
        [0, 0, 1, 1, 1],
    ),
    "released: delayed with introduce_at": (
        {"growth_rule": "released_code", "introduce_at": 1},
        [0.9, 0.5, 0.6, 0.7, 0.8, 0.7],
        [0, 0, 0, 1, 1, 2],
    ),
    "released: falls before the forced epoch are not compared": (
        {"growth_rule": "released_code"},
        [0.9, 0.8, 0.82, 0.8, 0.7],
        [0, 0, 1, 1, 2],
    ),
    "the paper's rule on the same falls": ({}, [0.9, 0.8, 0.82, 0.8, 0.7], [0, 1, 1, 2, 3]),
    "released: a fall of 0.05 is not enough": (
        {"growth_rule": "released_code"},
        [0.75, 0.75, 0.75, 0.703125, 0.640625],
        [0, 0, 1, 1, 2],
    ),
    "released: a fall in the forced epoch counts once": (
        {"growth_rule": "released_code"},
        [0.9, 0.9, 0.5, 0.5],
        [0, 0, 1, 1],
    ),
    "released: capped too": (
        {"growth_rule": "released_code", "max_growth_steps": 1},
        [0.9, 0.5, 0.6, 0.4],
        [0, 0, 1, 1],
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    fields, aurocs, expected = SCHEDULES[name]
    config = ConstraintConfig(**{"penalty": 1e-4, **fields})
    assert run(PenaltySchedule(config), aurocs) == expected


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_schedule_goes_on_from_a_checkpoint(name: str, stop: int) -> None:
    fields, aurocs, expected = SCHEDULES[name]
    config = ConstraintConfig(**{"penalty": 1e-4, **fields})
    first = PenaltySchedule(config)
    steps = run(first, aurocs[:stop])
    second = PenaltySchedule(config)
    second.load_state_dict(first.state_dict())
    for epoch in range(stop, len(aurocs)):
        second.update(epoch, aurocs[epoch])
        steps.append(second.steps)
    assert steps == expected


def test_penalty_is_the_initial_one_times_growth_to_the_steps() -> None:
    schedule = PenaltySchedule(ConstraintConfig(penalty=1e-5, growth=3.0))
    assert schedule.penalty == 1e-5
    assert [schedule.update(epoch, 0.5) for epoch in range(3)] == [False, True, True]
    assert schedule.penalty == pytest.approx(9e-5, rel=1e-15)


def test_activity_starts_at_introduce_at() -> None:
    schedule = PenaltySchedule(ConstraintConfig(penalty=1e-5, introduce_at=2))
    assert [schedule.active(epoch) for epoch in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("state", [{}, {"steps": 9, "previous": None, "perfect": False}])
def test_a_foreign_state_is_an_error(state: dict[str, int | float | bool | None]) -> None:
    with pytest.raises(CheckpointError, match="penalty schedule: expected"):
        PenaltySchedule(ConstraintConfig(penalty=1e-5)).load_state_dict(state)
