"""`ray job submit` of the demo space on one machine: loopback only, token authentication."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from search_spaces.catalog import load_space
from trainer.store import Store

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def head(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Ray head on loopback with token authentication; ended by its process ids."""
    port, dashboard = free_port(), free_port()
    folder = _short_folder(tmp_path)
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}",
    }
    environment.pop("RAY_ADDRESS", None)
    command = [BIN / "ray", "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1"]
    command += [f"--port={port}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
    command += ["--object-store-memory=200000000", f"--temp-dir={folder}"]
    # Its usual port may belong to another Ray of this machine; without it no job can be submitted.
    command += [f"--dashboard-agent-listen-port={free_port()}"]
    with (tmp_path / "head.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        _wait_until_ready(environment["RAY_API_SERVER_ADDRESS"], process, tmp_path / "head.log")
        yield environment
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        for child in [*family, process]:
            try:
                psutil.Process(child.pid).kill()
            except psutil.NoSuchProcess:
                continue
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder(tmp_path: Path) -> Path:
    """Ray's sockets need a path of at most 107 bytes, which pytest's folders exceed."""
    folder = Path("/tmp") / f"ray-{tmp_path.stat().st_ino}"
    folder.mkdir()
    return folder


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=2).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (401, 403):  # it answers, and wants its token
                return
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"the head did not come up: {log.read_text()}")


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_without_the_token_nobody_gets_in(head: dict[str, str], token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    entry = json.dumps({"entrypoint": "touch ran"}).encode()
    for path, data in (("/api/jobs/", None), ("/api/jobs/", entry), ("/nodes?view=summary", None)):
        request = urllib.request.Request(f"{head['RAY_API_SERVER_ADDRESS']}{path}", data, headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()
        assert refused.value.code in (401, 403)


def test_submitted_demo_ends_with_its_table(head: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    entry = ["python", "-m", "sweeps.launch", "run", "demo", "--output", str(output), "--yes"]
    folder = tmp_path / "job"
    folder.mkdir()
    command = [BIN / "ray", "job", "submit", "--working-dir", folder, "--", *entry]
    for _ in range(30):  # the dashboard answers before it can take a job
        done = subprocess.run(command, env=head, capture_output=True, text=True, timeout=540, check=False)
        if "submitted successfully" in done.stdout + done.stderr:
            break
        time.sleep(2)
    assert done.returncode == 0, done.stdout + done.stderr
    space = load_space("demo")
    assert f"{len(space.trials)} done, 0 partial, 0 failed, 0 pending" in done.stdout
    assert "Best configurations of the sweep demo" in done.stdout
    finished = Store(output).all_replicates()
    assert {t: set(r) for t, r in finished.items()} == {c.trial_id: set(c.seeds) for c in space.trials}
    assert (output / "tables" / "demo" / "best.md").exists()
