"""Sweeps on a cluster, through its job API: submit one, logs, cancel, and status from afar."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from search_spaces.errors import AlmsweepError, InputError
from sweeps.cli.given import given_arguments
from sweeps.cli.guard import INTERRUPTED, guarded
from sweeps.hints import advised

if TYPE_CHECKING:
    from sweeps.cluster.job import SweepJob
    from sweeps.cluster.jobs import SweepJobs
    from sweeps.driver.opened import OpenedSweep

Sweep = Annotated[
    str | None, typer.Argument(metavar="[SWEEP]", help="A sweep or a job's id; default: the newest.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", help="The cluster's dashboard, like http://head:8265; default: Ray of this machine."
    ),
]
# Options of `run` and `status` that say where the command itself runs, and mean nothing to the job.
NOT_PASSED_ON = ("address", "job", "yes", "replace")
# Not the tracking URI: it may hold a password, and a job's command can be read by others.
FROM_ENVIRONMENT = ("output", "data_dir")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (logs, cancel):
        app.command()(guarded(command))


def logs(
    context: typer.Context,
    sweep: Sweep = None,
    address: Address = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the sweep ends, and exit with its code.")
    ] = False,
) -> None:
    """Show what a sweep that runs as a Ray job has printed."""
    jobs = _jobs(context, address)
    job = jobs.find(sweep)
    if not follow:
        _write(jobs.logs(job.job_id))
        return
    ended = jobs.follow(job.job_id, _write)
    if ended.code():
        raise typer.Exit(ended.code())


def cancel(
    context: typer.Context,
    sweep: Sweep = None,
    address: Address = None,
    here: Annotated[
        bool,
        typer.Option(
            "--here", help="Every sweep that you drive on this machine, as a Ray job or not; no Ray is asked."
        ),
    ] = False,
    within: Annotated[float, typer.Option("--within", min=0, help="Seconds to wait for the end.")] = 630.0,
) -> None:
    """Interrupt a sweep that runs as a Ray job, and wait for its end. A relaunch goes on from there."""
    console = Console(soft_wrap=True, highlight=False)
    if here:
        _cancel_here(context, sweep, address, within, console)
        return
    jobs = _jobs(context, address)
    job = jobs.find(sweep, running=True)
    console.print(Text(f"stopping sweep {job.sweep} (job {job.job_id})"))
    ended = jobs.stop(job.job_id, within)
    console.print(
        Text(f"sweep {job.sweep}: {ended.status.lower()}; the same launch goes on from its results")
    )


def _cancel_here(
    context: typer.Context, sweep: str | None, address: str | None, within: float, console: Console
) -> None:
    """Interrupt the sweeps that are driven on this machine. Raises AlmsweepError where one goes on."""
    from sweeps.cluster.drivers import drivers_here, end

    if address is not None:
        raise InputError("--here: expected no --address beside it, for it asks no Ray")
    root: Any = context.find_root().command
    drivers = drivers_here(root.commands, sweep)
    if not drivers:
        what = "no sweep" if sweep is None else f"no sweep {sweep}"
        console.print(Text(f"{what} runs on this machine"))
    for driver in drivers:
        console.print(Text(f"stopping {driver.words}"))
    left = end(drivers, within)
    for driver in drivers:
        if driver not in left:
            console.print(Text(f"{driver.words}: ended; the same launch goes on from its results"))
    if left:
        still = ", ".join(driver.words for driver in left)
        raise AlmsweepError(f"told to stop and still running after {within:.0f} s: {still}")


def submit(
    context: typer.Context, sweep: OpenedSweep, address: str | None, answers: Sequence[str] = ()
) -> None:
    """Submit the command of `context` as a job of the cluster and follow it; exits with the job's code.

    `answers` are options that say what was agreed to, like --yes, as nobody can ask in the job.
    Ctrl-C and a closed terminal end the following only.
    """
    from sweeps.cluster.job import OUTPUT_KEY, SWEEP_KEY

    jobs = _jobs(context, address)
    metadata = {SWEEP_KEY: sweep.name}
    far = is_far(address)
    if not far:
        metadata[OUTPUT_KEY] = sweep.store.storage.absolute_uri
    job_id = jobs.submit(entrypoint(context, answers, far=far), sweep.name, metadata)
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(f"sweep {sweep.name} runs as job {job_id}, and goes on when this terminal closes"))
    console.print(Text(f"  follow: {advised('logs', sweep.name, '--follow', address=address)}"))
    console.print(Text(f"  cancel: {advised('cancel', sweep.name, address=address)}"))
    try:
        job = jobs.follow(job_id, _write)
    except KeyboardInterrupt:
        console.print(Text(f"no longer following; sweep {sweep.name} goes on"))
        raise typer.Exit(INTERRUPTED) from None
    if job.code():
        raise typer.Exit(job.code())


def is_far(address: str | None) -> bool:
    """Whether a job runs elsewhere than here: at an address that was given, or set for Ray's job client."""
    if address is not None:
        return True
    set_for_ray = os.environ.get("RAY_API_SERVER_ADDRESS", "")
    if "://" not in set_for_ray:
        set_for_ray = f"//{set_for_ray}"
    return urlsplit(set_for_ray).hostname not in (None, *LOOPBACK, socket.gethostname())


def entrypoint(context: typer.Context, answers: Sequence[str] = (), *, far: bool) -> str:
    """The shell command of a job that runs the command of `context` as it was given, with these answers.

    From afar the head's own `python`, environment and defaults hold; on the head this Python in this folder,
    with the result store and the data that this environment names.
    """
    command = ["-m", "sweeps.cli", context.info_name or ""]
    if far:
        given = given_arguments(context, without=NOT_PASSED_ON)
        return f"exec {shlex.join(['python', *command, *given, *answers])}"
    given = given_arguments(context, without=NOT_PASSED_ON, from_environment=FROM_ENVIRONMENT)
    there = shlex.join([sys.executable, *command, *given, *answers])
    return f"cd {shlex.quote(os.getcwd())} && exec {there}"


def remote_status(context: typer.Context, address: str) -> None:
    """The cluster's sweep jobs, and what `almsweep status` says on its head."""
    jobs = _jobs(context, address)
    console = Console(soft_wrap=True, highlight=False)
    found = jobs.sweeps()
    for job in found:
        console.print(Text(job_line(job, time.time())))
    words = given_arguments(context, without=NOT_PASSED_ON)
    stores = [job.output for job in found if job.output is not None]
    if stores and "--output" not in words:
        words += ["--output", stores[0]]
    command = shlex.join(["python", "-m", "sweeps.cli", "status", *words])
    job_id = jobs.submit(f"exec {command}", "status")
    ended = jobs.follow(job_id, lambda text: None)
    _write(without_ray_lines(jobs.logs(job_id)))
    if ended.code():
        raise typer.Exit(ended.code())


def without_ray_lines(log: str) -> str:
    """A job's log without what Ray writes into it before the command runs."""
    before, ours, after = log.partition("Running entrypoint for job ")
    if not ours:
        return before
    return after.partition("\n")[2]


def job_line(job: SweepJob, now: float) -> str:
    """A job in one line: sweep, state, for how long, its id."""
    from sweeps.driver.progress import duration

    words = [job.sweep, job.status.lower()]
    if job.started is not None:
        words.append(f"for {duration((job.ended or now) - job.started)}")
    if job.exit_code:
        words.append(f"exit code {job.exit_code}")
    return "  ".join([*words, job.job_id])


def _jobs(context: typer.Context, address: str | None) -> SweepJobs:
    """The sweep jobs of a cluster; what others submitted is understood as this command line would be."""
    from sweeps.cluster.jobs import SweepJobs

    root: Any = context.find_root().command
    return SweepJobs(address, root.commands)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
