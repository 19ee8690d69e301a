"""The Ray that a sweep starts for itself: on loopback only, and closed to the other users of the machine."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE

pytestmark = pytest.mark.group(name="tracking")

ROOT = Path(__file__).resolve().parents[2]

# In a process of its own: Ray reads its settings once per process.
SESSION = """
import json, os, sys
import psutil
from rich.console import Console
import sweeps.driver.run, sweeps.driver.tuning
from search_spaces.catalog import load_space
from sweeps.driver.opened import OpenedSweep
from sweeps.options import RunOptions
from trainer.store import Store, SweepManifest

def instead_of_trials(*arguments):
    import ray
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    open_ports = [
        [process.name(), found.laddr.ip]
        for process in family for found in process.net_connections("tcp") if found.status == "LISTEN"
    ]
    told = {"gcs": ray.get_runtime_context().gcs_address, "token": os.environ["RAY_AUTH_TOKEN"]}
    told["sockets"] = ray._private.worker._global_node.get_sockets_dir_path()
    print(json.dumps({**told, "ports": open_ports}), flush=True)
    sys.stdin.readline()

sweeps.driver.tuning.tune_trials = instead_of_trials
manifest = SweepManifest("demo", load_space("demo").trials[:1])
sweep = OpenedSweep(Store(sys.argv[1]), manifest)
sweeps.driver.run.run_sweep(sweep, RunOptions(no_tracking=True), Console(stderr=True))
"""
INTRUDER = """
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False)
print(ray.get(ray.remote(lambda: "in").remote()))
"""


def clean(home: Path, **more: str) -> dict[str, str]:
    """An environment without a word about Ray, and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "PYTHONPATH": str(ROOT), "HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0", **more}


def enter(address: str, home: Path, **settings: str) -> list[str]:
    """What another user's process prints who connects and runs a task."""
    done = subprocess.run(
        [sys.executable, "-c", INTRUDER, address],
        env=clean(home, RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", **settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=home,
    )
    return done.stdout.split() or ["refused" if "nauthenticated" in done.stderr else done.stderr]


def test_nobody_without_the_token_gets_into_a_sweep_s_own_ray(tmp_path: Path) -> None:
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, tmp_path / "output"],
        env=clean(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert session.stdout is not None
        told = json.loads(session.stdout.readline())
        closed = Path(told["sockets"]).parents[2]
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert len(told["ports"]) >= 3
        assert {address for _, address in told["ports"]} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
        assert "in" in enter(told["gcs"], tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=told["token"])
        assert enter(told["gcs"], tmp_path, RAY_AUTH_MODE="disabled") == ["refused"]
        assert enter(told["gcs"], tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64) == ["refused"]
    finally:
        session.communicate("\n", timeout=PATIENCE)
    assert session.returncode == 0
    assert not closed.exists()
    assert not (tmp_path / ".ray" / "auth_token").exists()
