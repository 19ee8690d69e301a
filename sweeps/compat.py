"""Doors into the inside of Ray and MLflow: the one page to read when either is upgraded.

Each says what it uses, and what the public interface lacks. Ray is imported when a door is used.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# Successive halving lets the best of so many go on.
ASHA_REDUCTION = 3


def free_resources() -> dict[str, dict[str, float]]:
    """What each node of the connected cluster has not given away, by node id and in Ray's words.

    `ray.nodes()` tells all that a node has, and `ray.available_resources()` the sum over nodes only.
    """
    from ray._private import state

    found: dict[str, dict[str, float]] = state.available_resources_per_node()
    return found


def current_cluster() -> str | None:
    """The address that the last `ray start` of this machine wrote down; None where there is none to be read.

    `ray.init` reads it for "auto", and tells it to nobody.
    """
    from ray._private.utils import read_ray_address

    try:
        return read_ray_address() or None
    except OSError:  # another user's
        return None


def seen_by_ray(address: str) -> str:
    """The address, host:port, to which Ray connects when it is given this one: never on loopback.

    `ray.init` does so itself, and tells it to nobody before it has connected.
    """
    from ray._private.services import canonicalize_bootstrap_address

    return canonicalize_bootstrap_address(address) or address


def token_headers() -> dict[str, str]:
    """What Ray would send to a cluster to be let in; {} where authentication is off here, or no token known.

    Where Ray finds its token, nothing public tells.
    """
    from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled

    log = logging.getLogger("ray._private.authentication.http_token_authentication")
    before, log.disabled = log.disabled, True  # its warning is said better by who asks
    try:
        return dict(get_auth_headers_if_auth_enabled({}))
    finally:
        log.disabled = before


def modules_as_here() -> Any:
    """A job's settings by which its workers look for modules where this process does.

    Ray puts the folder in which a driver was started first, for its workers alone: a `trainer.py` in it would
    stand before our package. Its one way to be asked not to is a runtime environment with a working folder,
    which costs more than it brings.
    """
    from ray.job_config import JobConfig

    class AsHere(JobConfig):  # type: ignore[misc]
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    config = AsHere()
    for folder in (os.path.dirname(os.path.realpath(sys.argv[0])), os.path.abspath(os.curdir)):
        if folder in sys.path:
            config._py_driver_sys_path.append(folder)
    return config


def end_without_asking() -> None:
    """Let `ray.shutdown` kill the processes of the Ray that this one has started, which hear no TERM.

    It would ask each of them to end by a TERM, and wait a second for that; nothing public says otherwise.
    """
    from ray._private import worker

    node = getattr(worker, "_global_node", None)
    if node is None:
        return
    kill = node.kill_all_processes

    def kill_at_once(**settings: Any) -> None:
        kill(**{**settings, "allow_graceful": False})

    node.kill_all_processes = kill_at_once


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


def create_tables(uri: str) -> None:
    """Create MLflow's tables in an empty database, as its first use of one does.

    MLflow's own way to create them, `mlflow server` or a client, opens the database for use as well, and
    keeps that connection.
    """
    import sqlalchemy as sql
    from mlflow.store.db.utils import _initialize_tables

    engine = sql.create_engine(uri)
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def bound_answers(most_bytes: int, seconds: float) -> None:
    """Let an answer of MLflow's server be of so many bytes at most, and come within about so many seconds.

    MLflow makes its sessions itself, once, with an adapter of its own, and has no setting for either: the
    time-out that it has is that of a single read. Raises `requests.ConnectionError` where an answer is more.
    """
    from mlflow.utils import request_utils

    adapter: Any = request_utils.TCPKeepAliveHTTPAdapter

    class Bounded(adapter):  # type: ignore[misc]
        def send(self, request: Any, stream: bool = False, **options: Any) -> Any:
            response = super().send(request, stream=stream, **options)
            if not stream:
                response._content = _whole_answer(response, most_bytes, time.monotonic() + seconds)
                response._content_consumed = True
            return response

    if adapter.__name__ != Bounded.__name__:
        request_utils.TCPKeepAliveHTTPAdapter = Bounded


def _whole_answer(response: Any, most_bytes: int, deadline: float) -> bytes:
    """The body of an answer that was not read yet."""
    import requests

    content = bytearray()
    for part in response.iter_content(16_384):
        content += part
        if len(content) > most_bytes or time.monotonic() > deadline:
            response.close()
            told = f"{len(content):,} bytes and no end" if len(content) > most_bytes else "too slow"
            raise requests.ConnectionError(f"MLflow's answer is no answer: {told}")
    return bytes(content)


def artifact_folders(engine: Any) -> dict[str, str]:
    """Where each experiment of an MLflow database keeps its artifacts, by its id."""
    import sqlalchemy as sql

    experiments = sql.table("experiments", sql.column("experiment_id"), sql.column("artifact_location"))
    with engine.connect() as connection:
        found = connection.execute(sql.select(experiments))
        return {str(experiment_id): str(location) for experiment_id, location in found}


def move_artifacts(engine: Any, experiment_id: str, location: str) -> None:
    """Tell an MLflow database that an experiment's artifacts, of all its runs too, lie below this URI now.

    MLflow writes whole paths into its database when an experiment and a run are made, and no call changes
    them; a folder that was moved would go on to be looked for, and written to, where it was.
    """
    import sqlalchemy as sql

    experiments = sql.table("experiments", sql.column("experiment_id"), sql.column("artifact_location"))
    runs = sql.table(
        "runs", sql.column("experiment_id"), sql.column("run_uuid", sql.String), sql.column("artifact_uri")
    )
    below = sql.literal(f"{location}/") + runs.c.run_uuid + sql.literal("/artifacts")
    key = int(experiment_id)
    of_experiment = sql.update(experiments).where(experiments.c.experiment_id == key)
    of_runs = sql.update(runs).where(runs.c.experiment_id == key)
    with engine.begin() as connection:
        connection.execute(of_experiment.values(artifact_location=location))
        connection.execute(of_runs.values(artifact_uri=below))


@dataclass(frozen=True)
class _Peer:
    """All that Ray's schedulers ask of a trial, when they do not have to stop it themselves."""

    trial_id: str


class StoppingRule:
    """One of Ray's rules of early stopping, "asha" or "median", over the trials of one group.

    Ray has the rules inside its schedulers, which Tune's controller asks about its own trials. Here they are
    asked about trials of which they know an id, without a controller, as our groups are none of Tune's.
    """

    def __init__(self, kind: str, better: Literal["higher", "lower"], *, grace: int, longest: int) -> None:
        """`grace`: epochs before a trial may be stopped; `longest`: the most epochs that one trains."""
        from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule

        self._knows_ends = kind == "median"
        self._known: set[str] = set()
        mode = "max" if better == "higher" else "min"
        common = {"time_attr": "epochs", "metric": "value", "mode": mode, "grace_period": grace}
        if self._knows_ends:
            # Ray's own answer to few comparisons, to pause a trial, would cost more than it saves.
            self._scheduler: Any = MedianStoppingRule(**common, min_time_slice=math.inf)
        else:
            # A trial in its last epoch has nothing to save any more.
            most = {"max_t": max(longest, grace + 1), "stop_last_trials": False}
            self._scheduler = ASHAScheduler(**common, **most, reduction_factor=ASHA_REDUCTION)

    def would_stop(self, trial_id: str, epochs: int, value: float) -> bool:
        """Whether a trial with this value after so many epochs falls behind; it is learned from, too."""
        from ray.tune.schedulers import TrialScheduler

        answer = self._scheduler.on_trial_result(None, self._peer(trial_id), _result(epochs, value))
        return bool(answer == TrialScheduler.STOP)

    def learn(self, trial_id: str, epochs: int, value: float) -> None:
        """Learn from a trial that has ended."""
        peer = self._peer(trial_id)
        if self._knows_ends:
            self._scheduler.on_trial_complete(None, peer, _result(epochs, value))
        else:
            self._scheduler.on_trial_result(None, peer, _result(epochs, value))

    def _peer(self, trial_id: str) -> _Peer:
        peer = _Peer(trial_id)
        if trial_id not in self._known:
            self._known.add(trial_id)
            self._scheduler.on_trial_add(None, peer)
        return peer


def _result(epochs: int, value: float) -> dict[str, float]:
    return {"epochs": epochs, "value": value}
