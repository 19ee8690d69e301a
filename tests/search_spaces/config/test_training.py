"""Learning rates of every epoch, and what of a schedule is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.config import Adam, Sgd


def rates(epochs: int, **fields: Any) -> list[float]:
    optimizer = Sgd(learning_rate=1.0, **fields)
    return [optimizer.rate(epoch, epochs) for epoch in range(epochs)]


def test_constant() -> None:
    assert rates(3) == [1.0, 1.0, 1.0]


def test_cosine_falls_by_half_a_cosine() -> None:
    assert rates(4, schedule="cosine") == pytest.approx([1.0, 0.8535534, 0.5, 0.1464466])


def test_warm_up_rises_linearly_and_the_cosine_begins_behind_it() -> None:
    assert rates(6, schedule="cosine", warmup_epochs=2)[:2] == [0.5, 1.0]
    assert rates(6, schedule="cosine", warmup_epochs=2)[2:] == rates(4, schedule="cosine")
    assert rates(3, warmup_epochs=5) == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_steps_multiply_from_their_milestone_on() -> None:
    found = rates(200, schedule="step", milestones=(160, 180), decay=0.01, warmup_epochs=5)
    assert found[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert [found[epoch] for epoch in (159, 160, 179, 180, 199)] == pytest.approx([1, 1e-2, 1e-2, 1e-4, 1e-4])


def test_exponential_multiplies_after_every_epoch() -> None:
    assert rates(4, schedule="exponential") == pytest.approx([1.0, 0.1, 0.01, 0.001])
    assert rates(4, schedule="exponential", decay=0.5, warmup_epochs=2) == pytest.approx([0.5, 1.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schedule": "step"}, "expected milestones with schedule step, given none"),
        ({"milestones": (3,)}, "with schedule step alone, given constant"),
        ({"milestones": (3,), "schedule": "exponential"}, "with schedule step alone, given exponential"),
        ({"decay": 0.5, "schedule": "cosine"}, "with schedule step or exponential, given cosine"),
        ({"schedule": "step", "milestones": (5, 3)}, r"expected rising milestones, given \[5, 3\]"),
        ({"schedule": "step", "milestones": (3, 3)}, r"expected rising milestones, given \[3, 3\]"),
        ({"nesterov": True, "momentum": 0}, "expected a momentum above 0 with nesterov, given 0"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Sgd(**fields)


def test_what_was_added_is_left_out_at_its_default() -> None:
    assert "milestones" not in Sgd().model_dump_json()
    assert list(Sgd().model_dump()) == ["name", "learning_rate", "momentum", "weight_decay", "schedule"]
    assert list(Adam().model_dump()) == ["name", "learning_rate", "weight_decay", "schedule"]
    assert Sgd(nesterov=True).model_dump()["nesterov"] is True
