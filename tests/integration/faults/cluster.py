"""A Ray cluster of two nodes with one CPU each, on loopback. As a script: serves it until stdin closes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.integration.faults.scene import ROOT, SCENE_VARIABLE
from tests.processes import kill_family

OBJECT_STORE_BYTES = 100_000_000


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its address, the process ids of its server and of its two nodes' raylets."""

    address: str
    pid: int
    head_raylet: int
    worker_raylet: int

    def kill_worker_node(self) -> None:
        """SIGKILL the second node's raylet, as when its machine goes away."""
        psutil.Process(self.worker_raylet).kill()

    def kill_all(self) -> None:
        """SIGKILL every process of the cluster."""
        kill_family(self.pid)


@contextmanager
def running_cluster(
    environment: Mapping[str, str], *, second: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A cluster whose processes do not count as the scene's; all are killed on leaving.

    `second` is added to the environment of the second node alone.
    """
    settings = {k: v for k, v in environment.items() if k != SCENE_VARIABLE}
    settings.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")
    server = subprocess.Popen(
        [sys.executable, __file__, json.dumps(dict(second or {}))],
        env=settings,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = server.stdout.readline() if server.stdout else ""
        if not line:
            raise RuntimeError(f"the cluster did not start: exit code {server.wait()}")
        yield Cluster(**json.loads(line), pid=server.pid)
    finally:
        kill_family(server.pid)
        server.communicate()


def main() -> None:
    from ray.cluster_utils import Cluster as RayCluster

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": OBJECT_STORE_BYTES}
    cluster = RayCluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node, env_vars=json.loads(sys.argv[1]))
    head, worker = (_raylet(n) for n in (cluster.head_node, *cluster.worker_nodes))
    print(
        json.dumps({"address": cluster.address, "head_raylet": head, "worker_raylet": worker}),
        flush=True,
    )
    sys.stdin.read()
    cluster.shutdown()


def _raylet(node: object) -> int:
    (process,) = node.all_processes["raylet"]  # type: ignore[attr-defined]
    pid: int = process.process.pid
    return pid


if __name__ == "__main__":
    main()
