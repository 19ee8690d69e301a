"""The compose stack against the Compose Specification's schema, and its doors."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.processes import PATIENCE

VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
SETTINGS = {"ALMSWEEP_SECRETS": "/s", "ALMSWEEP_DATA_DIR": "/d"}


def filled(text: str, settings: dict[str, str]) -> str:
    """The text with its ${NAME:-default} and ${NAME:?message} replaced; KeyError where one is required."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if name in settings:
            return settings[name]
        if kind != "-":
            raise KeyError(rest)
        return str(rest)

    return VARIABLE.sub(value, text)


def load(docker: Path, name: str = "compose.yaml", **settings: str) -> dict[str, Any]:
    """A compose file as an engine sees it, after variables and YAML merges."""
    found = yaml.safe_load(filled((docker / name).read_text(), SETTINGS | settings))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def stack(docker: Path) -> dict[str, Any]:
    return load(docker)


@pytest.fixture(scope="module")
def schema() -> Any:
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((folder / "compose-spec.json").read_text())


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_files_follow_the_compose_specification(docker: Path, schema: Any, name: str) -> None:
    jsonschema.validate(load(docker, name), schema)


@pytest.mark.parametrize(
    ("path", "value"),
    [(("services", "head", "port"), ["1:1"]), (("services", "head", "depends_on", "x"), {"condition": "up"})],
)
def test_schema_check_finds_mistakes(stack: dict[str, Any], schema: Any, path: Any, value: Any) -> None:
    broken = copy.deepcopy(stack)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_accepts_the_stack(docker: Path, tmp_path: Path) -> None:
    # Version 1 predates the top-level name, which version 2 and the specification have.
    text = re.sub(r"^name: .*$", "", (docker / "compose.yaml").read_text(), flags=re.MULTILINE)
    (tmp_path / "compose.yaml").write_text(text)
    command = ["docker-compose", "-f", str(tmp_path / "compose.yaml"), "config", "--quiet"]
    good = os.environ | {"ALMSWEEP_SECRETS": str(tmp_path), "ALMSWEEP_DATA_DIR": str(tmp_path)}
    done = subprocess.run(command, env=good, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    without = {key: value for key, value in good.items() if key != "ALMSWEEP_SECRETS"}
    done = subprocess.run(command, env=without, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0
    assert "ALMSWEEP_SECRETS" in done.stderr


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_there_is_no_default_for_secrets_and_data(docker: Path, name: str) -> None:
    text = (docker / "compose.yaml").read_text()
    with pytest.raises(KeyError, match=f"set {name}"):
        filled(text, {key: value for key, value in SETTINGS.items() if key != name})


def test_published_ports_are_bound_to_loopback(stack: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in stack["services"].items()}
    assert sorted(name for name, found in ports.items() if found) == ["head", "mlflow"]
    assert len(ports["head"]) == 2
    for port in (port for found in ports.values() for port in found):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_services_are_confined(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        assert not {"privileged", "network_mode", "pid", "ipc", "cap_add"} & set(service), name
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "postgres":
            assert service["cap_drop"] == ["ALL"], name
    assert stack["networks"]["database"]["internal"] is True
    inside = {name for name, service in stack["services"].items() if "database" in service["networks"]}
    assert inside == {"postgres", "mlflow"}


def test_secrets_are_files_that_make_secrets_writes(stack: dict[str, Any], docker: Path) -> None:
    script = (docker / "make-secrets.sh").read_text()
    for name, secret in stack["secrets"].items():
        assert secret == {"file": f"/s/{name}"}
        assert re.search(rf"for name in .*\b{name}\b", script)
    for service in stack["services"].values():
        for key, value in service["environment"].items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", key):
                assert key.endswith(("_FILE", "_PATH")), key
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert stack["services"]["worker"]["secrets"] == ["ray_token"]


def test_ray_nodes_need_the_token(stack: dict[str, Any]) -> None:
    for name in ("head", "worker"):
        environment = stack["services"][name]["environment"]
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
        assert stack["services"][name]["command"] == [name]


def test_services_wait_for_healthy_ones(stack: dict[str, Any], docker: Path) -> None:
    waits = {name: service.get("depends_on", {}) for name, service in stack["services"].items()}
    healthy = {"condition": "service_healthy"}
    # What depends on another is stopped before it: the head ends its sweeps while the workers are there.
    assert waits == {
        "postgres": {},
        "worker": {},
        "mlflow": {"postgres": healthy},
        "head": {"mlflow": healthy, "worker": {"condition": "service_started"}},
    }
    assert "healthcheck" in stack["services"]["postgres"]
    assert "HEALTHCHECK" in (docker / "Dockerfile").read_text()


def test_head_has_the_time_to_end_its_sweeps(stack: dict[str, Any]) -> None:
    head = stack["services"]["head"]
    grace = int(head["stop_grace_period"].removesuffix("s"))
    ray_stops = 15
    assert int(head["environment"]["ALMSWEEP_SWEEP_SECONDS"]) + ray_stops < grace


def test_build_takes_what_the_image_declares(docker: Path) -> None:
    settings = {
        "ALMSWEEP_UID": "4321",
        "ALMSWEEP_PYTHON_IMAGE": "mirror/python:1",
        "ALMSWEEP_PIP_INDEX": "http://pypi.local",
        "ALMSWEEP_CPU_INDEX": "http://cpu.local",
        "ALMSWEEP_DEBIAN_MIRROR": "http://debian.local",
        "ALMSWEEP_COMMIT": "abc",
    }
    services = load(docker, ALMSWEEP_POSTGRES_IMAGE="mirror/postgres:1", **settings)["services"]
    given = services["worker"]["build"]["args"]
    assert {str(value) for value in given.values()} == set(settings.values())
    declared = set(re.findall(r"^ARG (\w+)", (docker / "Dockerfile").read_text(), re.MULTILINE))
    assert set(given) <= declared
    assert services["postgres"]["image"] == "mirror/postgres:1"


def test_mlflow_serves_artifacts_to_the_names_it_is_called_by(stack: dict[str, Any]) -> None:
    mlflow, head = stack["services"]["mlflow"]["environment"], stack["services"]["head"]["environment"]
    allowed = mlflow["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert head["MLFLOW_TRACKING_URI"].removeprefix("http://") in allowed
    assert "127.0.0.1:5000" in allowed
    assert "*" not in allowed
    assert mlflow["MLFLOW_ARTIFACTS_DESTINATION"].startswith("/mlflow/")
    assert stack["services"]["mlflow"]["volumes"] == ["mlflow:/mlflow"]
    assert head["MLFLOW_TRACKING_USERNAME"] == mlflow["MLFLOW_AUTH_ADMIN_USERNAME"]


def test_image_targets_exist(docker: Path) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (docker / "Dockerfile").read_text(), re.MULTILINE))
    for flavour in ("cpu", "cuda"):
        worker = load(docker, ALMSWEEP_FLAVOUR=flavour)["services"]["worker"]
        assert worker["image"] == f"almsweep:{flavour}"
        assert worker["build"]["target"] in stages
        assert (docker / worker["build"]["context"] / worker["build"]["dockerfile"]).is_file()


def test_only_one_worker_offers_the_gpus(docker: Path) -> None:
    worker = load(docker, "compose.gpu.yaml")["services"]["worker"]
    assert worker["scale"] == 1
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert "gpu" in device["capabilities"]
