"""The image and the compose stack with a real engine; each test goes on from where the last one ended."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.containers.conftest import make_secrets
from tests.containers.engine import SERVICES, Stack, answer, basic, run, say, status_of
from tests.processes import wait_until
from trainer.store import layout

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(3600)]

# How long a container may take for something on a busy machine.
PATIENCE = 900.0
SPACE = """name: {name}
fixed: {{dataset: digits-critical, ratio: 40, seeds: [1, 2, 3, 4, 5, 6], epochs: 60, delta: {delta}}}
grid: {{loss: [{losses}], alm: [{constraints}]}}
"""


def put_space(stack: Stack, name: str, delta: float, losses: str, constraints: str) -> str:
    """A space as a file on the head; its path there."""
    text = SPACE.format(name=name, delta=delta, losses=losses, constraints=constraints)
    path = f"/results/{name}.yaml"
    stack.compose("exec", "-T", "head", "bash", "-c", f"cat >{path}", input=text)
    return path


def start_sweep(stack: Stack, space: str, log: Path, *words: str) -> subprocess.Popen[str]:
    """A sweep that goes on beside the test, in a shell of the head."""
    command = ["exec", "-T", "head", "almsweep-entrypoint", "run", space, "--yes", *words]
    with log.open("w") as file:
        return stack.start(*command, stdout=file, stderr=file)


def under_way(stack: Stack, sweep: str) -> dict[str, int]:
    """Epochs that have ended, of the trials that run."""
    text = stack.reads(layout.lease(sweep))
    trials = json.loads(text)["under_way"] if text else {}
    return {trial_id: epoch for trial_id, (epoch, _) in trials.items()}


def await_epochs(
    stack: Stack, sweep: str, driver: subprocess.Popen[str], log: Path, count: int = 1
) -> list[str]:
    """The trials of a sweep of which an epoch has ended and that still run, when there are so many."""

    def trains() -> list[str]:
        return [trial_id for trial_id, epoch in under_way(stack, sweep).items() if epoch > 0]

    wait_until(f"{sweep} trains", trains, process=driver, log=log, seconds=PATIENCE)
    return trains()


def states(stack: Stack, sweep: str) -> dict[str, list[str]]:
    """The status of every run of a sweep's trials, as MLflow tells `admin`."""
    url = f"http://127.0.0.1:{stack.ports['mlflow']}/api/2.0/mlflow"
    who = basic("admin", stack.secret("mlflow_password"))
    experiments = answer(f"{url}/experiments/search", who, {"max_results": 100})["experiments"]
    (found,) = [one["experiment_id"] for one in experiments if one["name"] == sweep]
    question = {"experiment_ids": [found], "max_results": 1000}
    told: dict[str, list[str]] = {}
    for one in answer(f"{url}/runs/search", who, question).get("runs", []):
        tags = {tag["key"]: tag["value"] for tag in one["data"]["tags"]}
        if "trial_id" in tags:
            told.setdefault(tags["trial_id"], []).append(one["info"]["status"])
    return told


def test_demo_runs_as_the_images_user_without_a_network(image: str) -> None:
    who = run(["docker", "run", "--rm", "--network", "none", image, "id", "-u"]).stdout.strip()
    assert who == "1000"
    started = time.monotonic()
    command = ["docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL", image, "run", "demo"]
    done = run(command, timeout=2 * PATIENCE)
    assert "n=6/6" in done.stdout
    assert "tables: /results/tables/demo/" in done.stdout
    say(f"demo without a network, as user {who}: {time.monotonic() - started:.0f} s")


@pytest.mark.parametrize("owner", [0, 1000, 4321])
def test_image_reads_the_secrets_of_any_user(image: str, tmp_path: Path, owner: int) -> None:
    if os.geteuid() not in (0, owner):
        pytest.skip("becomes another user: needs root")
    make_secrets(tmp_path / "secrets", owner)
    secret = tmp_path / "secrets" / "mlflow_password"
    assert secret.stat().st_uid == owner
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{secret}:/run/secrets/it:ro"]
    command += ["-e", "MLFLOW_TRACKING_PASSWORD_FILE=/run/secrets/it", image]
    said = run([*command, "bash", "-c", 'printf %s "$MLFLOW_TRACKING_PASSWORD"']).stdout
    assert said == secret.read_text()
    secret.chmod(0o600)
    if owner != 1000:  # as before make-secrets.sh knew whose they must be
        refused = run([*command, "true"], check=False)
        assert refused.returncode == 64
        assert 'docker/make-secrets.sh "$ALMSWEEP_SECRETS"' in refused.stderr
    say(f"secrets of user {owner} are read")


def test_stack_comes_up_with_two_workers(stack: Stack) -> None:
    started = time.monotonic()
    stack.up()
    assert [len(stack.containers(service)) for service in SERVICES] == [1, 1, 1, 2]
    say(f"the stack is healthy after {time.monotonic() - started:.0f} s: {', '.join(SERVICES)} (2)")


def test_ports_are_published_on_loopback_alone(stack: Stack) -> None:
    published: dict[str, list[dict[str, str]]] = {}
    for service in SERVICES:
        for container in stack.inspected(service):
            bound = container["HostConfig"]["PortBindings"] or {}
            published.setdefault(service, []).extend(place for places in bound.values() for place in places)
    assert {service for service, places in published.items() if places} == {"mlflow", "head"}
    places = published["mlflow"] + published["head"]
    assert {place["HostIp"] for place in places} == {"127.0.0.1"}
    assert {int(place["HostPort"]) for place in places} == set(stack.ports.values())
    say(f"published on loopback alone: {sorted(stack.ports.values())}")


def test_servers_refuse_who_has_no_password_or_token(stack: Stack) -> None:
    mlflow = f"http://127.0.0.1:{stack.ports['mlflow']}/api/2.0/mlflow/experiments/search?max_results=1"
    assert status_of(mlflow) == 401
    assert status_of(mlflow, basic("admin", "password1234")) == 401
    assert status_of(mlflow, basic("admin", stack.secret("mlflow_password"))) == 200
    jobs = f"http://127.0.0.1:{stack.ports['dashboard']}/api/jobs/"
    assert status_of(jobs) == 401
    assert status_of(jobs, {"Authorization": f"Bearer {'0' * 64}"}) in (401, 403)
    assert status_of(jobs, {"Authorization": f"Bearer {stack.secret('ray_token')}"}) == 200
    say("MLflow without or with another password: 401; Ray's dashboard without the token: 401")


def test_sweep_survives_a_killed_worker_and_a_killed_head(stack: Stack, tmp_path: Path) -> None:
    losses, constraints = "baseline_BCE, baseline_s_LM_m05", "none, ALM_14_beg"
    space = put_space(stack, "killed", 0.25, losses, constraints)
    driver = start_sweep(stack, space, tmp_path / "first.log", "--address", "auto")
    await_epochs(stack, "killed", driver, tmp_path / "first.log")
    run(["docker", "kill", stack.containers("worker")[0]])
    say("killed a worker in the middle of the sweep")
    stack.up()
    await_epochs(stack, "killed", driver, tmp_path / "first.log")
    run(["docker", "kill", *stack.containers("head")])
    assert driver.wait(PATIENCE) != 0
    say("it came back and the sweep went on; killed the head, and the driver with it")
    stack.up()
    last = start_sweep(stack, space, tmp_path / "last.log", "--address", "auto")
    assert last.wait(2 * PATIENCE) == 0, (tmp_path / "last.log").read_text()[-4000:]
    said = (tmp_path / "last.log").read_text()
    assert said.count("n=6/6") == 4, said
    assert stack.reads("tables/killed/best.csv").count("\n") >= 4
    say("relaunched: the sweep ended, 4 of 4 trials")


def test_mlflow_shows_every_trial(stack: Stack) -> None:
    found = states(stack, "killed")
    assert len(found) == 4
    assert {status for statuses in found.values() for status in statuses[:1]} == {"FINISHED"}
    say("MLflow on PostgreSQL shows the 4 trials, finished")


def test_stopped_stack_ends_its_sweeps_well(stack: Stack, tmp_path: Path) -> None:
    first = put_space(stack, "stopped", 0.1, "baseline_BCE", "ALM_14_beg")
    second = put_space(stack, "stopped-job", 0.2, "baseline_BCE", "ALM_14_beg")
    shell = start_sweep(stack, first, tmp_path / "shell.log", "--address", "auto")
    job = start_sweep(stack, second, tmp_path / "job.log", "--job")
    trials = await_epochs(stack, "stopped", shell, tmp_path / "shell.log")
    trials += await_epochs(stack, "stopped-job", job, tmp_path / "job.log")
    started = time.monotonic()
    stack.compose("stop")
    took = time.monotonic() - started
    shell.wait(PATIENCE), job.wait(PATIENCE)
    assert [container["State"]["ExitCode"] for container in stack.inspected("head")] == [0]
    said = run(["docker", "logs", *stack.containers("head")]).stderr
    for sweep in ("stopped", "stopped-job"):
        assert any(f"sweep {sweep} (process" in line and "ended" in line for line in said.splitlines()), said
    assert "not all sweeps ended in time" not in said
    say(f"stopped in {took:.0f} s with two sweeps under way, one of them a job")
    stack.up()
    for sweep in ("stopped", "stopped-job"):
        assert stack.reads(layout.lease(sweep)) == ""
        assert "n=0/6" in stack.reads(f"tables/{sweep}/best.md"), sweep
        assert {status for statuses in states(stack, sweep).values() for status in statuses} == {"KILLED"}
    for trial_id in trials:
        folder = f"/results/{layout.checkpoint(trial_id)}"
        stack.compose("exec", "-T", "head", "test", "-e", folder)
    say("both had their checkpoint, their table, and their run ended in MLflow")
    last = start_sweep(stack, first, tmp_path / "last.log", "--address", "auto")
    assert last.wait(2 * PATIENCE) == 0, (tmp_path / "last.log").read_text()[-4000:]
    assert "n=6/6" in (tmp_path / "last.log").read_text()
    say("relaunched: it ended")


def test_down_leaves_nothing(stack: Stack) -> None:
    logs: Any = stack.compose("logs", "--no-color").stdout
    for name in ("ray_token", "mlflow_password", "postgres_password", "mlflow_session_key"):
        assert stack.secret(name) not in logs
    started = time.monotonic()
    stack.compose("down", "--volumes")
    assert stack.left() == {"containers": [], "volumes": [], "networks": []}
    took = time.monotonic() - started
    say(f"down in {took:.0f} s: no container, volume or network is left, no secret in the logs")
