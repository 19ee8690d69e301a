"""What `--help` shows on terminals of any width: whole sentences."""

from __future__ import annotations

import re

import pytest
import typer.main
from click.testing import CliRunner

from sweeps.cli.main import app


@pytest.mark.parametrize("columns", [200, 80, 60, 40])
def test_every_command_is_described_in_a_whole_sentence(columns: int) -> None:
    group = typer.main.get_command(app)
    shown = CliRunner().invoke(group, ["--help"], env={"COLUMNS": str(columns)}, prog_name="almsweep").output
    listed = shown.partition("Commands:\n")[2]
    assert "..." not in listed
    rows = re.split(r"(?m)^  (?=[a-z])", listed)[1:]
    assert len(rows) >= 12
    for row in rows:
        assert row.rstrip().endswith("."), row
    assert max(map(len, shown.splitlines())) <= columns
