"""`ray up`, `ray submit` and `ray down` for real, against two hosts with an sshd each, from a third machine.

The hosts are namespaces of this machine (`two_hosts/up.sh`). `docker/cluster.yaml` and `docker/setup-node.sh`
are used as they are, but for addresses, key, folders and sizes, and the environment is not installed again.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from search_spaces.catalog import load_space
from tests.integration.two_hosts.machines import ROOT, SCRIPTS, Machines, missing_reason
from tests.processes import PATIENCE, wait_until
from trainer.store import Store

pytestmark = [
    pytest.mark.group(name="two-hosts"),
    pytest.mark.timeout(1800),
]

DASHBOARD = "http://127.0.0.1:8265"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A cluster of two hosts that `ray up` has started; `ray down` ends it in the last test."""
    if reason := missing_reason():
        pytest.skip(reason)
    machines = Machines(tmp_path_factory.mktemp("hosts"))
    try:
        up = [SCRIPTS / "up.sh", machines.folder, f"alm{os.getpid()}", sys.prefix, ROOT]
        subprocess.run(up, check=True, timeout=PATIENCE)
        machines.write_files()
        token = machines.laptop("ray", "get-auth-token", "--generate")
        assert token.returncode == 0, token.stdout
        raised = machines.laptop("ray", "up", "--yes", "--no-config-cache", machines.cluster)
        assert raised.returncode == 0, raised.stdout
        wait_until("the worker joins", lambda: node_count(machines) == 2)
        tunnel = ["ssh", "-N", "-i", machines.folder / "id", "-L", "8265:127.0.0.1:8265"]
        tunnel += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        machines.start("laptop", *tunnel, "-o", "ExitOnForwardFailure=yes", "root@10.77.0.1")
        yield machines
    finally:
        machines.end()


def node_count(machines: Machines) -> int:
    """Nodes that the head says are alive."""
    code = "import ray; ray.init(address='auto', log_to_driver=False); print('nodes:', len(ray.nodes()))"
    asked = machines.laptop("ray", "exec", "--no-config-cache", machines.cluster, f'python -c "{code}"')
    found = re.search(r"nodes: (\d+)", asked.stdout)
    return int(found[1]) if found else 0


def nodes_of_results(machines: Machines, space: Path) -> dict[str, str]:
    """Per trial of a space that is whole, the node that trained it."""
    store = Store(machines.output)
    found = {}
    for config in load_space(str(space)).trials:
        replicates = store.replicates.ended(config.trial_id)
        assert {s: d.state for s, d in replicates.items()} == dict.fromkeys(config.seeds, "completed")
        (found[config.trial_id],) = {
            store.replicates.read_result(done)["node"] for done in replicates.values()
        }
    return found


def test_node_with_another_package_is_named(cluster: Machines) -> None:
    """One of its files is another one on the second host only."""
    other = cluster.folder / "errors.py"
    source = ROOT / "search_spaces" / "errors.py"
    other.write_text(source.read_text() + "# changed\n")
    space = cluster.space("refused")
    assert cluster.run("h2", "mount", "--bind", other, source).returncode == 0
    try:
        refused = cluster.laptop(*cluster.submit("run", space, "--yes"))
    finally:
        assert cluster.run("h2", "umount", source).returncode == 0
    assert refused.returncode == 1, "ray submit has one code for all failures"
    assert "h2 (10.77.0.2) has source " in refused.stdout
    assert "the driver on h1 has " in refused.stdout
    assert "h1 (10.77.0.1) has" not in refused.stdout
    assert not (cluster.output / "trials").exists()


def test_node_without_the_data_is_named(cluster: Machines, real_data: Path) -> None:
    empty = cluster.folder / "empty"
    empty.mkdir()
    assert cluster.run("h2", "mount", "--bind", empty, real_data).returncode == 0
    try:
        refused = cluster.laptop(*cluster.submit("run", cluster.space("refused"), "--yes"))
    finally:
        assert cluster.run("h2", "umount", real_data).returncode == 0
    assert refused.returncode == 1
    absent = "cifar10: expected the folder cifar-10-batches-py or train.parquet"
    assert f"h2 (10.77.0.2) has no data for cifar10 ({absent}" in refused.stdout
    assert "), h1 (10.77.0.1) has " in refused.stdout
    assert refused.stdout.count("h1 (10.77.0.1)") == refused.stdout.count("), h1 (10.77.0.1) has ")
    assert not (cluster.output / "trials").exists()


def test_sweep_spreads_and_outlives_its_terminal(cluster: Machines) -> None:
    space = cluster.space("spread")
    submitted = cluster.start("laptop", *cluster.submit("run", space, "--yes"))
    wait_until("the sweep starts", lambda: (cluster.output / "sweeps" / "spread.json").exists())
    os.killpg(submitted.pid, signal.SIGKILL)
    shown, _ = submitted.communicate()
    assert "sweep spread runs as job almsweep-spread-" in shown
    followed = cluster.almsweep("logs", "spread", "--follow", "--address", DASHBOARD)
    assert followed.returncode == 0, followed.stdout
    assert "4 done, 0 partial, 0 failed, 0 pending" in followed.stdout
    assert "Best configurations of the sweep spread" in followed.stdout
    assert set(nodes_of_results(cluster, space).values()) == {"h1", "h2"}
    assert (cluster.output / "tables" / "spread" / "best.md").exists()


def test_status_from_the_laptop_and_relaunch(cluster: Machines) -> None:
    asked = cluster.almsweep("status", "spread", "--address", DASHBOARD)
    assert asked.returncode == 0, asked.stdout
    assert "4 trials" in asked.stdout
    assert re.search(r"^spread  succeeded  for .*  almsweep-spread-", asked.stdout, re.MULTILINE)
    assert re.search(r"^refused  failed  for .*  exit code 2  ", asked.stdout, re.MULTILINE)
    again = cluster.laptop(*cluster.submit("run", cluster.space("spread"), "--yes"))
    assert again.returncode == 0, again.stdout
    assert "sweep spread: nothing to start; now 4 done" in again.stdout
    assert "Best configurations of the sweep spread" in again.stdout
    on_the_head = cluster.laptop(*cluster.submit("status", "spread"))
    assert on_the_head.returncode == 0, on_the_head.stdout
    assert "4 trials" in on_the_head.stdout


def test_cancelled_sweep_ends_clean(cluster: Machines) -> None:
    fixed = "{dataset: digits, ratio: 20, epochs: 100000, seeds: [1]}"
    space = cluster.space("endless", fixed)
    ids = {config.trial_id for config in load_space(str(space)).trials}
    submitted = cluster.start("laptop", *cluster.submit("run", space, "--yes"))
    wait_until("two trials train", lambda: running_runs(cluster, "endless", with_epochs=True) == 2)
    cancelled = cluster.almsweep("cancel", "--address", DASHBOARD)
    assert cancelled.returncode == 0, cancelled.stdout
    assert "sweep endless: stopped" in cancelled.stdout
    shown, _ = submitted.communicate(timeout=PATIENCE)
    assert submitted.returncode == 1, shown
    assert "started 2 trials; now 0 done, 2 partial, 0 failed, 2 pending" in shown
    assert running_runs(cluster, "endless") == 0
    held = Store(cluster.output).scan()
    assert sum(held[i].checkpoint for i in ids if i in held) == 2, "the running trials left a checkpoint"
    assert not (cluster.output / "sweeps" / "endless.lease").exists()
    none = cluster.almsweep("cancel", "endless", "--address", DASHBOARD)
    assert none.returncode == 2
    assert "expected a running sweep on this cluster, found none" in none.stdout


def running_runs(machines: Machines, experiment: str, *, with_epochs: bool = False) -> int:
    """MLflow runs of a sweep that stand as RUNNING, or those of them that hold an epoch's metrics."""
    database = machines.output / "mlflow.db"
    if not database.exists():
        return 0
    query = (
        "select count(*) from runs join experiments using (experiment_id) "
        "where experiments.name = ? and runs.status = 'RUNNING'"
    )
    if with_epochs:
        query += " and exists (select 1 from metrics where metrics.run_uuid = runs.run_uuid)"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            (count,) = connection.execute(query, (experiment,)).fetchone()
        except sqlite3.OperationalError:  # its tables are being made
            return 0
    return int(count)


def test_stranger_without_the_token_is_told_so(cluster: Machines) -> None:
    token = cluster.folder / "laptop" / "home" / ".ray" / "auth_token"
    value = token.read_text()
    try:
        token.write_text("0" * 64)
        refused = cluster.almsweep("logs", "--address", DASHBOARD)
    finally:
        token.write_text(value)
    assert refused.returncode == 2
    assert "wants its token" in refused.stdout
    assert value.strip() not in refused.stdout


def test_ray_down_leaves_no_process(cluster: Machines) -> None:
    assert any("raylet" in line for line in cluster.processes("h2"))
    down = cluster.laptop("ray", "down", "--yes", cluster.cluster)
    assert down.returncode == 0, down.stdout
    for host in ("h1", "h2"):
        wait_until(f"Ray ends on {host}", lambda host=host: not ray_processes(cluster, host))


def ray_processes(machines: Machines, host: str) -> list[str]:
    return [line for line in machines.processes(host) if "raylet" in line or "gcs_server" in line]
