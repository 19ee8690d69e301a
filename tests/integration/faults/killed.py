"""Processes killed or interrupted from outside, in the middle of a sweep."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import psutil

from sweeps.tracking.mirror import sweep_runs
from sweeps.tracking.ui import free_port, running_ui
from tests.integration.faults.cluster import Cluster, running_cluster
from tests.integration.faults.play import Played, expect, relaunch
from tests.integration.faults.scene import LEAVE_SECONDS, Scene
from tests.processes import wait_until
from trainer.store import Store, SweepManifest

INTERRUPTED = 130


def trial_killed(scene: Scene) -> Played:
    with scene.driver() as driver:
        victim = scene.wait_for_middle(driver)
        before = scene.attempts()
        psutil.Process(victim.pid).kill()
        expect(scene.wait(driver), 0)
    return Played("went on from its checkpoint", before)


def driver_killed(scene: Scene) -> Played:
    with scene.driver() as driver:
        scene.wait_for_middle(driver)
        before = scene.attempts()
        driver.kill()
        driver.wait()
        left = scene.processes_left()
    relaunch(scene)
    return Played("relaunched", before, left)


def interrupted(scene: Scene, *, times: int) -> Played:
    with scene.driver() as driver:
        scene.wait_for_middle(driver)
        before = scene.attempts()
        for _ in range(times):
            driver.send_signal(signal.SIGINT)
            time.sleep(0.5)
        expect(scene.wait(driver), INTERRUPTED)
        left, running = scene.processes_left(), scene.mlflow_states()["RUNNING"]
    if running:
        raise RuntimeError(f"{running} MLflow runs say RUNNING after an interrupted sweep")
    states = scene.states()
    relaunch(scene)
    return Played(f"left {states['partial']} partial, code 130; relaunched", before, left)


def node_lost(scene: Scene) -> Played:
    with running_cluster(scene.environment) as cluster:
        with scene.driver_on(cluster.address) as driver:
            scene.wait_for_middle(driver)
            _wait_for_trial_on(cluster.worker_raylet, scene)
            before = scene.attempts()
            cluster.kill_worker_node()
            expect(scene.wait(driver), 0)
        return Played("went on on the other node", before, _busy_workers(cluster))


def head_killed(scene: Scene) -> Played:
    with running_cluster(scene.environment) as cluster, scene.driver_on(cluster.address) as driver:
        scene.wait_for_middle(driver)
        before = scene.attempts()
        cluster.kill_all()
        ended = scene.wait(driver)
        if ended.code == 0:
            raise RuntimeError(f"the driver ended well without a cluster:\n{ended.text[-3000:]}")
        left = scene.processes_left()
    with running_cluster(scene.environment) as cluster, scene.driver_on(cluster.address) as driver:
        expect(scene.wait(driver), 0)
        return Played(
            f"driver left with code {ended.code}; relaunched", before, left + _busy_workers(cluster)
        )


def _wait_for_trial_on(raylet: int, scene: Scene) -> None:
    def is_there() -> bool:
        parents = {p.pid: p.info["ppid"] for p in psutil.process_iter(["ppid"])}
        return parents.get(scene.journal()[-1].pid) == raylet

    wait_until("a trial runs on the second node", is_there)


def _busy_workers(cluster: Cluster) -> int:
    """Processes of Ray's that still belong to a trial, after a while."""

    def busy() -> list[str]:
        family = {p.pid for p in psutil.Process(cluster.pid).children(recursive=True)}
        # a zombie has none
        lines = [p.info["cmdline"] or [""] for p in psutil.process_iter(["cmdline"]) if p.pid in family]
        return [line[0] for line in lines if line[0].startswith("ray::ImplicitFunc")]

    with suppress(AssertionError):
        wait_until("no worker is busy", lambda: not busy(), seconds=LEAVE_SECONDS)
    return len(busy())


def mlflow_killed(scene: Scene) -> Played:
    server_folder = scene.folder / "server"
    runs = sweep_runs(Store(server_folder), SweepManifest("unused", ()), None)
    runs.connect()  # creates the database
    runs.disconnect()
    port = free_port()
    scene.tracking_uri = f"http://127.0.0.1:{port}"
    with running_ui(server_folder, port=port) as server, scene.driver() as driver:
        scene.wait_for_middle(driver)
        before = scene.attempts()
        os.killpg(server.pid, signal.SIGKILL)
        expect(scene.wait(driver), 0, "bring it level: almsweep reconcile")
    with running_ui(server_folder, port=port):
        counts = scene.reconcile()
    scene.tracking_uri = f"sqlite:///{server_folder / 'mlflow.db'}"
    told = f"reconcile: {counts.created} created, {counts.updated} brought level"
    return Played(f"training went on; {told}", before)
