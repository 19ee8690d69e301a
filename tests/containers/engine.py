"""A container engine for the tests: an image built for them, and the compose stack under a name of theirs.

    ALMSWEEP_TEST_TARGET   the image's target, cpu (default) or cuda
    ALMSWEEP_TEST_BUILD    options of `docker build`, such as --build-arg PYTHON_IMAGE=mirror/python:3.12
    ALMSWEEP_POSTGRES_IMAGE, ALMSWEEP_WORKER_CPUS, …   as docker/compose.yaml takes them

The stack's project, image, ports and volumes are those of this process alone: the user's are not touched.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml

from sweeps.tracking.ui import free_port
from tests.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
NAME = f"almsweep-test-{os.getpid()}"
SERVICES = ("postgres", "mlflow", "head", "worker")
# Counts the living nodes that have a CPU to give.
NODES = """
import ray
ray.init("auto", logging_level="ERROR")
print(sum(1 for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0))
"""
BUILD_SECONDS = 3600.0
COMMAND_SECONDS = 1200.0


def say(text: str) -> None:
    """A line with the time, for who watches."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def run(command: list[str], *, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
    """A finished command; its output is in the error when it fails and should not."""
    more.setdefault("timeout", COMMAND_SECONDS)
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if check and done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise AssertionError(f"{shlex.join(command)} ended with {done.returncode}:\n{said}")
    return done


def compose_command() -> list[str] | None:
    """`docker compose`, or the older `docker-compose`; None where there is neither."""
    if run(["docker", "compose", "version"], check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def what_is_missing() -> str | None:
    """Why containers cannot be tested here; None where they can."""
    if shutil.which("docker") is None:
        return "needs a container engine: there is no docker on PATH"
    told = run(["docker", "info", "--format", "{{.ServerVersion}}"], check=False)
    if told.returncode != 0:
        return f"needs a container engine: {(told.stderr or told.stdout).strip().splitlines()[-1]}"
    if compose_command() is None:
        return "needs compose: neither `docker compose` nor `docker-compose` is there"
    return None


def build() -> str:
    """The image's name, built from this checkout."""
    target = os.environ.get("ALMSWEEP_TEST_TARGET", "cpu")
    options = shlex.split(os.environ.get("ALMSWEEP_TEST_BUILD", ""))
    command = [
        "docker",
        "build",
        "-f",
        "docker/Dockerfile",
        "--target",
        target,
        "-t",
        f"{NAME}:{target}",
        *options,
    ]
    command += ["--build-arg", f"COMMIT={run(['git', 'rev-parse', 'HEAD'], cwd=ROOT).stdout.strip()}", "."]
    started = time.monotonic()
    run(command, cwd=ROOT, env={**os.environ, "DOCKER_BUILDKIT": "1"}, timeout=BUILD_SECONDS)
    size = int(run(["docker", "image", "inspect", "-f", "{{.Size}}", f"{NAME}:{target}"]).stdout)
    say(f"built target {target} in {time.monotonic() - started:.0f} s, {size / 1e9:.1f} GB")
    return f"{NAME}:{target}"


class Stack:
    """docker/compose.yaml with two workers, its secrets and data below `folder`."""

    def __init__(self, folder: Path, image: str) -> None:
        self.secrets = folder / "secrets"
        self.data = folder / "data"
        self.data.mkdir()
        self.ports = {"mlflow": free_port(), "dashboard": free_port(), "client": free_port()}
        self.environment = {
            **os.environ,
            "ALMSWEEP_SECRETS": str(self.secrets),
            "ALMSWEEP_DATA_DIR": str(self.data),
            "MLFLOW_PORT": str(self.ports["mlflow"]),
            "ALMSWEEP_DASHBOARD_PORT": str(self.ports["dashboard"]),
            "ALMSWEEP_CLIENT_PORT": str(self.ports["client"]),
        }
        compose = compose_command()
        assert compose is not None
        self._waits = compose[0] == "docker"
        self._compose = [*compose, "--project-directory", str(ROOT / "docker"), "-p", NAME]
        for file in (_stack_file(folder), _image_file(folder, image)):
            self._compose += ["-f", str(file)]

    def compose(self, *words: str, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
        """A command of compose on this stack."""
        return run([*self._compose, *words], check=check, env=self.environment, **more)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """A command of compose that goes on beside the test."""
        command = [*self._compose, *words]
        return subprocess.Popen(command, env=self.environment, text=True, stdin=subprocess.DEVNULL, **more)

    def up(self) -> None:
        """Start what does not run, and wait until all is healthy and both workers are nodes of the cluster.

        A head that was killed knows no node when it comes back; workers need half a minute to notice that.
        """
        words = ["up", "--detach", "--no-build", "--scale", "worker=2"]
        self.compose(*words, *(["--wait"] if self._waits else []))
        wait_until("the stack is healthy", lambda: self.health() == ["healthy"] * 5)
        wait_until("two nodes take trials", lambda: self.nodes() == 2)

    def containers(self, service: str) -> list[str]:
        """Ids of a service's containers, those that have ended too."""
        labels = [f"label=com.docker.compose.project={NAME}", f"label=com.docker.compose.service={service}"]
        filters = [word for label in labels for word in ("--filter", label)]
        return run(["docker", "ps", "--all", "--quiet", *filters]).stdout.split()

    def inspected(self, service: str) -> list[dict[str, Any]]:
        """What the engine tells of a service's containers."""
        found: list[dict[str, Any]] = json.loads(run(["docker", "inspect", *self.containers(service)]).stdout)
        return found

    def health(self) -> list[str]:
        """The health of every container that runs."""
        states = [container["State"] for service in SERVICES for container in self.inspected(service)]
        return [state["Health"]["Status"] for state in states if state["Running"]]

    def nodes(self) -> int:
        """How many nodes of the cluster take trials."""
        told = self.compose("exec", "-T", "head", "python", "-c", NODES, check=False).stdout.split()
        return int(told[-1]) if told else 0

    def reads(self, path: str) -> str:
        """A file of the volume `results`; empty where there is none."""
        return self.compose("exec", "-T", "head", "cat", f"/results/{path}", check=False).stdout

    def secret(self, name: str) -> str:
        """One of the stack's secrets."""
        return (self.secrets / name).read_text()

    def left(self) -> dict[str, list[str]]:
        """What of the stack the engine still has: containers, volumes, networks."""
        label = ["--filter", f"label=com.docker.compose.project={NAME}"]
        return {
            "containers": run(["docker", "ps", "--all", "--quiet", *label]).stdout.split(),
            "volumes": run(["docker", "volume", "ls", "--quiet", *label]).stdout.split(),
            "networks": run(["docker", "network", "ls", "--quiet", *label]).stdout.split(),
        }


def _stack_file(folder: Path) -> Path:
    """The compose file as it stands; without its name, which the first version of compose does not know."""
    text = (ROOT / "docker" / "compose.yaml").read_text()
    path = folder / "compose.yaml"
    path.write_text(re.sub(r"^name: .*$", "", text, flags=re.MULTILINE))
    return path


def _image_file(folder: Path, image: str) -> Path:
    """Puts the tests' image in the place of the user's."""
    path = folder / "image.yaml"
    path.write_text(yaml.safe_dump({"services": {name: {"image": image} for name in SERVICES[1:]}}))
    return path


def status_of(url: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> int:
    """The HTTP status of a reply."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers or {}), timeout=60) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def basic(user: str, password: str) -> dict[str, str]:
    """The header that names user and password."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def answer(url: str, headers: dict[str, str], question: dict[str, Any]) -> dict[str, Any]:
    """The JSON answer to a JSON question."""
    data = json.dumps(question).encode()
    headers = {"Content-Type": "application/json", **headers}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as reply:
        found: dict[str, Any] = json.loads(reply.read())
        return found
