"""A cluster that starts its nodes on demand: a sweep is launched while there is none, as on a cloud.

Ray's own autoscaler, with its provider for tests, whose nodes are processes of this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweeps.tracking.ui import free_port
from tests.processes import end_family, wait_until

pytestmark = pytest.mark.group(name="packing")

BIN = Path(sys.executable).parent
STORE_BYTES = 80 * 1024**2
HEAD_ID = "f" * 51 + "00000"
SPACE = "fixed: {dataset: digits, ratio: 20, epochs: 2, seeds: [1]}\ngrid: {loss: [baseline_BCE]}\n"

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def configuration(address: str) -> dict[str, object]:
    """A cluster file of a head without CPUs, and of one worker with two that is not there at first."""
    lists = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        "cluster_name": "growing",
        "max_workers": 1,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 5,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {
                "resources": {"CPU": 2, "object_store_memory": STORE_BYTES},
                "node_config": {},
                "min_workers": 0,
                "max_workers": 1,
            },
        },
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
        **{f"{name}_commands": [] for name in lists},
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a driver on such a cluster; the cluster is ended by its process ids."""
    folder = Path("/tmp") / f"ray-{tmp_path.stat().st_ino}"  # sockets need a short path
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "cluster.json").write_text(json.dumps(configuration(address)))
    environment = {
        **os.environ,
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    }
    environment.pop("RAY_ADDRESS", None)
    command = [BIN / "ray", "start", "--head", "--block", "--num-cpus=0", "--include-dashboard=false"]
    command += [f"--port={address.partition(':')[2]}", "--node-ip-address=127.0.0.1"]
    command += [f"--object-store-memory={STORE_BYTES}", f"--temp-dir={folder}"]
    command += [f"--autoscaling-config={tmp_path / 'cluster.json'}"]
    with (tmp_path / "head.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        head_log = tmp_path / "head.log"
        wait_until(
            "Ray starts", lambda: "runtime started" in head_log.read_text(), process=process, log=head_log
        )
        yield {**environment, "RAY_ADDRESS": address}
    finally:
        end_family(process)
        shutil.rmtree(folder, ignore_errors=True)


def test_nodes_are_started_for_a_sweep_that_fits_them_and_measured_for_a_plan(
    almsweep: Cli, cluster: dict[str, str], tmp_path: Path
) -> None:
    space = tmp_path / "tiny.yaml"
    space.write_text(SPACE)

    def run(*options: object) -> subprocess.CompletedProcess[str]:
        command = ("run", space, "--output", tmp_path / "output", "--no-tracking", "--yes", *options)
        return almsweep(*command, env=cluster)

    refused = run("--cpus-per-trial", 3)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "--cpus-per-trial: a trial wants 3, the largest node has 0 and can start" in refused.stderr
    ran = run("--cpus-per-trial", 2)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 done, 0 partial, 0 failed, 0 pending" in ran.stdout
    command = ("plan", space, "--output", tmp_path / "output", "--replicates", 2, "--probe")
    planned = almsweep(*command, env=cluster)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "probed digits 1:20 baseline_BCE epochs=2: " in planned.stdout
    assert "on the cluster, without early stopping" in planned.stdout
