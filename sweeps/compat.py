"""Doors into the inside of Ray and MLflow: the one page to read when either is upgraded.

Each says what it uses, and what the public interface lacks. Ray is imported when a door is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def free_resources() -> dict[str, dict[str, float]]:
    """What each node of the connected cluster has not given away, by node id and in Ray's words.

    `ray.nodes()` tells all that a node has, and `ray.available_resources()` the sum over nodes only.
    """
    from ray._private import state

    found: dict[str, dict[str, float]] = state.available_resources_per_node()
    return found


def keep_credentials_out_of_logs() -> None:
    """Stop Tune from sending the driver's AWS credentials along with every trial.

    It would put them into the trials' runtime environment, which Ray writes into a log on every node. Each
    node has its own credentials, as docs/cluster.md says; a Ray of our own inherits the driver's environment.
    The names that Tune sends are a module's set, which nothing public changes.
    """
    from ray.tune.execution import class_cache

    names: set[str] = getattr(class_cache, "ENV_VARS_TO_PROPAGATE", set())
    names.difference_update([name for name in names if name.startswith("AWS_")])


def autoscaler_config() -> Path | None:
    """On a cluster's head: the file with which its autoscaler, Ray's process `monitor.py`, was started.

    Ray's public interface does not tell which nodes it may start. None where no autoscaler runs.
    """
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if not any(word.endswith("monitor.py") for word in words):
            continue
        for word in words:
            if word.startswith("--autoscaling-config="):
                return Path(word.partition("=")[2]).expanduser()
    return None


def database_engine(client: Any) -> Any:
    """The SQLAlchemy engine of an MLflow client that works on a database; None of one that asks a server."""
    return getattr(getattr(getattr(client, "_tracking_client", None), "store", None), "engine", None)
