"""MLflow behind a password on loopback, started as in production: by `docker/entrypoint.sh mlflow`."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from sweeps.tracking.ui import free_port
from tests.processes import PATIENCE

ENTRYPOINT = Path(__file__).parent.parent / "docker" / "entrypoint.sh"


class MlflowServer:
    """`start`, `kill` and `start` again, on one port. `client` is the environment of who may write."""

    def __init__(self, folder: Path, database: str, database_password: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.password = secrets.token_hex(16)
        self.log = folder / "mlflow.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }
        self.settings = {
            "MLFLOW_PORT": str(self.port),
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "ALMSWEEP_RUN_DIR": str(folder / "run"),
            "PGPASSWORD": database_password,
            "PYTHONWARNINGS": "ignore",
        }

    def start(self) -> None:
        """Start the server and wait until it answers."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", ENTRYPOINT, "mlflow"],
                env={**os.environ, "PATH": path, **self.settings},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=5).close()
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"MLflow does not answer: {self.log.read_text()}") from error
            time.sleep(0.1)

    def status(self, path: str, user: str | None = None, password: str = "", host: str | None = None) -> int:
        """The status of a GET as this user, or as nobody; `host` is what the request calls the server."""
        headers = {} if host is None else {"Host": host}
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(f"{self.address}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def kill(self) -> None:
        """SIGKILL to the server and its processes, all at once."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
