"""Sweeps as Ray jobs: submit, find, follow and stop them through the job API of a cluster's head.

A job belongs to the cluster, so it goes on when the terminal that submitted it closes. The address is that
of the dashboard (`http://head:8265`), or anything `ray job submit --address` takes; None is
RAY_API_SERVER_ADDRESS, RAY_ADDRESS, or the Ray of this machine. Ray itself adds the token (RAY_AUTH_MODE,
RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, `~/.ray/auth_token`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search_spaces.errors import AlmsweepError, InputError, unknown_name
from sweeps.cluster.job import Commands, SweepJob, sweep_job
from sweeps.cluster.ray_session import token_is_given
from sweeps.cluster.reach import AUTO, reachable

# How long Ray waits for a stopped job before it kills it: time to store and to tell MLflow.
STOP_SECONDS = 600
# How long a head may be silent before a follower gives up.
SILENCE_SECONDS = 120.0


class _Printer:
    """Writes each character of a text once, although parts of the text come more than once."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write
        self.count = 0

    def take(self, position: int, text: str) -> None:
        """A part of the text that begins at a position at or before the end of what was written."""
        fresh = text[self.count - position :]
        if fresh:
            self.write(fresh)
            self.count += len(fresh)


class SweepJobs:
    """The sweep jobs of one cluster."""

    def __init__(self, address: str | None, commands: Commands) -> None:
        """Connect to a cluster. `commands` tell which sweep a job runs that somebody else submitted.

        Raises InputError when nobody answers at the address or the token is not the cluster's.
        """
        self._commands = commands
        use_token_at_hand()
        from ray.exceptions import AuthenticationError
        from ray.job_submission import JobSubmissionClient

        logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)
        where = address or "the Ray of this machine"
        asked = _asked_first(address)
        try:
            with _only(asked):
                self._client: Any = JobSubmissionClient(asked)
        except AuthenticationError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"--address: {where} wants its token (RAY_AUTH_TOKEN_PATH): {reason}") from error
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"--address: no Ray dashboard answers at {where}: {error}") from error

    def submit(self, entrypoint: str, name: str, metadata: dict[str, str] | None = None) -> str:
        """Start a shell command on the head as a job; returns the job's id, which holds `name`.

        Raises AlmsweepError when the head takes no job.
        """
        job_id = f"almsweep-{re.sub(r'[^A-Za-z0-9_-]+', '-', name)}-{uuid.uuid4().hex[:8]}"
        deadline = time.monotonic() + SILENCE_SECONDS
        while True:
            try:
                self._client.submit_job(
                    entrypoint=entrypoint,
                    submission_id=job_id,
                    metadata=metadata or {},
                    runtime_env={"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}},
                )
                return job_id
            except (OSError, RuntimeError) as error:
                # What a head says that has just started.
                if "No available agent" not in str(error) or time.monotonic() >= deadline:
                    raise AlmsweepError(f"the head of the cluster took no job: {error}") from error
            time.sleep(1.0)

    def sweeps(self) -> list[SweepJob]:
        """All sweep jobs that the cluster knows, the newest first."""
        jobs = []
        for details in self._client.list_jobs():
            job = sweep_job(details, self._commands)
            if job is not None:
                jobs.append(job)
        return sorted(jobs, key=lambda job: job.started or 0, reverse=True)

    def find(self, sweep: str | None, *, running: bool = False) -> SweepJob:
        """The newest job of a sweep, or the only one where no sweep is named; a job's id names it too.

        Raises InputError when there is none, or when `running` and several sweeps could be meant.
        """
        jobs = [job for job in self.sweeps() if job.is_running or not running]
        kind = "running sweep" if running else "sweep"
        known = sorted({job.sweep for job in jobs})
        if sweep is not None:
            jobs = [job for job in jobs if sweep in (job.sweep, job.job_id)]
        if not jobs:
            if sweep is not None and known:
                raise InputError(unknown_name(f"{kind} on this cluster", sweep, known))
            raise InputError(f"expected a {kind} on this cluster, found none")
        if running and len({job.sweep for job in jobs}) > 1:
            raise InputError(f"several sweeps run on this cluster, name one: {', '.join(known)}")
        return jobs[0]

    def get(self, job_id: str) -> SweepJob:
        """A job as it stands now."""
        job = sweep_job(self._client.get_job_info(job_id), self._commands, anything=True)
        if job is None:
            raise InputError(f"no job {job_id!r} on this cluster")
        return job

    def logs(self, job_id: str) -> str:
        """What a job has printed so far."""
        return str(self._client.get_job_logs(job_id))

    def follow(self, job_id: str, write: Callable[[str], object]) -> SweepJob:
        """Pass on what a job has printed and prints, until it ends; survives lost connections."""
        from aiohttp import ClientError

        printer = _Printer(write)
        silent_since: float | None = None
        while True:
            try:
                asyncio.run(self._tail(job_id, printer))
                job = self.get(job_id)
                if not job.is_running:
                    printer.take(0, self.logs(job_id))
                    return job
                silent_since = None
            except (OSError, RuntimeError, ClientError) as error:
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > SILENCE_SECONDS:
                    raise AlmsweepError(
                        f"the head of the cluster does not answer any more; job {job_id} may go on: {error}"
                    ) from error
            time.sleep(1.0)

    async def _tail(self, job_id: str, printer: _Printer) -> None:
        """Pass on a job's output from its begin, until it ends or the connection is lost."""
        seen = 0
        async for text in self._client.tail_job_logs(job_id):
            printer.take(seen, text)
            seen += len(text)

    def stop(self, job_id: str, timeout: float = STOP_SECONDS + 30.0) -> SweepJob:
        """Interrupt a job and wait for its end. Raises AlmsweepError when it goes on for longer than that."""
        self._client.stop_job(job_id)
        deadline = time.monotonic() + timeout
        job = self.get(job_id)
        while job.is_running:
            if time.monotonic() >= deadline:
                raise AlmsweepError(f"job {job_id} was told to stop and still runs after {timeout:.0f} s")
            time.sleep(0.5)
            job = self.get(job_id)
        return job


def use_token_at_hand() -> None:
    """Turn on token authentication where a token is given and RAY_AUTH_MODE is not, as `ray.init` does.

    To be called before Ray is imported, which reads the variable only then.
    """
    if token_is_given() or Path(os.path.expanduser("~"), ".ray", "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _asked_first(address: str | None) -> str | None:
    """The address for Ray's job client, a cluster's head asked first whether it lets us in.

    The client would try that for a minute, and warn. A dashboard refuses it at once. None: as the environment
    names a dashboard. Raises InputError as `reachable` does.
    """
    meant = address or os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS") or AUTO
    if "://" in meant:
        return address
    return reachable(meant, "name its dashboard by --address http://host:8265")


@contextmanager
def _only(address: str | None) -> Iterator[None]:
    """Ray lets these variables override an address that was given; here what was given counts."""
    hidden = {}
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        if address is not None and name in os.environ:
            hidden[name] = os.environ.pop(name)
    try:
        yield
    finally:
        os.environ.update(hidden)
