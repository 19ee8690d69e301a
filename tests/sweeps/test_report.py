"""What `plan` and `status` print of counts: whole at any width of the terminal, in the right number."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from search_spaces.config import Binary, ImageFolder, TrialConfig
from search_spaces.words import count
from sweeps.capacity.forecast import Forecast
from sweeps.capacity.packing import Packing
from sweeps.capacity.probe import TimeEstimate
from sweeps.cli.report import device_time, print_plan, print_time
from sweeps.plan import STATUSES, Plan, make_plan
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

OWN = Binary(
    source=ImageFolder(folder="thorax_of_our_hospital_2019-2024_reexported", size=64),
    negative=("healthy", "benign_finding", "other"),
    positive=("malignant", "suspicious"),
    imbalance_ratio=10,
    validation_per_class=50,
)


def printed(plan: Plan, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_plan(console, plan)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def sweep(folder: Path, configs: list[TrialConfig]) -> Plan:
    return make_plan("a-sweep", configs, Store(folder))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_count_is_cut_at_any_width(tmp_path: Path, width: int) -> None:
    """1,284 trials of one's own data, of which four are done."""
    first = synthetic.trials(data=OWN)
    configs = [*first, *(first[0].model_copy(update={"epochs": epochs}) for epochs in range(200, 1480))]
    for config in first:
        synthetic.write_trial(Store(tmp_path), config)
    text = printed(sweep(tmp_path, configs), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for number in ("1,284", "1,280", "4"):
        assert re.search(rf"(?<![\d,]){number}(?![\d,])", words)
    for status in STATUSES:
        assert status in words or status == "pruned"
    assert "1,284 trials, 3,852 replicates: 4 done" in words


def test_one_is_one(tmp_path: Path) -> None:
    (config, *_) = synthetic.trials(seeds=(1,))
    for width in (40, 100):
        assert "1 trial, 1 replicate: 0 done" in printed(sweep(tmp_path, [config]), width)


def test_times_are_told_in_the_unit_that_suits() -> None:
    for seconds in (0.0, 1e-7, 0.22, 59.9, 60.0, 3599.0, 3600.0, 1e9):
        assert not re.search(r"\d(?:e|\d{5})", device_time(seconds, "core"))
    assert device_time(0.22, "core") == "0.22 core-seconds"
    assert count(1, "trial") == "1 trial"


def test_where_nothing_is_left_no_time_is_told() -> None:
    console = Console(file=io.StringIO(), width=200)
    print_time(console, Forecast(TimeEstimate(0.0, 0), Packing(1, 0.0, 0, 1, "CPUs hold 1"), 0))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "time: none, nothing is left to train\n"
