"""`almsweep cancel --here`: which processes drive sweeps, and how they are asked to end.

The drivers are scripts in their place; each is named by a sweep of its own, so nobody else's is told to end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer

from sweeps.cli.main import app
from sweeps.cluster.drivers import drivers_here
from tests.processes import end_family, wait_until

COMMANDS: Any = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# Counts what it hears; ends at the first TERM unless it is deaf.
DRIVER = """
import os, signal, sys, time
heard = open(os.environ["HEARD"], "a", buffering=1)
def hear(number, frame):
    heard.write("TERM\\n")
    if "deaf" not in sys.argv:
        time.sleep(0.3)
        sys.exit(130)
signal.signal(signal.SIGTERM, hear)
if "forks" in sys.argv and os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
heard.write("ready\\n")
time.sleep(1000)
"""


class Machine:
    """Starts processes that look like drivers, and knows what they heard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sweep = f"sweep-{uuid.uuid4().hex[:8]}"
        self.program = folder / "almsweep"
        self.program.write_text(DRIVER)
        package = folder / "sweeps"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "cli.py").write_text(DRIVER)
        self.children: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, ready: int = 1) -> subprocess.Popen[bytes]:
        """A process that stands ready to hear."""
        heard = self.folder / f"heard-{len(self.children)}"
        heard.touch()
        child = subprocess.Popen(command, cwd=self.folder, env={**os.environ, "HEARD": str(heard)})
        self.children.append(child)
        wait_until("it is ready", lambda: heard.read_text().count("ready") == ready, process=child)
        return child

    def python(self, *words: str, ready: int = 1) -> subprocess.Popen[bytes]:
        """A process of this Python."""
        return self.start(sys.executable, *words, ready=ready)

    def heard(self) -> list[int]:
        """How many TERMs each process heard."""
        return [(self.folder / f"heard-{i}").read_text().count("TERM") for i in range(len(self.children))]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    for child in made.children:
        end_family(child)


def found(machine: Machine) -> list[int]:
    return sorted(driver.process.pid for driver in drivers_here(COMMANDS, machine.sweep))


def test_drivers_are_found_however_they_were_started(machine: Machine) -> None:
    space = f"spaces/{machine.sweep}.yaml"
    script = machine.python(str(machine.program), "run", space, "--yes")
    module = machine.python("-m", "sweeps.cli", "retry", machine.sweep, "--failed")
    assert found(machine) == sorted([script.pid, module.pid])


def test_what_drives_no_sweep_is_left_alone(machine: Machine, cli: Callable[..., Any]) -> None:
    program = str(machine.program)
    machine.python(program, "status", machine.sweep)
    machine.python(program, "run", machine.sweep, "--job")
    machine.python(program, "run", f"{machine.sweep}-other")
    shell = f'"{sys.executable}" "{program}" other & wait'
    machine.start("bash", "-c", shell, "almsweep-entrypoint", "run", machine.sweep)
    assert found(machine) == []
    done = cli("cancel", machine.sweep, "--here")
    assert done.exit_code == 0
    assert done.output.strip() == f"no sweep {machine.sweep} runs on this machine"
    assert machine.heard() == [0, 0, 0, 0]


def test_each_driver_hears_one_term_and_is_awaited(machine: Machine, cli: Callable[..., Any]) -> None:
    drivers = [machine.python(str(machine.program), "run", machine.sweep) for _ in range(2)]
    done = cli("cancel", machine.sweep, "--here")
    assert done.exit_code == 0, done.output
    assert all(driver.poll() is not None for driver in drivers)
    assert machine.heard() == [1, 1]
    for driver in drivers:
        words = f"sweep {machine.sweep} (process {driver.pid})"
        assert f"stopping {words}" in done.output
        assert f"{words}: ended; the same launch goes on from its results" in done.output


def test_copy_of_a_driver_is_none(machine: Machine) -> None:
    driver = machine.python(str(machine.program), "run", machine.sweep, "forks", ready=2)
    assert len(psutil.Process(driver.pid).children()) == 1
    assert found(machine) == [driver.pid]


def test_driver_that_goes_on_is_told(machine: Machine, cli: Callable[..., Any]) -> None:
    driver = machine.python(str(machine.program), "run", machine.sweep, "deaf")
    done = cli("cancel", machine.sweep, "--here", "--within", "1")
    assert done.exit_code == 1
    assert (
        f"told to stop and still running after 1 s: sweep {machine.sweep} (process {driver.pid})"
        in done.output
    )
    assert driver.poll() is None


def test_here_asks_no_cluster(cli: Callable[..., Any]) -> None:
    done = cli("cancel", "nothing-of-this-name", "--here", "--address", "http://127.0.0.1:1")
    assert done.exit_code == 2
    assert "--here: expected no --address" in done.output


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a namespace of process numbers: needs root")
def test_drivers_in_other_containers_are_elsewhere(machine: Machine) -> None:
    command = [sys.executable, str(machine.program), "run", machine.sweep]
    machine.start("unshare", "--pid", "--fork", "--kill-child", *command)
    assert found(machine) == []
