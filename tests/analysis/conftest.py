from pathlib import Path

import pytest

from tests.analysis.stored_sweep import SweepBuilder, add_golden_trials


@pytest.fixture
def builder(tmp_path: Path) -> SweepBuilder:
    """An empty store to write trials into."""
    return SweepBuilder(tmp_path / "store")


@pytest.fixture
def golden(builder: SweepBuilder) -> SweepBuilder:
    """The small sweep that the files in golden/ were made from."""
    add_golden_trials(builder)
    return builder
