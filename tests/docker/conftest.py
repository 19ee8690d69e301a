"""A container's PATH in a folder: fake `ray`, `mlflow`, `almsweep`, … that record how they were called."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import PATIENCE, wait_until

DOCKER = Path(__file__).resolve().parents[2] / "docker"
PROGRAMS = ("ray", "mlflow", "almsweep", "nvidia-cuda-mps-control", "hostname", "wget", "python3")

# One program under many names. It appends what it saw to $FAKE_LOG, one JSON object per line and write.
FAKE = """#!{python} -S
import json, os, signal, sys
name, argv = os.path.basename(sys.argv[0]), sys.argv[1:]
def note(**more):
    line = json.dumps(dict(program=name, argv=argv, env=dict(os.environ), **more)) + chr(10)
    log = os.open(os.environ["FAKE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, line.encode())
def leave(number, frame):
    note(event=signal.Signals(number).name)
    sys.exit(128 + number)
def wait():
    deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    signal.signal(signal.SIGTERM, leave)
    if not deaf:
        signal.signal(signal.SIGINT, leave)
    note(event="ready")
    signal.alarm(1000)
    while True:
        signal.pause()
if name == "nvidia-cuda-mps-control":
    said = "" if argv else sys.stdin.read().strip()
    note(event=said or "start")
    sys.exit(said == "get_server_list" and "FAKE_MPS_RUNNING" not in os.environ)
if name == "hostname":
    print("10.9.8.7 fd00::7")
    sys.exit(0)
waits = (name == "ray" and "--block" in argv) or (name == "almsweep" and argv[:1] != ["cancel"])
if waits and "FAKE_EXIT" not in os.environ:
    wait()
if argv[:2] == ["-m", "venv"]:
    os.makedirs(os.path.join(argv[2], "bin"))
    os.symlink(os.path.abspath(sys.argv[0]), os.path.join(argv[2], "bin", "python"))
if "--wheel-dir" in argv:
    open(os.path.join(argv[argv.index("--wheel-dir") + 1], "almsweep-0-py3-none-any.whl"), "w").write("wheel")
if argv == ["--version"]:
    print("Python 3.12.1")
note(event="called")
sys.exit(int(os.environ.get("FAKE_EXIT", 0)) if waits or name == "wget" else 0)
"""


class Container:
    """A clean environment with fake programs; `run` and `start` execute a script of `docker/` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls.jsonl"
        self.log.touch()
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        fake = folder / "fake.py"
        fake.write_text(FAKE.replace("{python}", sys.executable))
        fake.chmod(0o755)
        for name in PROGRAMS:
            (self.bin / name).symlink_to(fake)
        self.env = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.home),
            "FAKE_LOG": str(self.log),
            "ALMSWEEP_RUN_DIR": str(folder / "run"),
        }
        self.children: list[subprocess.Popen[str]] = []
        self.listening: list[socket.socket] = []

    def head(self) -> str:
        """The address of a head that listens."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.listening.append(listener)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def secret(self, name: str, value: str) -> Path:
        """A file with a secret in it, as a container finds one."""
        path = self.folder / name
        path.write_text(value + "\n")
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        return path

    def start(self, script: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """The running script, its output captured."""
        command = ["bash", str(DOCKER / script), *arguments]
        child = subprocess.Popen(
            command,
            env=self.env | env,
            text=True,
            start_new_session=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.children.append(child)
        return child

    def run(self, script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The finished script."""
        child = self.start(script, *arguments, **env)
        out, err = child.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(child.args, child.returncode, out, err)

    def stop(self, child: subprocess.Popen[str], number: signal.Signals) -> int:
        """Sends a signal to the script alone, as tini does, and returns its exit status."""
        child.send_signal(number)
        child.communicate(timeout=PATIENCE)
        return child.returncode

    def calls(self, program: str | None = None) -> list[dict[str, Any]]:
        """What the programs recorded, in order."""
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [call for call in found if program in (None, call["program"])]

    def events(self) -> list[tuple[str, str]]:
        """(program, event) in order; a call's event is its first argument."""
        return [
            (call["program"], (call["argv"] or [""])[0] if call["event"] == "called" else call["event"])
            for call in self.calls()
        ]

    def wait_for(self, program: str, event: str) -> dict[str, Any]:
        """The first call of a program with this event, waited for."""
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found.extend(call for call in self.calls(program) if call["event"] == event)
            return bool(found)

        wait_until(f"{program} says {event}: {self.events()}", came)
        return found[0]


@pytest.fixture
def container(tmp_path: Path) -> Any:
    made = Container(tmp_path)
    yield made
    for listener in made.listening:
        listener.close()
    for child in made.children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()


@pytest.fixture
def docker() -> Path:
    """The folder under test."""
    return DOCKER
