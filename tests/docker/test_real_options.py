"""Every option that our scripts and cluster files give to Ray and MLflow is one that they parse."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.processes import PATIENCE

MLFLOW_PARSER = """
import click, json, sys
import mlflow.cli
found = []
for argv in json.loads(sys.argv[1]):
    command = mlflow.cli.cli
    while isinstance(command, click.Group):
        command, argv = command.commands[argv[0]], argv[1:]
    values = command.make_context("mlflow", argv).params
    found.append({key: value for key, value in values.items() if isinstance(value, (str, int))})
print(json.dumps(found))
"""


def parsed(command: click.Command, argv: list[str]) -> dict[str, Any]:
    """The option values after parsing alone: nothing is started."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(command.make_context(command.name, list(argv)).params)


def ray_command(name: str) -> click.Command:
    from ray.scripts import scripts

    found = getattr(scripts, name)
    assert isinstance(found, click.Command)
    return found


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_parses_what_the_entry_point_says(container: Any, role: str) -> None:
    token = str(container.secret("ray_token", "abc"))
    resources = {
        "ALMSWEEP_NUM_CPUS": "4",
        "ALMSWEEP_NUM_GPUS": "1",
        "ALMSWEEP_OBJECT_STORE_BYTES": "90000000",
    }
    head = container.head()
    done = container.run(
        "entrypoint.sh", role, FAKE_EXIT="0", RAY_AUTH_TOKEN_PATH=token, ALMSWEEP_HEAD=head, **resources
    )
    assert done.returncode == 0, done.stderr
    start, stop = container.calls("ray")
    values = parsed(ray_command("start"), start["argv"][1:])
    assert (values["head"], values["address"]) == ((True, None) if role == "head" else (False, head))
    assert (values["num_cpus"], values["num_gpus"], values["object_store_memory"]) == (4, 1, 90_000_000)
    assert values["block"] is True
    assert values["dashboard_host"] == "127.0.0.1"
    assert parsed(ray_command("stop"), stop["argv"][1:])["grace_period"] == 15


@pytest.mark.parametrize("name", ["cluster.yaml", "cluster-aws.yaml"])
def test_ray_parses_the_cluster_files(docker: Path, name: str) -> None:
    config = yaml.safe_load((docker / name).read_text())
    for role in ("head", "worker"):
        (command,) = [line for line in config[f"{role}_start_ray_commands"] if "ray start" in line]
        values = parsed(ray_command("start"), shlex.split(command.partition("ray start")[2]))
        assert values["head"] == (role == "head")
        assert values["dashboard_host"] == "127.0.0.1"
        assert values["block"] is False


def test_mlflow_parses_what_the_entry_point_says(container: Any) -> None:
    env = {"MLFLOW_AUTH_ADMIN_PASSWORD": "x", "MLFLOW_FLASK_SERVER_SECRET_KEY": "y", "MLFLOW_HOST": "0.0.0.0"}
    assert container.run("entrypoint.sh", "mlflow", **env).returncode == 0
    upgrade, serve = (call["argv"] for call in container.calls("mlflow"))
    # In a process of its own: importing MLflow's command line changes global state.
    command = [sys.executable, "-W", "ignore", "-c", MLFLOW_PARSER, json.dumps([upgrade, serve])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=container.folder)
    assert done.returncode == 0, done.stderr
    upgraded, served = json.loads(done.stdout.splitlines()[-1])
    assert upgraded["url"] == "sqlite:////mlflow/mlflow.db"
    assert (served["host"], served["port"], served["app_name"]) == ("0.0.0.0", 5000, "basic-auth")
    assert served["serve_artifacts"] is True
    assert served["artifacts_destination"] == "/mlflow/artifacts"


def test_unknown_options_are_found() -> None:
    with pytest.raises(click.NoSuchOption):
        parsed(ray_command("start"), ["--head", "--dashboard-address=x"])
