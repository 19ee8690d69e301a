"""Work that other processes do: the same answers in the same order, and the same errors."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from analysis.crew import Crew
from analysis.pictures import write_figures
from analysis.tables import make_tables, write_made
from tests.analysis.stored_sweep import SweepBuilder


def killed_but_here(answer: int, here: int) -> int:
    """An answer of this process alone; any other one that is asked is killed."""
    if os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer


def is_loaded(module: str) -> bool:
    return module in sys.modules


def test_answers_come_in_order_and_from_other_processes() -> None:
    with Crew(2) as crew:
        assert list(crew.map(partial(pow, number, 2) for number in range(9))) == [n**2 for n in range(9)]
        found = set(crew.map([os.getpid] * 6))
    assert os.getpid() not in found
    assert 1 <= len(found) <= 2


def test_a_crew_of_nobody_works_here() -> None:
    with Crew(0) as crew:
        assert list(crew.map([os.getpid])) == [os.getpid()]


def test_an_error_is_the_same_as_here() -> None:
    with Crew(1) as crew:
        answers = crew.map([partial(int, "7"), partial(int, "seven"), partial(int, "8")])
        assert next(answers) == 7
        with pytest.raises(ValueError, match="'seven'"):
            next(answers)


def test_what_killed_processes_left_is_done_here() -> None:
    with Crew(2) as crew:
        calls = [partial(killed_but_here, number, os.getpid()) for number in range(5)]
        assert list(crew.map(calls)) == [0, 1, 2, 3, 4]


def test_what_cannot_be_sent_is_done_here() -> None:
    with Crew(1) as crew:
        assert list(crew.map([lambda: os.getpid(), partial(int, "7")])) == [os.getpid(), 7]


def test_who_is_not_asked_is_not_started() -> None:
    with Crew(2) as crew:
        assert list(crew.map([])) == []


def test_who_is_ready_has_imported_what_was_asked_for() -> None:
    with Crew(1) as crew:
        crew.be_ready("wave", "no_such_module")
        assert list(crew.map([partial(is_loaded, "wave")])) == [True]


def test_a_block_may_end_while_processes_start() -> None:
    with Crew(2) as crew:
        crew.be_ready("analysis.tables")


def test_processes_make_the_same_tables_and_figures(golden: SweepBuilder, tmp_path: Path) -> None:
    made = make_tables(golden.store, golden.manifest(), draws=50)
    alone = [*write_made(made, "same", tmp_path / "tables").files, *write_figures(made, tmp_path / "alone")]
    with Crew(2) as crew:
        again = make_tables(golden.store, golden.manifest(), draws=50, crew=crew)
        together = [
            *write_made(again, "same", tmp_path / "again").files,
            *write_figures(again, tmp_path / "together", crew=crew),
        ]
    assert [path.name for path in alone] == [path.name for path in together]
    for one, other in zip(alone, together, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
