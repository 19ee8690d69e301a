"""Sweeps on a cluster, through its job API: submit one, logs, cancel, and status from afar."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from sweeps.cli.guard import INTERRUPTED, guarded

if TYPE_CHECKING:
    from sweeps.cluster.jobs import SweepJob
    from trainer.store import SweepManifest

Sweep = Annotated[
    str | None, typer.Argument(metavar="[SWEEP]", help="A sweep or a job's id; default: the newest.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", help="The cluster's dashboard, like http://head:8265; default: Ray of this machine."
    ),
]
# Options of `run` that say where the command itself runs, and mean nothing to the job.
NOT_PASSED_ON = {"address", "job", "yes"}
# Not the tracking URI: it may hold a password, and a job's command can be read by others.
FROM_ENVIRONMENT = ("output", "data_dir")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (logs, cancel):
        app.command()(guarded(command))


def logs(
    sweep: Sweep = None,
    address: Address = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the sweep ends, and exit with its code.")
    ] = False,
) -> None:
    """Show what a sweep that runs as a Ray job has printed."""
    from sweeps.cluster.jobs import SweepJobs

    jobs = SweepJobs(address)
    job = jobs.find(sweep)
    if not follow:
        _write(jobs.logs(job.job_id))
        return
    if code := jobs.follow(job.job_id, _write).code():
        raise typer.Exit(code)


def cancel(sweep: Sweep = None, address: Address = None) -> None:
    """Interrupt a sweep that runs as a Ray job, and wait for its end. A relaunch goes on from there."""
    from sweeps.cluster.jobs import SweepJobs

    jobs = SweepJobs(address)
    job = jobs.find(sweep, running=True)
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(f"stopping sweep {job.sweep} (job {job.job_id})"))
    ended = jobs.stop(job.job_id)
    console.print(
        Text(f"sweep {job.sweep}: {ended.status.lower()}; the same launch goes on from its results")
    )


def submit(context: typer.Context, manifest: SweepManifest, output: str, address: str | None) -> None:
    """Submit the command of `context` as a job of the cluster and follow it; exits with the job's code.

    Ctrl-C and a closed terminal end the following only.
    """
    from sweeps.cluster.jobs import OUTPUT_KEY, SWEEP_KEY, SweepJobs

    jobs = SweepJobs(address)
    metadata = {SWEEP_KEY: manifest.name}
    far = is_far(address)
    if not far:
        metadata[OUTPUT_KEY] = output if "://" in output else os.path.abspath(output)
    job_id = jobs.submit(entrypoint(context, far=far), manifest.name, metadata)
    where = "" if address is None else f" --address {address}"
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(f"sweep {manifest.name} runs as job {job_id}, and goes on when this terminal closes"))
    console.print(Text(f"  follow: almsweep logs {manifest.name} --follow{where}"))
    console.print(Text(f"  cancel: almsweep cancel {manifest.name}{where}"))
    try:
        job = jobs.follow(job_id, _write)
    except KeyboardInterrupt:
        console.print(Text(f"no longer following; sweep {manifest.name} goes on"))
        raise typer.Exit(INTERRUPTED) from None
    if job.code():
        raise typer.Exit(job.code())


def is_far(address: str | None) -> bool:
    """Whether a job runs elsewhere than here: at an address that was given, or set for Ray's job client."""
    set_for_ray = os.environ.get("RAY_API_SERVER_ADDRESS", "")
    host = urlsplit(set_for_ray if "://" in set_for_ray else f"//{set_for_ray}").hostname
    return address is not None or host not in (None, "localhost", "127.0.0.1", "::1", socket.gethostname())


def entrypoint(context: typer.Context, *, far: bool) -> str:
    """The shell command of a job that runs the command of `context` as it was given.

    From afar the head's own `python`, environment and defaults hold; on the head this Python in this folder,
    with the result store and the data that this environment names.
    """
    words = [
        *("python" if far else sys.executable, "-m", "sweeps.cli"),
        *(context.info_name or "", *given_arguments(context, () if far else FROM_ENVIRONMENT)),
    ]
    command = f"exec {shlex.join(words)}"
    return command if far else f"cd {shlex.quote(os.getcwd())} && {command}"


def given_arguments(context: typer.Context, from_environment: Collection[str] = ()) -> list[str]:
    """The arguments and options of a command as given on its command line, without those of NOT_PASSED_ON.

    Those of `from_environment` count when the environment gives them, too.
    """
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        known = source is not None and (
            source.name == "COMMANDLINE" or (source.name == "ENVIRONMENT" and name in from_environment)
        )
        if name in NOT_PASSED_ON or not known:
            continue
        value: Any = context.params[name]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words += [parameter.opts[0]] if value else []
        else:
            words += [parameter.opts[0], str(value)]
    return words


def remote_status(context: typer.Context, address: str) -> None:
    """The cluster's sweep jobs, and what `almsweep status` says on its head."""
    from sweeps.cluster.jobs import SweepJobs

    jobs = SweepJobs(address)
    console = Console(soft_wrap=True, highlight=False)
    found = jobs.sweeps()
    for job in found:
        console.print(Text(job_line(job, time.time())))
    words = given_arguments(context)
    stores = list(dict.fromkeys(job.output for job in found if job.output is not None))
    if not {"-o", "--output"} & set(words) and stores:
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
    return after.partition("\n")[2] if ours else before


def job_line(job: SweepJob, now: float) -> str:
    """A job in one line: sweep, state, for how long, its id."""
    from sweeps.driver.progress import duration

    words = [job.sweep, job.status.lower()]
    if job.started is not None:
        words.append(f"for {duration((job.ended or now) - job.started)}")
    if job.exit_code:
        words.append(f"exit code {job.exit_code}")
    return "  ".join([*words, job.job_id])


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
