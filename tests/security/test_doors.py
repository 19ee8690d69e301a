"""Who gets in: every cluster file asks for Ray's token and opens no port to all; MLflow's UI is local."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from search_spaces.errors import InputError
from sweeps.compat import database_engine
from sweeps.tracking import ui as mlflow_ui
from sweeps.tracking.connection import import_mlflow
from sweeps.tracking.ui import running_ui
from tests.processes import PATIENCE

DOCKER = Path(__file__).resolve().parents[2] / "docker"
FILES = sorted(path.name for path in DOCKER.glob("*.yaml"))
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def documents(name: str) -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all((DOCKER / name).read_text()) if d is not None]


def texts(tree: object) -> Iterator[str]:
    """Every text of a YAML tree, keys left out."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from texts(item)
    elif isinstance(tree, str):
        yield tree


def ray_nodes(name: str) -> Iterator[tuple[str, bool]]:
    """What starts Ray nodes in a file, and whether it demands the token."""
    for document in documents(name):
        for text in texts(document):
            if "ray start" in text:
                yield text, text.count("ray start") == text.count("RAY_AUTH_MODE=token ray start")
        for service, content in document.get("services", {}).items():
            if content.get("command") in (["head"], ["worker"]):
                environment = content["environment"]
                wants = environment.get("RAY_AUTH_MODE") == "token"
                yield (
                    service,
                    wants and environment.get("RAY_AUTH_TOKEN_PATH", "").startswith("/run/secrets/"),
                )
        if document.get("apiVersion", "").startswith("ray.io/"):
            cluster = document["spec"].get("rayClusterSpec", document["spec"])
            yield document["kind"], cluster.get("authOptions") == {"mode": "token"}


@pytest.mark.parametrize("name", FILES)
def test_every_ray_node_of_every_file_demands_the_token(name: str) -> None:
    nodes = list(ray_nodes(name))
    assert [what for what, demands in nodes if not demands] == []
    # A file that starts no node of its own only adds to another.
    assert nodes or name == "compose.gpu.yaml"
    assert "disabled" not in (DOCKER / name).read_text()


@pytest.mark.parametrize("name", FILES)
def test_no_port_is_open_to_the_world(name: str) -> None:
    for document in documents(name):
        for service, content in document.get("services", {}).items():
            assert all(port.startswith("127.0.0.1:") for port in content.get("ports", [])), service
            assert content.get("network_mode") != "host"
        for text in texts({k: v for k, v in document.items() if k != "services"}):
            assert "0.0.0.0" not in text
            assert "NodePort" not in text
            assert "LoadBalancer" not in text


@pytest.mark.parametrize("name", ["cluster.yaml", "cluster-aws.yaml"])
@pytest.mark.parametrize("group", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_start_commands_give_ray_the_token_mode_when_a_shell_runs_them(
    name: str, group: str, tmp_path: Path
) -> None:
    fake = tmp_path / "ray"
    code = (
        "import json, os, sys\njson.dump([sys.argv[1:], dict(os.environ)], open(os.environ['SEEN'], 'w'))\n"
    )
    fake.write_text(f"#!{sys.executable}\n{code}")
    fake.chmod(0o755)
    stage = tmp_path / ".almsweep" / "stage"
    stage.mkdir(parents=True)
    (stage / "entrypoint.sh").write_text("exit 0\n")
    (command,) = [text for text in documents(name)[0][group] if "ray start" in text]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "RAY_HEAD_IP": "10.0.0.1"}
    environment |= {"SEEN": str(tmp_path / "seen"), "RAY_AUTH_MODE": "disabled"}
    subprocess.run(["bash", "-c", command], env=environment, check=True, timeout=PATIENCE)
    arguments, seen = json.loads((tmp_path / "seen").read_text())
    assert arguments[0] == "start"
    assert seen["RAY_AUTH_MODE"] == "token"
    if group.startswith("head"):
        assert "--dashboard-host=127.0.0.1" in arguments


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "localhost.example.com", "", "127.0.0.1.x"])
def test_ui_listens_on_loopback_only(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*arguments: object, **options: object) -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(InputError, match="expected a loopback address"), running_ui(tmp_path, host=host):
        pass


def test_ui_command_refuses_the_world(almsweep: Cli, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    done = almsweep("ui", "--output", tmp_path, "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "--host: expected a loopback address such as 127.0.0.1, given '0.0.0.0'" in done.stderr


def test_ui_gives_the_database_by_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arguments are for every user of the machine to read."""
    seen: dict[str, Any] = {}

    class Child:
        pid, returncode = 0, 1

        def __init__(self, command: list[str], *, env: dict[str, str], **options: object) -> None:
            seen.update(command=command, env=env)

        def poll(self) -> int:
            return 1

    monkeypatch.setattr(subprocess, "Popen", Child)
    monkeypatch.setattr(mlflow_ui, "_end", lambda child: None)
    uri = "postgresql://mlflow:correct-horse@db/mlflow"
    with (
        pytest.raises(Exception, match="ended with code 1"),
        running_ui(tmp_path, uri, port=mlflow_ui.free_port()),
    ):
        pass
    assert seen["env"]["MLFLOW_BACKEND_STORE_URI"].endswith("://mlflow:correct-horse@db/mlflow")
    assert not any("correct-horse" in word for word in seen["command"])
    assert "*" not in seen["env"]["MLFLOW_SERVER_ALLOWED_HOSTS"]
    assert "correct-horse" not in json.dumps({k: v for k, v in os.environ.items() if k.startswith("MLFLOW")})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
@pytest.mark.parametrize("port", [5000, 80])
def test_ui_is_called_by_its_own_address_alone(host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 10.evil.com, whose name leads to this machine, gets nothing: as MLflow's own check has it."""
    import_mlflow()
    from mlflow.server.security_utils import get_allowed_hosts_from_env, is_allowed_host_header

    for variable, value in mlflow_ui.server_names(host, port).items():
        monkeypatch.setenv(variable, value)
    allowed = get_allowed_hosts_from_env()
    assert allowed is not None
    assert is_allowed_host_header(allowed, f"{host}:{port}")
    assert is_allowed_host_header(allowed, host) == (port == 80)
    assert is_allowed_host_header(allowed, f"localhost:{port}") == (host != "127.0.0.2")
    for other in (
        "10.evil.com",
        "192.168.evil.com",
        "172.16.x",
        f"{host}.evil.com",
        "*",
        "",
        "evil",
        "0.0.0.0",
    ):
        assert not is_allowed_host_header(allowed, other), other
        assert not is_allowed_host_header(allowed, f"{other}:{port}"), other


def test_no_proxy_is_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.com")
    monkeypatch.delenv("NO_PROXY", raising=False)
    mlflow_ui.past_proxies("127.0.0.1")
    mlflow_ui.past_proxies("127.0.0.1")
    assert os.environ["no_proxy"] == "example.com,127.0.0.1"
    assert urllib.request.proxy_bypass("127.0.0.1:5000")
    assert urllib.request.proxy_bypass("example.com")
    assert not urllib.request.proxy_bypass("example.org")


@pytest.mark.slow
def test_ui_answers_to_its_own_address_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 10.evil.com, whose name leads to this machine, gets nothing; no proxy is between."""
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "*")
    port = mlflow_ui.free_port()

    def status(host: str) -> int:
        path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as caller:
            caller.request("GET", path, headers={"Host": host})
            with caller.getresponse() as response:
                return response.status

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = import_mlflow().MlflowClient(uri)
    client.search_experiments()  # makes the database
    database_engine(client).dispose()
    with running_ui(tmp_path, port=port):
        assert mlflow_ui.experiments(f"http://127.0.0.1:{port}") == {}
        assert {host: status(host) for host in (f"127.0.0.1:{port}", f"localhost:{port}")} == {
            f"127.0.0.1:{port}": 200,
            f"localhost:{port}": 200,
        }
        for host in ("10.evil.com", "192.168.evil.com", "127.0.0.1.evil.com", f"10.evil.com:{port}", "evil"):
            assert status(host) == 403, host
