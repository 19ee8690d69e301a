"""How a case is played and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.faults.found import Found, look
from tests.integration.faults.scene import Ended, Replicate, Scene

MIDDLE = "two of six trials done, others training"


@dataclass(frozen=True)
class Played:
    """What happened, the attempts that stood when the fault struck, processes left before a relaunch."""

    outcome: str
    before: dict[Replicate, str] | None = None
    processes: int = 0


@contextmanager
def plain_scene(folder: Path) -> Iterator[Scene]:
    """A scene whose results lie in its folder."""
    yield Scene(folder)


@dataclass(frozen=True)
class Case:
    """A fault, how it is played, and what it may change.

    group     the group of tests that it belongs to; None for what every run of the suite plays
    table     what the tables may differ in
    reason    what a failed trial's reason says; None where none fails
    again     most epochs that may be begun once more, for lack of a newer checkpoint
    """

    name: str
    injected: str
    play: Callable[[Scene], Played]
    group: str | None = None
    table: str = "identical"
    reason: str | None = None
    again: int = 0
    scene: Callable[[Path], AbstractContextManager[Scene]] = plain_scene


class Unavailable(Exception):
    """This machine cannot play the case; says why."""


def run_case(case: Case, folder: Path, undisturbed: dict[str, bytes]) -> Found:
    """Play a case and look at what it left. Raises Unavailable."""
    with case.scene(folder) as scene:
        try:
            played = case.play(scene)
            found = look(
                scene,
                undisturbed,
                fault=case.name,
                injected=case.injected,
                outcome=played.outcome,
                before=played.before,
            )
            return Found(**{**vars(found), "processes": found.processes + played.processes})
        finally:
            scene.clear_processes()


def problems(case: Case, found: Found) -> list[str]:
    """In what a case came out otherwise than it may."""
    wrong = [
        f"{name} is {getattr(found, name)}"
        for name in ("twice", "lost", "running", "unlevel", "processes")
        if getattr(found, name)
    ]
    if found.table != case.table:
        wrong.append(f"tables: expected {case.table}, found {found.table}")
    if found.again > case.again:
        wrong.append(f"{found.again} epochs were begun again, expected at most {case.again}")
    if case.reason is None and found.reasons:
        wrong.append(f"no trial should have failed: {found.reasons}")
    if case.reason is not None and not (found.reasons and all(case.reason in r for r in found.reasons)):
        wrong.append(f"expected the reason {case.reason!r}, found {found.reasons}")
    return wrong


def expect(ended: Ended, code: int, says: str = "") -> None:
    """Raise RuntimeError when a driver ended otherwise, or did not say so."""
    if ended.code != code or says not in ended.text:
        raise RuntimeError(
            f"expected exit code {code} and {says!r}, found {ended.code}:\n{ended.text[-4000:]}"
        )


def relaunch(scene: Scene) -> None:
    """Run the sweep again; it must end well."""
    expect(scene.run(), 0)
