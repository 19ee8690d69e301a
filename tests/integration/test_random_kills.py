"""A sweep that is killed at random moments ends as one that was not, and leaves nothing behind."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.random_kills import play

pytestmark = [pytest.mark.group(name="kills"), pytest.mark.timeout(3000)]
KILLS = 8


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Ray's sockets are to lie below it, and pytest's own folders have long names."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        yield Path(folder)


def test_a_sweep_that_is_killed_at_random_ends_as_if_nothing_had_been(short_folder: Path) -> None:
    random.seed(5)
    outcome = play(short_folder, KILLS)
    assert outcome.kills.total() == KILLS
    assert outcome.last_code == 0
    assert outcome.table == "identical"
    assert outcome.unlevel == 0
    assert outcome.temp == []
    assert outcome.processes == 0
