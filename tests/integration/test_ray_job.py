"""`ray job submit` of the demo space on one machine: loopback only, token authentication."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search_spaces.catalog import load_space
from sweeps.tracking.ui import free_port
from tests.processes import end_family, wait_until
from trainer.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BIN = Path(sys.executable).parent


class Head:
    """A Ray head on loopback with token authentication: `environment` of its clients, and its HTTP API."""

    def __init__(self, folder: Path) -> None:
        self.dashboard = f"http://127.0.0.1:{free_port()}"
        self.token = secrets.token_hex(32)
        self.log = folder / "head.log"
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_API_SERVER_ADDRESS": self.dashboard,
        }
        self.environment.pop("RAY_ADDRESS", None)
        command = [BIN / "ray", "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1"]
        command += [f"--port={free_port()}", "--dashboard-host=127.0.0.1"]
        command += [f"--dashboard-port={self.dashboard.rpartition(':')[2]}", f"--temp-dir={folder}"]
        command += ["--object-store-memory=200000000"]
        # Its usual port may belong to another Ray of this machine; without it no job can be submitted.
        command += [f"--dashboard-agent-listen-port={free_port()}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=folder)

    def ask(self, path: str, token: str | None, data: bytes | None = None) -> bytes:
        """The reply to a GET, or to a POST with data. Raises HTTPError (an OSError) when refused."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self.dashboard}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            content: bytes = reply.read()
            return content

    def told(self, path: str) -> dict[str, Any]:
        """The reply's content to somebody with the token."""
        found: dict[str, Any] = json.loads(self.ask(path, self.token))
        return found

    def has_ended(self, path: str) -> bool:
        """Whether a job has; a busy dashboard that does not answer is asked again."""
        try:
            return bool(self.told(path)["end_time"])
        except OSError:
            return False

    def takes_jobs(self) -> bool:
        """The dashboard answers before its agent can take a job."""
        try:
            self.ask("/api/jobs/", self.token)
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A head in a folder with a path short enough for Ray's sockets; ended by its process ids."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    started = Head(folder)
    try:
        wait_until("the head takes jobs", started.takes_jobs, process=started.process, log=started.log)
        yield started
    finally:
        end_family(started.process)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_without_the_token_nobody_gets_in(head: Head, token: str | None) -> None:
    entry = json.dumps({"entrypoint": "touch ran"}).encode()
    for path, data in (("/api/jobs/", None), ("/api/jobs/", entry), ("/nodes?view=summary", None)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            head.ask(path, token, data)
        refused.value.close()
        assert refused.value.code in (401, 403)


def test_submitted_demo_ends_with_its_table(head: Head, tmp_path: Path) -> None:
    """By the job's state and its whole log: a log's stream may break on a busy machine."""
    output, folder = tmp_path / "output", tmp_path / "job"
    folder.mkdir()
    entry = ["python", "-m", "sweeps.launch", "run", "demo", "--output", str(output), "--yes"]
    command = [BIN / "ray", "job", "submit", "--no-wait", "--working-dir", folder]
    submitted = subprocess.run(
        [*command, "--", *entry], env=head.environment, capture_output=True, text=True, check=False
    )
    named = re.search(r"Job '(\w+)' submitted successfully", submitted.stdout)
    assert named is not None, submitted.stdout + submitted.stderr
    job = f"/api/jobs/{named[1]}"
    wait_until("the job ends", lambda: head.has_ended(job), process=head.process, log=head.log)
    said = head.told(f"{job}/logs")["logs"]
    assert head.told(job)["status"] == "SUCCEEDED", said
    space = load_space("demo")
    assert f"{len(space.trials)} done, 0 partial, 0 failed, 0 pending" in said
    assert "Best configurations of the sweep demo" in said
    finished = Store(output).all_replicates()
    assert {t: set(r) for t, r in finished.items()} == {c.trial_id: set(c.seeds) for c in space.trials}
    assert (output / "tables" / "demo" / "best.md").exists()
