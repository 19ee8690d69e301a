"""A PostgreSQL server of its own on loopback, run as a user other than root, with a password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from sweeps.tracking.ui import free_port
from tests.processes import PATIENCE

USER = "mlflow"
DATABASE = "postgres"  # the one that initdb makes


def postgres_folder() -> Path | None:
    """The folder with PostgreSQL's programs: on PATH, or where Debian keeps them; None without any."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else debian[-1].parent if debian else None


class PostgresServer:
    """`start`, `kill` (as a power cut would) and `start` again; `close` removes everything."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.process: subprocess.Popen[bytes] | None = None
        # Not below pytest's folders: these only root can enter, and PostgreSQL does not run as root.
        self.folder = Path(tempfile.mkdtemp(prefix="almsweep-postgres-"))
        word = self.folder / "password"
        word.write_text(self.password)
        if user := self._user().get("user"):
            for path in (self.folder, word):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        data = self.folder / "data"
        command = [programs / "initdb", "--pgdata", data, "--username", USER, "--pwfile", word]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **self._user(),
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")

    @property
    def uri(self) -> str:
        """The database for MLflow; the password is in PGPASSWORD."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start the server and wait until it takes a connection."""
        command = [self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self._user())
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect().close()
                return
            except Exception as error:
                ended = self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    said = (self.folder / "postgres.log").read_text()
                    raise RuntimeError(f"PostgreSQL does not answer: {error}\n{said}") from error
            time.sleep(0.1)

    def connect(self) -> Any:
        """A new connection to the database."""
        import psycopg2

        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            dbname=DATABASE,
            password=self.password,
            connect_timeout=5,
        )

    def query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, values)
                found: list[tuple[Any, ...]] = cursor.fetchall()
                return found
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL to the server and its processes, all at once."""
        if self.process is None:
            return
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children()]
        for one in family:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        psutil.wait_procs(family, timeout=PATIENCE)
        self.process = None

    def close(self) -> None:
        """End the server and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _user(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root: its own user then, or nobody."""
        if os.geteuid() != 0:
            return {}
        known = {entry.pw_name for entry in pwd.getpwall()}
        return {"user": "postgres" if "postgres" in known else "nobody", "extra_groups": []}
