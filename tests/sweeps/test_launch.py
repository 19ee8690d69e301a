"""`sweeps/launch.py` and `run --job`: what is submitted, and who is asked first."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sweeps.cli.cluster_commands import without_ray_lines
from sweeps.cli.main import app
from sweeps.cluster.job import OUTPUT_KEY, SWEEP_KEY, SweepJob
from sweeps.launch import launch_arguments
from tests.processes import PATIENCE
from trainer.store import Store

ROOT = Path(__file__).resolve().parents[2]


class FakeJobs:
    """Stands in for the cluster: remembers what was submitted."""

    submitted: list[tuple[str, str, dict[str, str]]]
    code: int | BaseException

    def __init__(self, address: str | None, commands: Mapping[str, Any]) -> None:
        self.address = address

    def submit(self, entrypoint: str, name: str, metadata: dict[str, str] | None = None) -> str:
        self.submitted.append((entrypoint, name, metadata or {}))
        return "job-1"

    def follow(self, job_id: str, write: Callable[[str], object]) -> SweepJob:
        if isinstance(self.code, BaseException):
            raise self.code
        write("what the job prints\n")
        return SweepJob(job_id, "demo", "FAILED" if self.code else "SUCCEEDED", None, None, None, self.code)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> type[FakeJobs]:
    monkeypatch.setattr(FakeJobs, "submitted", [], raising=False)
    monkeypatch.setattr(FakeJobs, "code", 0, raising=False)
    monkeypatch.setattr("sweeps.cluster.jobs.SweepJobs", FakeJobs)
    return FakeJobs


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_run_and_retry_become_jobs_outside_a_job_only() -> None:
    given = ["-v", "run", "paper", "--gpus-per-trial", "0.125", "--yes"]
    assert launch_arguments(given, in_job=False) == [*given, "--job"]
    assert launch_arguments(given, in_job=True) == given
    assert launch_arguments(["retry", "demo", "--failed"], in_job=False)[-1] == "--job"
    for other in (["status", "run"], ["logs", "-f"], ["--help"], [], ["run", "x", "--job"]):
        assert launch_arguments(other, in_job=False) == other


def test_job_runs_the_same_command(
    jobs: type[FakeJobs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--replicates", "2", "--gpus-per-trial", "0.125", "--no-tracking", "-o", "it's here"]
    done = invoke("run", "demo", *given, "--yes", "--job")
    assert done.exit_code == 0, done.output
    ((command, name, metadata),) = jobs.submitted
    words = shlex.split(command)
    assert words[:7] == ["cd", str(tmp_path), "&&", "exec", sys.executable, "-m", "sweeps.cli"]
    assert words[7:9] == ["run", "demo"]
    assert sorted(words[9:]) == sorted(["--output", "it's here", *given[:-2], "--yes"])
    assert name == "demo"
    assert metadata == {SWEEP_KEY: "demo", OUTPUT_KEY: str(tmp_path / "it's here")}
    assert "almsweep logs demo --follow" in done.output
    assert "almsweep cancel demo" in done.output
    assert "what the job prints" in done.output
    assert not (tmp_path / "it's here").exists(), "the job writes, not the launcher"


def test_job_from_afar_uses_the_cluster_s_python_and_folders(
    jobs: type[FakeJobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMSWEEP_OUTPUT", "/only/here")
    done = invoke("run", "demo", "--job", "--address", "http://head:8265")
    assert done.exit_code == 0, done.output
    ((command, _, metadata),) = jobs.submitted
    assert command == "exec python -m sweeps.cli run demo"
    assert OUTPUT_KEY not in metadata
    assert "almsweep logs demo --follow --address http://head:8265" in done.output


def test_job_on_this_machine_gets_the_folders_of_this_environment(
    jobs: type[FakeJobs], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALMSWEEP_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setenv("ALMSWEEP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:5000")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265")
    assert invoke("run", "demo", "--job").exit_code == 0
    ((command, _, metadata),) = jobs.submitted
    words = shlex.split(command)
    assert words[words.index("--output") + 1] == str(tmp_path / "out") == metadata[OUTPUT_KEY]
    assert words[words.index("--data-dir") + 1] == str(tmp_path / "data")
    assert "hunter22" not in command


def test_an_address_in_rays_own_variable_is_afar_too(
    jobs: type[FakeJobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265")
    monkeypatch.setenv("ALMSWEEP_OUTPUT", "/only/here")
    assert invoke("run", "demo", "--job").exit_code == 0
    ((command, _, metadata),) = jobs.submitted
    assert command == "exec python -m sweeps.cli run demo"
    assert OUTPUT_KEY not in metadata


def test_exit_code_of_the_job_is_passed_on(jobs: type[FakeJobs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "code", 4)
    assert invoke("run", "demo", "--job").exit_code == 4
    monkeypatch.setattr(jobs, "code", KeyboardInterrupt())
    left = invoke("run", "demo", "--job")
    assert left.exit_code == 130
    assert "no longer following; sweep demo goes on" in left.output


@pytest.mark.parametrize("wrong", [["nosuch"], ["demo", "--rule", "luck"], ["demo", "--colour"]])
def test_bad_input_is_not_submitted(jobs: type[FakeJobs], wrong: list[str]) -> None:
    assert invoke("run", *wrong, "--job").exit_code == 2
    assert jobs.submitted == []


def test_a_dashboard_is_no_address_for_a_driver(tmp_path: Path) -> None:
    done = invoke("run", "demo", "--output", tmp_path, "--address", "http://head:8265", "--no-tracking")
    assert done.exit_code == 2
    assert "submit the sweep with --job" in done.output


def answer_at_a_terminal(arguments: list[str], answer: str) -> tuple[int, str]:
    """Exit code and output of the command line on a pseudo-terminal where somebody types `answer`."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sweeps.cli", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other side closed it
        pass
    os.close(ours)
    return process.wait(PATIENCE), shown.decode()


def test_large_run_asks_at_a_terminal(tmp_path: Path) -> None:
    code, shown = answer_at_a_terminal(["run", "paper", "--output", str(tmp_path / "out")], "n\n")
    probe = f"almsweep plan paper --probe --output {tmp_path / 'out'}"
    assert f"Train 32,840 replicates (time unknown; measured by: {probe})? [y/N]" in shown.replace("\r\n", "")
    assert code == 1
    assert Store(tmp_path / "out").sweep_names() == []


@pytest.mark.parametrize(
    ("command", "replicates"),
    [
        (["run", "paper"], "32,840"),
        (["run", "paper-two-stage"], "13,640"),
        (["run", "paper-search", "--num-samples", "1000"], "10,000"),
        (["run", "demo", "--replicates", "100"], "1,200"),
    ],
)
@pytest.mark.parametrize("job", [[], ["--job"]])
def test_without_a_terminal_a_large_run_needs_yes(
    jobs: type[FakeJobs], tmp_path: Path, command: list[str], replicates: str, job: list[str]
) -> None:
    done = invoke(*command, *job, "--output", tmp_path / "out")
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert "expected --yes" in line
    assert line.endswith(f"this one trains {replicates}")
    assert not (tmp_path / "out").exists()
    assert jobs.submitted == []


def test_what_was_agreed_to_is_passed_on_to_the_job(jobs: type[FakeJobs], tmp_path: Path) -> None:
    assert invoke("run", "paper", "--job", "--yes", "--output", tmp_path / "out").exit_code == 0
    ((command, _, _),) = jobs.submitted
    assert shlex.split(command)[-1] == "--yes"


def test_a_large_run_says_how_long_it_takes_where_that_was_measured(tmp_path: Path) -> None:
    space = tmp_path / "large.yaml"
    rates = [number / 10_000 for number in range(1, 1002)]
    space.write_text(
        "fixed: {dataset: digits, ratio: 20, loss: baseline_BCE, model.width: 4, epochs: 2, seeds: [1]}\n"
        f"grid: {{optimizer.learning_rate: {rates}}}\n"
    )
    output = ["--output", str(tmp_path / "out")]
    assert invoke("plan", space, "--probe", *output).exit_code == 0
    code, shown = answer_at_a_terminal(["run", str(space), *output], "n\n")
    assert re.search(r"Train 1,001 replicates, for at most .+ on this machine\? \[y/N\]", shown), shown
    assert code == 1


def test_ray_s_own_lines_are_left_out() -> None:
    log = "2026 INFO Runtime env\nRunning entrypoint for job x: exec python\nsweep demo\n2 trials\n"
    assert without_ray_lines(log) == "sweep demo\n2 trials\n"
    assert without_ray_lines("no job\n") == "no job\n"
