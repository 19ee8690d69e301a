"""MLflow's own UI on a sweep's store, as a child process."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import IO

from search_spaces.errors import AlmsweepError, InputError
from search_spaces.redaction import redacted
from sweeps.signals import on_signals
from sweeps.tracking.columns import results_path
from sweeps.tracking.connection import checked_uri, default_tracking_uri, import_mlflow
from sweeps.tracking.moved import artifact_uri, mend_database
from sweeps.tracking.uris import sqlite_path
from trainer.store import Store

READY_SECONDS = 90.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.1
DEFAULT_PORT = 5000
_HTTP_PORT = 80
# The entry point of `sweeps.tracking.served`.
APP = "almsweep"

# Without its job runner and with one worker, MLflow's server is up in half the time and answers much faster.
_FAST = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONWARNINGS": "ignore",
}


def server_names(host: str, port: int) -> dict[str, str]:
    """By which names MLflow's server may be called, and from which pages.

    Its own list of private addresses is of patterns, `10.*` among them, which fit names of anybody's too.
    """
    names = {host, "localhost"} if host in ("localhost", "127.0.0.1") else {host}
    called = sorted(f"{name}:{port}" for name in names)
    if port == _HTTP_PORT:  # which browsers leave out
        called += sorted(names)
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(called),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}" for name in called),
    }


def past_proxies(host: str) -> None:
    """Let this process ask a host of this machine itself, whatever proxy the environment names."""
    for variable in ("no_proxy", "NO_PROXY"):
        listed = os.environ.get(variable, "")
        if host not in listed.split(","):
            os.environ[variable] = f"{listed},{host}" if listed else host


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_ui(
    output: str | Path, tracking_uri: str | None = None, host: str = "127.0.0.1", port: int = DEFAULT_PORT
) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server on the store of `output` (or on `tracking_uri`), ready to answer; ended on leaving.

    Raises InputError for an address that others can reach, when there is no database, when the URI is a
    server's, or when the port is taken; AlmsweepError when the server does not come up.
    """
    _check_host(host)
    uri = _database(output, tracking_uri)
    _check_port(host, port)
    past_proxies(host)
    served = ["--app-name", APP] if _has_app() else []
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
        *served,
    ]
    with tempfile.TemporaryDirectory(prefix="almsweep-ui-") as folder, tempfile.TemporaryFile() as output_log:
        # A session of its own: Ctrl-C reaches only us, and the server ends with all its processes.
        child = subprocess.Popen(
            command,
            cwd=folder,
            # The URI may hold a password, and arguments are for every user of the machine to read.
            env={**os.environ, **_FAST, **server_names(host, port), "MLFLOW_BACKEND_STORE_URI": uri},
            stdin=subprocess.DEVNULL,
            stdout=output_log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(child, f"http://{host}:{port}", output_log)
            yield child
        finally:
            _end(child)


def serve(
    output: str | Path,
    tracking_uri: str | None = None,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    announce: Callable[[str], None] = print,
) -> None:
    """Run MLflow's UI until Ctrl-C or SIGTERM; `announce` receives each sweep's address, then its own.

    Raises what `running_ui` raises, and AlmsweepError when the server ends by itself.
    """
    try:
        with on_signals(_interrupt), running_ui(output, tracking_uri, host, port) as child:
            address = f"http://{host}:{port}"
            for name, experiment_id in sorted(experiments(address).items()):
                announce(f"sweep {name}: {address}{results_path(experiment_id)}")
            announce(f"all of MLflow: {address} (Ctrl-C ends it)")
            code = child.wait()
            raise AlmsweepError(f"MLflow's server ended by itself with code {code}")
    except KeyboardInterrupt:
        announce("MLflow UI ended")


def experiments(address: str) -> dict[str, str]:
    """Ids of a server's experiments by name, without MLflow's own "Default"."""
    client = import_mlflow().MlflowClient(address)
    found = client.search_experiments(max_results=1000)
    return {e.name: e.experiment_id for e in found if e.experiment_id != "0"}


def _has_app() -> bool:
    """Whether MLflow's server will find `sweeps.tracking.served`: not where almsweep is older."""
    for distribution in distributions():
        for point in distribution.entry_points:
            if point.group == "mlflow.app" and point.name == APP:
                return True
    return False


def _database(output: str | Path, tracking_uri: str | None) -> str:
    store = Store(output)
    uri = default_tracking_uri(store) if tracking_uri is None else checked_uri(tracking_uri)
    if uri.startswith(("http", "databricks")):
        raise InputError(f"{redacted(uri)} is a server with a UI of its own: open it in a browser")
    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        raise InputError(
            f"{path}: expected the MLflow database of a sweep, found no file; has a sweep run here?"
        )
    if tracking_uri is None:
        mend_database(uri, artifact_uri(store.storage.root))
    return uri


def _check_host(host: str) -> None:
    """Raise InputError unless `host` is this machine's loopback: the UI asks nobody for a password."""
    try:
        is_loopback = host == "localhost" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise InputError(
            f"--host: expected a loopback address such as 127.0.0.1, given {host!r}: the UI has no password. "
            "Reach it through ssh -L, or run MLflow behind a password (docs/security.md)"
        )


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"--port: cannot listen on {host}:{port}: {error.strerror}; choose another port"
            ) from error


def _wait_until_ready(child: subprocess.Popen[bytes], address: str, output_log: IO[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise AlmsweepError(f"MLflow's server ended with code {child.returncode}:\n{_tail(output_log)}")
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(POLL_SECONDS)
    raise AlmsweepError(f"MLflow's server was not ready after {READY_SECONDS:.0f} s:\n{_tail(output_log)}")


def _tail(output_log: IO[bytes]) -> str:
    output_log.seek(0)
    return "\n".join(output_log.read().decode(errors="replace").splitlines()[-15:])


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the server and every process that it started."""
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    child.wait()


def _interrupt() -> None:
    raise KeyboardInterrupt
