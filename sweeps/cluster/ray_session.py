"""The Ray that a sweep runs on: a running cluster, or one of its own on loopback."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search_spaces.errors import AlmsweepError, InputError, RayError
from sweeps.cluster.reach import reachable
from sweeps.compat import end_without_asking, modules_as_here
from sweeps.options import RunOptions
from sweeps.orphans import OWN_RAY, end_ray
from sweeps.signals import unheard_by_children
from sweeps.temp import ray_folder
from trainer.limits import allowed_cpus, free_memory

LOCAL_OBJECT_STORE_BYTES = 256 * 1024**2
# Ray wants some to be there, whatever is free just now.
_LEAST_MEMORY = 100 * 1024**2
# Ray gives its node half a minute to start; on a busy machine that may be too little.
_STARTS = 3
_TIMED_OUT = "timed out during startup"
# Ray repeats whole answers of a server on one line.
_LINE_LENGTH = 300


def settle_environment(address: str | None) -> None:
    """Set what Ray reads from the environment, some of it only when it is imported for the first time.

    The Ray that a sweep starts for itself listens on loopback. Other users of this machine reach that too, so
    the session has a token of its own, which stands in no file; not so in a program that has imported Ray
    before without setting RAY_AUTH_MODE.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # the sweep says in a line what failed
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Tune's snapshots, of all trials every ten seconds, are of no use: the store says what is done.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
    if address is not None:
        return
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray's one switch that binds to loopback
    os.environ.setdefault("RAY_AUTH_MODE", "disabled" if "ray" in sys.modules else "token")
    if os.environ["RAY_AUTH_MODE"] == "token" and not token_is_given():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def token_is_given() -> bool:
    """Whether the environment has a token, or names the file of one."""
    return bool(os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"))


@contextmanager
def ray_session(options: RunOptions) -> Iterator[dict[str, float]]:
    """A connection to the asked cluster, or a Ray of our own on loopback; yields the cluster's resources.

    Raises InputError for an address at which no Ray takes us in, and RayError where our own does not start.
    """
    address = options.cluster_address
    settle_environment(address)
    if address is not None and address.startswith(("http://", "https://")):
        raise InputError(f"--address: {address} takes jobs, and no driver; submit the sweep with --job")
    if address is None:
        with ray_folder() as folder, _own_ray(folder) as resources:
            yield resources
        return
    with _joined_ray(reachable(address)) as resources:
        yield resources


@contextmanager
def _joined_ray(address: str) -> Iterator[dict[str, float]]:
    """A connection to the cluster at this address."""
    import ray

    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address.startswith("ray://"):
        settings["job_config"] = modules_as_here()
    was_connected = ray.is_initialized()
    try:
        with unheard_by_children():  # for Ray takes the signals' handlers away
            ray.init(address=address, **settings)
    except Exception as error:  # whatever Ray raises, nothing was begun
        if not was_connected:
            ray.shutdown()
        raise _not_started(address, error) from error
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()


@contextmanager
def _own_ray(folder: Path) -> Iterator[dict[str, float]]:
    """A Ray of our own, its files in this folder; it has what this process may use of the machine.

    Its processes hear no TERM and no HUP, which batch systems send to all processes of a job: the sweep ends
    first, and then Ray. All of them are gone when the block has ended, however it ended.
    """
    import ray

    if ray.is_initialized():
        raise RayError("Ray did not start on this machine: this program has connected to one already")
    try:
        _start(folder)
        yield ray.cluster_resources()
    finally:
        _end(folder)


def _start(folder: Path) -> None:
    """Start it, again where it took too long. Raises RayError where it does not start."""
    for attempt in range(_STARTS):
        try:
            _start_once(folder)
            return
        except Exception as error:  # whatever Ray raises, nothing was begun
            if _TIMED_OUT not in str(error) or attempt == _STARTS - 1:
                raise _not_started(None, error) from error
        _end(folder)


def _start_once(folder: Path) -> None:
    import ray

    os.environ[OWN_RAY] = str(folder)
    try:
        with unheard_by_children():
            # Without "local" Ray would join a cluster of this machine, even one that was killed.
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                num_cpus=allowed_cpus(),
                object_store_memory=LOCAL_OBJECT_STORE_BYTES,
                job_config=modules_as_here(),
                _memory=max(free_memory() - LOCAL_OBJECT_STORE_BYTES, _LEAST_MEMORY),
                _temp_dir=str(folder),
            )
    finally:
        del os.environ[OWN_RAY]


def _end(folder: Path) -> None:
    """End the Ray of this process, and what is left of it: workers and agents live on for a while."""
    import ray

    end_without_asking()
    ray.shutdown()
    end_ray(folder)


def _not_started(address: str | None, error: Exception) -> AlmsweepError:
    """What to say where Ray did not start here, or did not take us into the cluster at an address."""
    told = " ".join(str(error).split())[:_LINE_LENGTH] or type(error).__name__
    if isinstance(error, ConnectionError) and address is not None:
        return InputError(f"--address: no Ray cluster answers at {address!r}: {told}")
    if address is not None:
        return InputError(f"--address: the Ray cluster at {address!r} does not take this driver: {told}")
    if "AF_UNIX" in told:
        told += "; give Ray a folder with a shorter path in RAY_TMPDIR"
    elif isinstance(error, PermissionError):
        told += "; give Ray a folder of your own in RAY_TMPDIR"
    elif _TIMED_OUT in told:
        told += "; the machine may be busy: what is done stays done, run it again"
    return RayError(f"Ray did not start on this machine: {told}")
