"""The progress display: plain lines when not a terminal, a panel on one."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

import sweeps.driver.progress
from search_spaces.config import Bce, TrialConfig
from search_spaces.presets import preset
from sweeps.driver.progress import SweepProgress


def config(**changes: Any) -> TrialConfig:
    return TrialConfig(**{**preset("digits", 20), "loss": Bce(), "epochs": 10, "seeds": (1,), **changes})


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)


def text(progress: SweepProgress) -> str:
    stream = progress.console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def test_plain_lines_tell_counts_best_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps.driver.progress, "PLAIN_INTERVAL_SECONDS", 0.0)
    first, second = config(), config(epochs=20)
    with SweepProgress(total=5, done=2, failed=0, to_run=3, console=console(False)) as progress:
        progress.started(first)
        progress.started(second)
        progress.epoch(first, 4, 0.75)
        assert "2/5 done · 0 failed · 2 running · ETA" in text(progress)
        assert "best so far: val AUROC 0.7500 (digits 1:20 baseline_BCE" in text(progress)
        progress.epoch(second, 0, 0.5)
        progress.ended(first)
        progress.ended(second, "Traceback\nDataError: too few")
    assert "failed  digits 1:20 baseline_BCE epochs=20: DataError: too few" in text(progress)
    assert "3/5 done · 1 failed · 0 running" in text(progress).splitlines()[-1]
    assert "0.7500" in text(progress).splitlines()[-1]
    assert "\x1b" not in text(progress)


def test_time_left_follows_the_share_of_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("sweeps.driver.progress.time.monotonic", lambda: now[0])
    progress = SweepProgress(total=2, done=0, failed=0, to_run=2, console=console(False))
    assert progress.seconds_left() is None
    now[0] += 30  # starting up counts for nothing
    progress.epoch(config(), 0, 0.5)  # a tenth of one of two trials
    assert progress.seconds_left() is None
    now[0] += 9
    progress.epoch(config(), 9, 0.5)
    assert progress.seconds_left() == pytest.approx(10)
    progress.ended(config())
    assert progress.seconds_left() == pytest.approx(10)


def test_an_undefined_metric_is_never_the_best() -> None:
    progress = SweepProgress(total=1, done=0, failed=0, to_run=1, console=console(False))
    progress.epoch(config(), 0, float("nan"))
    assert progress.best == {}


def test_terminal_shows_a_panel() -> None:
    with SweepProgress(total=1, done=0, failed=0, to_run=1, console=console(True)) as progress:
        progress.epoch(config(), 1, 0.9)
    assert "0/1 done" in text(progress)
    assert "\x1b" in text(progress)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("AcceleratorError: CUDA error: out of memory\nFor debugging consider passing …=1", "out of memory"),
        (
            "RayTaskError: Traceback (most recent call last):\n  File …\nDataError: scans: no image",
            "scans: no image",
        ),
    ],
)
def test_of_a_long_error_the_cause_is_shown(error: str, shown: str) -> None:
    progress = SweepProgress(total=1, done=0, failed=0, to_run=1, console=console(False))
    progress.ended(config(), error)
    assert text(progress).strip().endswith(shown)
