"""Each fault in the middle of a real sweep: the transparent ones change no table, the terminal ones are told.

Tables are held against those of the same trials trained without Ray. `make faults` runs all cases one after
the other and prints what came of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.faults.calm import undisturbed_tables
from tests.integration.faults.cases import CASES, ERRORS
from tests.integration.faults.found import compare
from tests.integration.faults.play import Case, Unavailable, problems, run_case
from tests.integration.faults.scene import Scene

pytestmark = pytest.mark.timeout(3000)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    tables = undisturbed_tables(tmp_path_factory.mktemp("undisturbed"))
    rows = tables["best.csv"].splitlines()[1:]
    assert len(rows) == sum(b"n=2/2" in row for row in rows) == 6
    return tables


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.clear_processes()


def marks(case: Case) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.slow,) if case.group is None else (pytest.mark.group(name=case.group),)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(case)) for name, case in CASES.items()])
def test_fault(undisturbed: dict[str, bytes], tmp_path: Path, name: str) -> None:
    case = CASES[name]
    try:
        found = run_case(case, tmp_path, undisturbed)
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert problems(case, found) == [], found


@pytest.mark.group(name=ERRORS)
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
