"""A report of a file that holds another space than its stored sweep was run with is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from tests.plugins import install, on_path
from tests.sweeps.two_spaces import content, grid, ran, search
from trainer.store import Store

Cli = Callable[..., Result]


@pytest.mark.parametrize("command", [["tables"], ["status"], ["retry", "--failed"], ["reconcile"]])
def test_a_report_of_another_file_is_refused_and_says_both(
    cli: Cli, tmp_path: Path, command: list[str]
) -> None:
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE, baseline_LDAM, baseline_WBCE_1_3"), output)
    other = grid(tmp_path / "b", "baseline_BCE, baseline_s_FL_g2")
    before = content(output)
    name, *options = command
    done = cli(name, other, *options, "--output", output)
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert f"{other}: expected the space that the sweep space in {output} was run with" in line
    assert "1 trial stays, 2 trials leave, 1 trial comes" in line
    assert content(output) == before


def test_a_file_that_says_the_same_trials_is_no_other(cli: Cli, tmp_path: Path) -> None:
    """Bytes, seeds and the way of reading may differ; the seeds that were last run stay."""
    output = tmp_path / "out"
    ran(grid(tmp_path / "a", "baseline_BCE, baseline_LDAM"), output, replicates=4)
    same = grid(tmp_path / "b", "baseline_LDAM,   bce", description="words", tpr_targets="[0.9]")
    told = cli("status", same, "--output", output)
    assert told.exit_code == 0, told.output
    assert "2 trials, 8 replicates" in told.stdout


def test_the_name_shows_what_is_stored_and_a_sweep_of_before_fits_any_file(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out"
    stored = ran(grid(tmp_path / "a", "baseline_BCE, baseline_LDAM"), output)
    other = grid(tmp_path / "b", "baseline_s_FL_g2")
    assert "2 trials" in cli("status", "space", "--output", output).stdout
    assert cli("status", other, "--output", output).exit_code == 2
    Store(output).write_sweep(replace(stored, space=None))
    assert "2 trials" in cli("status", other, "--output", output).stdout


def test_a_changed_search_is_refused_and_its_suggestions_stay(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "out"
    path = search(tmp_path / "a", 1, 4)
    stored = ran(path, output)
    assert cli("status", search(tmp_path / "a", 1, 4, samples=2), "--output", output).exit_code == 0
    done = cli("status", search(tmp_path / "a", 10, 14), "--output", output)
    assert done.exit_code == 2
    assert "(0 trials stay, 3 trials leave)" in done.stderr
    assert Store(output).read_sweep("space") == stored


def test_a_file_that_lacks_its_plugin_is_not_compared(cli: Cli, tmp_path: Path) -> None:
    output, losses = tmp_path / "out", "{name: squared}, {name: squared, temperature: 2}"
    path = grid(tmp_path / "a", losses)
    with on_path(install(tmp_path / "installed")):
        ran(path, output)
    told = cli("status", path, "--output", output)
    assert told.exit_code == 0, told.output
    assert "2 trials, 2 replicates" in told.stdout
    for wrong in (grid(tmp_path / "b", "baseline_BEC"), grid(tmp_path / "c", losses, name="never-run")):
        assert cli("status", wrong, "--output", output).exit_code == 2
