"""Roles `mlflow`, `run`, `mps` and plain commands: order, arguments, secrets and signals."""

from __future__ import annotations

import configparser
import signal
from typing import Any

import pytest

PASSWORD = "correct horse %(x)s"
KEY = "session-key-5f2e"


def server(container: Any, **env: str) -> Any:
    """The MLflow role with all its secrets in files."""
    for name, value in (("MLFLOW_AUTH_ADMIN_PASSWORD", PASSWORD), ("MLFLOW_FLASK_SERVER_SECRET_KEY", KEY)):
        container.env[f"{name}_FILE"] = str(container.secret(name, value))
    container.env["PGPASSWORD_FILE"] = str(container.secret("postgres", "pg-secret"))
    return container.run("entrypoint.sh", "mlflow", **env)


def test_mlflow_prepares_the_database_and_serves_behind_a_password(container: Any) -> None:
    given = "postgresql://mlflow@postgres:5432/mlflow"
    done = server(container, MLFLOW_HOST="0.0.0.0", MLFLOW_BACKEND_STORE_URI=given)
    uri = given.replace("postgresql", "postgresql+psycopg2")
    assert done.returncode == 0, done.stderr
    upgrade, serve = container.calls("mlflow")
    assert upgrade["argv"] == ["db", "upgrade", uri]
    assert serve["argv"] == [
        *("server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1", "--serve-artifacts"),
        *("--artifacts-destination", "/mlflow/artifacts", "--app-name", "basic-auth"),
    ]
    assert serve["env"]["MLFLOW_BACKEND_STORE_URI"] == uri
    assert serve["env"]["PGPASSWORD"] == upgrade["env"]["PGPASSWORD"] == "pg-secret"
    assert serve["env"]["MLFLOW_AUTH_ADMIN_PASSWORD"] == PASSWORD
    assert serve["env"]["MLFLOW_FLASK_SERVER_SECRET_KEY"] == KEY
    settings = configparser.ConfigParser()
    settings.read(serve["env"]["MLFLOW_AUTH_CONFIG_PATH"])
    assert dict(settings["mlflow"])["database_uri"] == uri
    assert settings["mlflow"]["admin_username"] == "admin"
    assert "admin_password" not in settings["mlflow"]


def test_mlflow_secrets_are_never_arguments_nor_output(container: Any) -> None:
    done = server(container, MLFLOW_HOST="0.0.0.0")
    texts = [done.stdout, done.stderr, *(" ".join(call["argv"]) for call in container.calls())]
    texts += [path.read_text() for path in (container.folder / "run").iterdir()]
    assert len(texts) > 4
    for text in texts:
        for secret in (PASSWORD, KEY, "pg-secret"):
            assert secret not in text


@pytest.mark.parametrize("missing", ["MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"])
@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "localhost.example.com", "::"])
def test_mlflow_off_loopback_needs_its_secrets(container: Any, host: str, missing: str) -> None:
    done = server(container, MLFLOW_HOST=host, **{f"{missing}_FILE": ""})
    assert done.returncode == 64
    assert f"{missing} or {missing}_FILE must be set" in done.stderr
    assert container.calls("mlflow") == []


def test_mlflow_on_loopback_may_go_without_a_password(container: Any) -> None:
    done = container.run("entrypoint.sh", "mlflow")
    assert done.returncode == 0, done.stderr
    argv = container.calls("mlflow")[1]["argv"]
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert "--app-name" not in argv


def test_mlflow_on_loopback_uses_a_password_that_is_given(container: Any) -> None:
    assert server(container).returncode == 0
    assert "--app-name" in container.calls("mlflow")[1]["argv"]


def test_mlflow_refuses_a_password_in_the_uri(container: Any) -> None:
    done = container.run("entrypoint.sh", "mlflow", MLFLOW_BACKEND_STORE_URI="postgresql://u:hunter2@db/x")
    assert done.returncode == 64
    assert "hunter2" not in done.stderr + done.stdout
    assert container.calls("mlflow") == []


@pytest.mark.parametrize(
    ("content", "direct", "message"),
    [("", "", "is empty"), (None, "", "there is no file"), ("in-file", "in-env", "given both")],
)
def test_bad_secret_files_are_named_not_shown(
    container: Any, content: str | None, direct: str, message: str
) -> None:
    path = container.folder / "secret"
    if content is not None:
        path.write_text(content)
    env = {"MLFLOW_TRACKING_PASSWORD_FILE": str(path), "MLFLOW_TRACKING_PASSWORD": direct}
    done = container.run("entrypoint.sh", "run", "demo", **env)
    assert done.returncode == 64
    assert message in done.stderr
    assert "in-file" not in done.stderr
    assert "in-env" not in done.stderr
    assert container.calls("almsweep") == []


def test_run_passes_arguments_and_exit_status_on(container: Any) -> None:
    done = container.run("entrypoint.sh", "run", "a space.yaml", "--yes", FAKE_EXIT="3")
    assert done.returncode == 3
    assert container.calls("almsweep")[0]["argv"] == ["run", "a space.yaml", "--yes"]
    assert container.calls("nvidia-cuda-mps-control") == []


@pytest.mark.parametrize("option", [["--gpus-per-trial", "0.125"], ["--gpus-per-trial=0.125"]])
def test_run_that_shares_a_gpu_runs_inside_mps(container: Any, option: list[str]) -> None:
    done = container.run("entrypoint.sh", "run", "demo", *option, FAKE_EXIT="5")
    assert done.returncode == 5
    assert [event for _, event in container.events()] == ["get_server_list", "start", "run", "quit"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("option", ["--gpus-per-trial=0.5", "--gpus-per-trial=1"])
def test_run_hears_signals_once(container: Any, number: signal.Signals, option: str) -> None:
    child = container.start("entrypoint.sh", "run", "demo", option)
    container.wait_for("almsweep", "ready")
    assert container.stop(child, number) == 128 + number
    heard = [event for program, event in container.events() if program == "almsweep"]
    assert heard == ["ready", number.name]
    if option.endswith("0.5"):
        assert container.events()[-1] == ("nvidia-cuda-mps-control", "quit")


@pytest.mark.parametrize("how", ["option", "environment"])
def test_run_on_a_cluster_leaves_mps_to_the_nodes_and_needs_the_token(container: Any, how: str) -> None:
    arguments = ["run", "demo", "--gpus-per-trial=0.5"] + (["--address=auto"] if how == "option" else [])
    env = {"FAKE_EXIT": "0"} | ({"RAY_ADDRESS": "auto"} if how == "environment" else {})
    done = container.run("entrypoint.sh", *arguments, **env)
    assert done.returncode == 64
    token = str(container.secret("ray_token", "abc"))
    done = container.run("entrypoint.sh", *arguments, **env, RAY_AUTH_TOKEN_PATH=token)
    assert done.returncode == 0
    assert container.events() == [("almsweep", "run")]


def test_mps_role_starts_it_and_returns(container: Any) -> None:
    done = container.run("entrypoint.sh", "mps", ALMSWEEP_GPUS_PER_TRIAL="0.25")
    assert done.returncode == 0
    assert [event for _, event in container.events()] == ["get_server_list", "start"]
    assert container.run("entrypoint.sh", "mps").returncode == 0
    assert len(container.events()) == 2


def test_other_commands_run_with_the_tracking_password(container: Any) -> None:
    password = container.secret("password", "abc")
    command = ["ray", "job", "submit", "--", "almsweep", "run"]
    done = container.run("entrypoint.sh", *command, MLFLOW_TRACKING_PASSWORD_FILE=str(password))
    assert done.returncode == 0
    (call,) = container.calls()
    assert call["argv"] == command[1:]
    assert call["env"]["MLFLOW_TRACKING_PASSWORD"] == "abc"


def test_nothing_to_do_is_an_error(container: Any) -> None:
    done = container.run("entrypoint.sh")
    assert done.returncode == 64
    assert "expected a role" in done.stderr


@pytest.mark.parametrize(
    ("role", "env", "url"),
    [
        ("head", {}, "http://127.0.0.1:8265/api/gcs_healthz"),
        ("head", {"ALMSWEEP_DASHBOARD_HOST": "node"}, "http://10.9.8.7:8265/api/gcs_healthz"),
        ("worker", {}, "http://127.0.0.1:52365/api/local_raylet_healthz"),
        ("mlflow", {"MLFLOW_PORT": "5001"}, "http://127.0.0.1:5001/health"),
    ],
)
def test_health_check_asks_the_role(container: Any, role: str, env: dict[str, str], url: str) -> None:
    token = str(container.secret("ray_token", "abc"))
    done = container.run(
        "entrypoint.sh", role, FAKE_EXIT="0", RAY_AUTH_TOKEN_PATH=token, ALMSWEEP_HEAD=container.head(), **env
    )
    assert done.returncode == 0
    assert container.run("healthcheck.sh", **env).returncode == 0
    assert container.calls("wget")[0]["argv"][-1] == url
    assert container.run("healthcheck.sh", FAKE_EXIT="8", **env).returncode == 8


def test_health_check_of_another_command_passes(container: Any) -> None:
    assert container.run("healthcheck.sh").returncode == 0
    assert container.calls("wget") == []
