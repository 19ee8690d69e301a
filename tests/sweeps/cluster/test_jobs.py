"""Sweep jobs of a cluster, against a stand-in for Ray's client: which are found, followed and stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from search_spaces.errors import AlmsweepError, InputError
from sweeps.cli.main import app
from sweeps.cluster import reach
from sweeps.cluster.job import SWEEP_KEY, SweepJob, sweep_job, sweep_of_entrypoint
from sweeps.cluster.jobs import SweepJobs
from sweeps.cluster.reach import LocalRay

COMMANDS: Any = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def details(number: int, sweep: str | None, status: str = "RUNNING", **more: Any) -> SimpleNamespace:
    """A job as Ray lists it."""
    found = {
        "submission_id": f"job-{number}",
        "status": SimpleNamespace(value=status),
        "entrypoint": "sleep 1",
        "metadata": {} if sweep is None else {SWEEP_KEY: sweep},
        "start_time": number * 1000,
        "end_time": 0,
        "driver_exit_code": None,
    }
    return SimpleNamespace(**(found | more))


class FakeClient:
    def __init__(self, *jobs: SimpleNamespace) -> None:
        self.jobs = {job.submission_id: job for job in jobs}
        self.stopped: list[str] = []
        self.parts: list[list[str] | Exception] = []
        self.text = ""
        self.refusals: list[str] = []
        self.submitted: list[str] = []

    def submit_job(self, *, submission_id: str, **more: Any) -> str:
        if self.refusals:
            raise RuntimeError(self.refusals.pop(0))
        self.submitted.append(submission_id)
        return submission_id

    def list_jobs(self) -> list[SimpleNamespace]:
        return list(self.jobs.values())

    def get_job_info(self, job_id: str) -> SimpleNamespace:
        return self.jobs[job_id]

    def get_job_logs(self, job_id: str) -> str:
        return self.text

    def stop_job(self, job_id: str) -> None:
        self.stopped.append(job_id)

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        for part in self.parts.pop(0):
            if part == "lost":
                raise RuntimeError("connection closed")
            yield part
        if not self.parts:
            self.jobs[job_id].status = SimpleNamespace(value="SUCCEEDED")


def jobs_of(client: FakeClient) -> SweepJobs:
    made = SweepJobs.__new__(SweepJobs)
    made._client, made._commands = client, COMMANDS
    return made


@pytest.mark.parametrize(
    ("entrypoint", "sweep"),
    [
        ("almsweep run paper --address auto --yes", "paper"),
        ("cd /x && exec /venv/bin/python -m sweeps.cli run '/a b/margins.yaml' --yes", "margins"),
        ("python ~/launch.py retry demo --failed", "demo"),
        ("almsweep-entrypoint run demo", "demo"),
        ("almsweep run", None),
        ("almsweep run --gpus-per-trial 0.5 spaces/margins.yaml", "margins"),
        ("python -m sweeps.launch status paper", None),
        ("almsweep run --nosuch paper", None),
        ("almsweep tables paper", None),
        ("echo run paper", None),
        ("almsweep run 'paper", None),
    ],
)
def test_sweep_of_a_job_that_somebody_submitted(entrypoint: str, sweep: str | None) -> None:
    assert sweep_of_entrypoint(entrypoint, COMMANDS) == sweep
    found = sweep_job(details(1, None, entrypoint=entrypoint), COMMANDS)
    assert (None if found is None else found.sweep) == sweep


@pytest.mark.parametrize(
    ("status", "own", "code"),
    [("SUCCEEDED", 0, 0), ("FAILED", 4, 4), ("FAILED", None, 1), ("STOPPED", None, 130)],
)
def test_exit_code_passed_on(status: str, own: int | None, code: int) -> None:
    found = sweep_job(details(1, "demo", status, driver_exit_code=own), COMMANDS)
    assert isinstance(found, SweepJob)
    assert (found.code(), found.is_running) == (code, False)


def test_find_takes_the_newest_and_asks_which_where_it_could_be_several() -> None:
    jobs = jobs_of(
        FakeClient(details(1, "paper"), details(2, "demo"), details(3, "paper", "FAILED"), details(4, None))
    )
    assert [job.job_id for job in jobs.sweeps()] == ["job-3", "job-2", "job-1"]
    assert jobs.find(None).job_id == "job-3"
    assert jobs.find("paper", running=True).job_id == "job-1"
    assert jobs.find("job-2").sweep == "demo"
    with pytest.raises(InputError, match="several sweeps run on this cluster, name one: demo, paper"):
        jobs.find(None, running=True)
    with pytest.raises(InputError, match="unknown sweep on this cluster 'x'; known: demo, paper"):
        jobs.find("x")
    with pytest.raises(InputError, match="expected a running sweep on this cluster, found none"):
        jobs_of(FakeClient(details(3, "paper", "FAILED"))).find(None, running=True)


def test_follow_prints_each_character_once_over_lost_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.cluster.jobs.time.sleep", lambda seconds: None)
    client = FakeClient(details(1, "demo"))
    client.parts = [["ab", "lost"], ["a", "bcd", "lost"], ["abcd", "ef"]]
    client.text = "abcdefg"
    written: list[str] = []
    ended = jobs_of(client).follow("job-1", written.append)
    assert "".join(written) == "abcdefg"
    assert ended.status == "SUCCEEDED"


def test_follow_gives_up_on_a_silent_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.cluster.jobs.time.sleep", lambda seconds: None)
    monkeypatch.setattr("sweeps.cluster.jobs.SILENCE_SECONDS", -1.0)
    client = FakeClient(details(1, "demo"))
    client.parts = [["ab", "lost"]]
    with pytest.raises(AlmsweepError, match="job job-1 may go on: connection closed"):
        jobs_of(client).follow("job-1", lambda text: None)


def test_submit_waits_for_a_head_that_has_just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.cluster.jobs.time.sleep", lambda seconds: None)
    client = FakeClient()
    client.refusals = ["500: No available agent to submit job", "500: No available agent to submit job"]
    job_id = jobs_of(client).submit("exec true", "a b/c")
    assert job_id.startswith("almsweep-a-b-c-")
    assert client.submitted == [job_id]
    client.refusals = ["400: bad"]
    with pytest.raises(AlmsweepError, match="took no job: 400: bad"):
        jobs_of(client).submit("exec true", "demo")


def test_stop_waits_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient(details(1, "demo"))

    def end(seconds: float) -> None:
        client.jobs["job-1"].status = SimpleNamespace(value="STOPPED")

    monkeypatch.setattr("sweeps.cluster.jobs.time.sleep", end)
    assert jobs_of(client).stop("job-1").code() == 130
    assert client.stopped == ["job-1"]
    stubborn = jobs_of(FakeClient(details(1, "demo")))
    with pytest.raises(AlmsweepError, match="was told to stop and still runs"):
        stubborn.stop("job-1", timeout=-1.0)


def test_nobody_at_the_address_is_bad_input() -> None:
    with pytest.raises(InputError, match=r"no Ray dashboard answers at http://127\.0\.0\.1:9"):
        SweepJobs("http://127.0.0.1:9", COMMANDS)


@pytest.mark.parametrize("address", [None, "auto"])
def test_a_cluster_s_head_is_asked_before_ray_s_client_connects(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """Beside the Ray of another sweep the client would try, and warn, for a minute."""
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    other = LocalRay("127.0.0.1:6399", 4711, "somebody")
    monkeypatch.setattr(reach, "local_rays", lambda: [other])
    monkeypatch.setattr(reach, "current_cluster", lambda: None)
    monkeypatch.setattr(reach, "answer_of", lambda address, seconds: "alone")
    with pytest.raises(InputError) as caught:
        SweepJobs(address, COMMANDS)
    assert "process 4711 of somebody), which listens on loopback alone" in str(caught.value)
    assert str(caught.value).endswith("; name its dashboard by --address http://host:8265")


def test_a_head_that_is_named_and_silent_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "answer_of", lambda address, seconds: "silent")
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:9; name its dashboard by"):
        SweepJobs("127.0.0.1:9", COMMANDS)
