"""The Ray that a sweep runs on: a running cluster, or one of its own on loopback."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from search_spaces.errors import AlmsweepError, InputError, RayError
from sweeps.cluster.reach import reachable
from sweeps.options import RunOptions

LOCAL_OBJECT_STORE_BYTES = 256 * 1024**2
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
    import ray

    if address is not None:
        address = reachable(address)
    was_connected = ray.is_initialized()
    try:
        if address is None:
            # Without "local" Ray would join a cluster of this machine, even one that was killed.
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=LOCAL_OBJECT_STORE_BYTES,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # whatever Ray raises, nothing was begun
        if not was_connected:
            ray.shutdown()
        raise _not_started(address, error) from error
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()


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
