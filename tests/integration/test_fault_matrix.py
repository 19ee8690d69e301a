"""Each fault in the middle of a real sweep: the transparent ones change no table, the terminal ones are told.

A case is a sweep of its own, so a run of the suite takes one of each kind; ALMSWEEP_ALL_FAULTS=1 takes all.
`make faults` runs all of them too, and prints what came of each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.faults.cases import CASES
from tests.integration.faults.found import compare
from tests.integration.faults.play import Unavailable, problems, run_case
from tests.integration.faults.scene import Scene

pytestmark = pytest.mark.timeout(1500)

QUICK = ("SIGKILL of a trial", "loss diverges")
ONE_OF_EACH = (
    *QUICK,
    "SIGKILL of a node's raylet",
    "SIGKILL of the driver",
    "SIGKILL of the head node",
    "SIGKILL of the MLflow server",
    "Ctrl-C",
    "disk full for good",
    "CPU out of memory always",
    "trial hangs once",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    scene = Scene(tmp_path_factory.mktemp("undisturbed"))
    ended = scene.run()
    assert ended.code == 0, ended.text
    assert scene.states()["done"] == len(scene.trials) == 6
    return scene.tables()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.clear_processes()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES]
)
def test_fault(undisturbed: dict[str, bytes], tmp_path: Path, name: str) -> None:
    case = CASES[name]
    if name not in ONE_OF_EACH and os.environ.get("ALMSWEEP_ALL_FAULTS") != "1":
        pytest.skip("not one of the chosen cases; ALMSWEEP_ALL_FAULTS=1 and `make faults` run all")
    try:
        found = run_case(case, tmp_path, undisturbed)
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert problems(case, found) == [], found


@pytest.mark.slow
def test_same_error_of_the_first_trials_stops_the_sweep(scene: Scene) -> None:
    ended = scene.run("same-error")
    assert ended.code == 1
    assert "stopped early: the first 3 trials all failed: ZeroDivisionError: injected" in ended.text
    assert scene.states()["done"] == 0
    assert scene.mlflow_states()["RUNNING"] == 0
    assert scene.processes_left() == 0


def test_differing_rows_are_named() -> None:
    calm = {"best.csv": b"block,row,auc\nx,BCE,0.9\nx,S-LM,0.8\n", "best.md": b"1"}
    other = {**calm, "best.csv": b"block,row,auc\nx,BCE,0.9\nx,S-LM,0.7\n"}
    assert compare(calm, dict(calm)) == "identical"
    assert compare(calm, other) == "all but S-LM"
    assert compare(calm, {**calm, "best.md": b"2"}) == "best.csv, no other file"
