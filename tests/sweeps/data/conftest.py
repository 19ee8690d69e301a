"""A run that ends where training would begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sweeps.capacity.packing import Packing
from sweeps.driver.survey import Answer, Request
from sweeps.driver.training import Training
from sweeps.driver.work import Work
from sweeps.options import RunOptions
from tests.sweeps.data.runs import Started
from trainer.data.survey_pixels import look_at_data
from trainer.data.task import read_splits


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process, which has torch already."""

    def ask(module: str, request: Request, what: str, hear: object) -> dict[str, Any]:
        data_dir = None if request.data_dir is None else Path(request.data_dir)
        read_splits.cache_clear()
        found = look_at_data(request.tasks, request.if_there, data_dir)
        return json.loads(Answer(findings=tuple(found)).model_dump_json())  # type: ignore[no-any-return]

    monkeypatch.setattr("sweeps.driver.survey.ask", ask)


@pytest.fixture
def started(in_process: None, monkeypatch: pytest.MonkeyPatch) -> Started:
    """A Ray that is there at once, and trains nothing."""
    found = Started()

    @contextmanager
    def session(options: RunOptions) -> Iterator[dict[str, float]]:
        yield {"CPU": 2.0}

    def admit(work: Work, *more: object) -> tuple[Work, Packing]:
        return work, Packing(1, 0.0, 0, 1, "packed")

    def train(self: Training, packing: Packing) -> None:
        found.trials += self.configs
        found.options = self.options

    monkeypatch.setattr("sweeps.driver.training.ray_session", session)
    monkeypatch.setattr("sweeps.driver.training.admit", admit)
    monkeypatch.setattr(Training, "_train", train)
    return found
