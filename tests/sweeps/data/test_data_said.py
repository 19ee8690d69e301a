"""What `plan` says of a sweep's data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.sweeps.data.runs import (
    RATIOS,
    SCANS,
    space,
    write_scans,
)

Cli = Callable[..., Result]


def test_plan_tells_what_labels_tell(cli: Cli, tmp_path: Path) -> None:
    done = cli("plan", space(tmp_path, RATIOS), "-o", tmp_path / "out")
    assert done.exit_code == 1, "one of two blocks cannot be trained"
    assert (
        "cannot be trained: digits 1:3: digits: ratio 1:3 of 451 training negatives asks for" in done.stdout
    )
    assert (
        "test        40 of each of 6 classes: drawn from the training images (test_per_class)" in done.stdout
    )
    (training,) = [line for line in done.stdout.splitlines() if line.startswith("  training")]
    assert training.startswith("  training    1:20: class 1: 91 of 102, ")
    assert training.endswith("class 8: 22 of 94 (train_share 0.9)")
    assert "data digits" in done.stdout.splitlines()
    assert not (tmp_path / "out").exists()


def test_plan_without_data_stays_as_it_is(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALMSWEEP_DATA", raising=False)
    done = cli("plan", "paper-published", "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "data" not in done.stdout
    done = cli("plan", "paper-published", "-o", tmp_path / "out", "--data-dir", tmp_path / "none")
    assert done.exit_code == 0
    assert done.stdout.count("data are not here: cifar") == 2


def test_plan_counts_what_is_passed_over(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    write_scans(tmp_path / "scans" / "malignant" / "patient 7", 3, 9)
    (tmp_path / "scans" / "benign" / "list.xyz").write_text("no image")
    done = cli("plan", space(tmp_path, SCANS), "-o", tmp_path / "out", "--data-dir", tmp_path)
    assert done.exit_code == 0
    assert "  training    1:2: benign 45 of 50, malignant 22 of 30 (train_share 0.9)" in done.stdout
    assert "  training    1:5: benign 45 of 50, malignant 9 of 30 (train_share 0.9)" in done.stdout
    left_out = [line for line in done.stdout.splitlines() if line.startswith("  left out")]
    assert any("12" in line and "patient 7" in line for line in left_out)
    assert any("list.xyz" in line for line in left_out)
    (header,) = [line for line in done.stdout.splitlines() if line.startswith("data ")]
    assert "scans" in header


def test_data_without_validation_say_so(cli: Cli, tmp_path: Path) -> None:
    text = """
name: whole
fixed:
  data: {source: {name: digits}, negative: [1, 2], positive: [8], validation_per_class: 0, test_per_class: 20}
  patience: null
  scored: last
  seeds: [1]
grid: {loss: [baseline_BCE]}
"""
    done = cli("plan", space(tmp_path, text), "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "validation  none, so nothing is selected by it (validation_per_class 0)" in done.output
