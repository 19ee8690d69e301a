"""Roles `head` and `worker`: what Ray is told, what it may not see, and how a node ends."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

import pytest

from sweeps.tracking.ui import free_port
from tests.processes import PATIENCE

TOKEN = "token-1d0c9b3a7e"


@pytest.fixture
def node(container: Any) -> Any:
    """A container that knows the cluster's token and its head."""
    container.env["RAY_AUTH_TOKEN_PATH"] = str(container.secret("ray_token", TOKEN))
    container.env["ALMSWEEP_HEAD"] = container.head()
    return container


def started(container: Any, *arguments: str, **env: str) -> dict[str, Any]:
    """The call of `ray start` by a node that ends at once."""
    done = container.run("entrypoint.sh", *arguments, FAKE_EXIT="0", **env)
    assert done.returncode == 0, done.stderr
    return next(call for call in container.calls("ray") if call["argv"][0] == "start")


def test_head_binds_its_dashboard_to_loopback(node: Any) -> None:
    argv = started(node, "head", "--resources={}")["argv"]
    assert set(argv) == {
        "start",
        "--block",
        "--head",
        "--node-ip-address=10.9.8.7",
        "--port=6379",
        "--ray-client-server-port=10001",
        "--dashboard-host=127.0.0.1",
        "--dashboard-port=8265",
        "--dashboard-agent-listen-port=52365",
        "--resources={}",
    }


def test_head_binds_its_dashboard_to_the_private_address_when_told(node: Any) -> None:
    argv = started(node, "head", ALMSWEEP_DASHBOARD_HOST="node", ALMSWEEP_NODE_IP="10.1.1.1")["argv"]
    assert "--dashboard-host=10.1.1.1" in argv
    assert "--node-ip-address=10.1.1.1" in argv


def test_worker_joins_the_head_with_its_resources(node: Any) -> None:
    call = started(node, "worker", ALMSWEEP_NUM_CPUS="4", ALMSWEEP_NUM_GPUS="2", RAY_ADDRESS="elsewhere:1")
    assert {f"--address={node.env['ALMSWEEP_HEAD']}", "--num-cpus=4", "--num-gpus=2"} <= set(call["argv"])
    assert "--head" not in call["argv"]
    assert "RAY_ADDRESS" not in call["env"]


@pytest.mark.parametrize("head", ["", "head", "head:", ":6379"])
def test_worker_without_a_head_is_an_error(node: Any, head: str) -> None:
    done = node.run("entrypoint.sh", "worker", ALMSWEEP_HEAD=head)
    assert done.returncode == 64
    assert f"expected the head's address as host:port, given '{head}'" in done.stderr
    assert node.calls("ray") == []


def test_worker_waits_until_its_head_listens(node: Any) -> None:
    port = free_port()
    child = node.start("entrypoint.sh", "worker", ALMSWEEP_HEAD=f"127.0.0.1:{port}")
    assert child.stderr.readline().strip().endswith(f"waiting for the head at 127.0.0.1:{port}")
    assert node.calls("ray") == []
    with socket.create_server(("127.0.0.1", port)):
        node.wait_for("ray", "ready")
    assert node.stop(child, signal.SIGTERM) == 0


def test_worker_that_waits_for_its_head_can_be_stopped(node: Any) -> None:
    child = node.start("entrypoint.sh", "worker", ALMSWEEP_HEAD=f"127.0.0.1:{free_port()}")
    child.stderr.readline()
    assert node.stop(child, signal.SIGTERM) == 0
    assert node.calls("ray") == []


@pytest.mark.parametrize("role", ["head", "worker"])
def test_no_node_starts_without_a_token(node: Any, role: str) -> None:
    missing = str(node.folder / "missing")
    empty = str(node.secret("empty", "").resolve())
    node.folder.joinpath("empty").write_text("")
    for path in (missing, empty, ""):
        done = node.run("entrypoint.sh", role, RAY_AUTH_TOKEN_PATH=path)
        assert done.returncode == 64
        assert "no Ray token" in done.stderr
    assert node.calls("ray") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_unreadable_secret_tells_the_line_to_type(node: Any) -> None:
    secret = node.secret("closed", "abc")
    secret.chmod(0)
    for name in ("RAY_AUTH_TOKEN_PATH", "MLFLOW_TRACKING_PASSWORD_FILE"):
        done = node.run("entrypoint.sh", "head", **{name: str(secret)})
        assert done.returncode == 64
        assert f"user {os.geteuid()} cannot read {secret}" in done.stderr
        assert 'run: docker/make-secrets.sh "$ALMSWEEP_SECRETS"' in done.stderr
    assert node.calls("ray") == []


def test_token_authentication_is_on_unless_switched_off_aloud(node: Any) -> None:
    assert started(node, "head")["env"]["RAY_AUTH_MODE"] == "token"
    node.log.write_text("")
    done = node.run("entrypoint.sh", "head", FAKE_EXIT="0", RAY_AUTH_MODE="disabled", RAY_AUTH_TOKEN_PATH="")
    assert done.returncode == 0
    assert "warning: RAY_AUTH_MODE=disabled" in done.stderr


def test_secrets_reach_the_head_by_environment_only(node: Any) -> None:
    password = node.secret("mlflow_password", "pass word'$(x)")
    done = node.run("entrypoint.sh", "head", FAKE_EXIT="0", MLFLOW_TRACKING_PASSWORD_FILE=str(password))
    call = node.calls("ray")[0]
    assert call["env"]["MLFLOW_TRACKING_PASSWORD"] == "pass word'$(x)"
    assert "MLFLOW_TRACKING_PASSWORD_FILE" not in call["env"]
    for text in (done.stdout, done.stderr, *(" ".join(call["argv"]) for call in node.calls())):
        assert "pass word" not in text
        assert TOKEN not in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_ends_ray_first_and_mps_after_it(node: Any, number: signal.Signals) -> None:
    child = node.start("entrypoint.sh", "worker", ALMSWEEP_GPUS_PER_TRIAL="0.125")
    node.wait_for("ray", "ready")
    assert node.stop(child, number) == 0
    assert node.events() == [
        ("nvidia-cuda-mps-control", "get_server_list"),
        ("nvidia-cuda-mps-control", "start"),
        ("ray", "ready"),
        ("ray", "SIGTERM"),
        ("ray", "stop"),
        ("nvidia-cuda-mps-control", "quit"),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_head_ends_its_sweeps_while_its_ray_is_whole(node: Any, number: signal.Signals) -> None:
    child = node.start("entrypoint.sh", "head", ALMSWEEP_SWEEP_SECONDS="7")
    node.wait_for("ray", "ready")
    assert node.stop(child, number) == 0
    assert node.events() == [("ray", "ready"), ("almsweep", "cancel"), ("ray", "SIGTERM"), ("ray", "stop")]
    assert node.calls("almsweep")[0]["argv"] == ["cancel", "--here", "--within", "7"]


def test_head_whose_sweeps_go_on_stops_all_the_same(node: Any) -> None:
    (node.bin / "almsweep").unlink()
    (node.bin / "almsweep").write_text("#!/bin/bash\nexit 1\n")
    (node.bin / "almsweep").chmod(0o755)
    child = node.start("entrypoint.sh", "head")
    node.wait_for("ray", "ready")
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0
    assert "not all sweeps ended in time" in err
    assert node.events()[-2:] == [("ray", "SIGTERM"), ("ray", "stop")]


def test_node_that_dies_by_itself_is_reported_and_cleaned_up(node: Any) -> None:
    done = node.run("entrypoint.sh", "worker", ALMSWEEP_GPUS_PER_TRIAL="0.5", FAKE_EXIT="7")
    assert done.returncode == 7
    assert node.events()[-2:] == [("ray", "stop"), ("nvidia-cuda-mps-control", "quit")]


@pytest.mark.parametrize(
    ("mode", "share", "starts"),
    [
        *(("auto", "0.125", True), ("auto", ".5", True), ("auto", "1", False), ("auto", "", False)),
        *(("auto", "0", False), ("auto", "0.0", False), ("0", "0.125", False), ("1", "1", True)),
    ],
)
def test_mps_runs_when_trials_share_a_gpu(node: Any, mode: str, share: str, starts: bool) -> None:
    call = started(node, "worker", ALMSWEEP_MPS=mode, ALMSWEEP_GPUS_PER_TRIAL=share)
    assert bool(node.calls("nvidia-cuda-mps-control")) == starts
    assert ("CUDA_MPS_PIPE_DIRECTORY" in call["env"]) == starts


def test_mps_folders_are_private(node: Any) -> None:
    env = started(node, "worker", ALMSWEEP_MPS="1")["env"]
    folder = node.folder / "run"
    assert env["CUDA_MPS_PIPE_DIRECTORY"] == str(folder / "mps")
    for path in (folder, folder / "mps", folder / "mps-log"):
        assert path.stat().st_mode & 0o077 == 0


def test_mps_of_somebody_else_is_used_and_left_running(node: Any) -> None:
    started(node, "worker", ALMSWEEP_MPS="1", FAKE_MPS_RUNNING="1")
    assert [call["event"] for call in node.calls("nvidia-cuda-mps-control")] == ["get_server_list"]


def test_mps_that_is_not_there(node: Any) -> None:
    (node.bin / "nvidia-cuda-mps-control").unlink()
    assert started(node, "worker", ALMSWEEP_GPUS_PER_TRIAL="0.5")
    done = node.run("entrypoint.sh", "worker", ALMSWEEP_MPS="1", FAKE_EXIT="0")
    assert done.returncode == 64
    assert "nvidia-cuda-mps-control is not on PATH" in done.stderr


def test_mps_setting_is_checked(node: Any) -> None:
    done = node.run("entrypoint.sh", "worker", ALMSWEEP_MPS="yes", FAKE_EXIT="0")
    assert done.returncode == 64
    assert "ALMSWEEP_MPS: expected 0, 1 or auto, given yes" in done.stderr
    assert node.calls("ray") == []
