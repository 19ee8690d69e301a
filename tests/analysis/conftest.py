from pathlib import Path

import pytest

from analysis.tables import Tables
from tests.analysis.stored_sweep import SweepBuilder, add_golden_trials
from tests.analysis.wide_sweeps import wide_tables


@pytest.fixture
def builder(tmp_path: Path) -> SweepBuilder:
    """An empty store to write trials into."""
    return SweepBuilder(tmp_path / "store")


@pytest.fixture
def golden(builder: SweepBuilder) -> SweepBuilder:
    """The small sweep that the files in golden/ were made from."""
    add_golden_trials(builder)
    return builder


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Tables with long names, many rows, blocks and rates."""
    return wide_tables(SweepBuilder(tmp_path_factory.mktemp("wide") / "store"))
