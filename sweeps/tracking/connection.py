"""How MLflow is reached: its URI, its import, and the one moment when its database may be created.

MLflow is imported when it is first needed: it takes more than a second.
"""

from __future__ import annotations

import fcntl
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from search_spaces.errors import InputError
from search_spaces.redaction import redacted
from sweeps.tracking.uris import settled, sqlite_path, sqlite_uri
from trainer.store import Store

SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")

# Of a sweep's runs, in the output folder.
DATABASE = "mlflow.db"

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
# MLflow repeats a whole statement of SQL, or an answer of a server, on one line.
_LINE_LENGTH = 300
_LOG_LEVELS = {
    "mlflow": logging.ERROR,
    "mlflow.store.db.utils": logging.CRITICAL,
    "alembic": logging.WARNING,
    "urllib3": logging.ERROR,
}


def default_tracking_uri(store: Store) -> str:
    """The SQLite database in a sweep's output folder. Raises InputError for a remote store.

    So it does for a link in the database's place.
    """
    if not store.storage.is_local:
        raise InputError(
            f"--tracking-uri: expected one, because {store.uri} is remote and cannot hold an SQLite database"
        )
    path = Path(store.storage.root, DATABASE)
    if path.is_symlink():  # SQLite would write to what it leads to
        raise InputError(f"{path}: expected MLflow's database, found a link, which is not followed")
    return sqlite_uri(path)


def checked_uri(uri: str) -> str:
    """The URI, with a database's file by its whole path, and PostgreSQL's driver named.

    The driver is the one that the extra `postgres` installs.

    Raises InputError for one that is neither a database's nor a server's.
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise InputError(
            f"--tracking-uri: expected one of {', '.join(s + ':' for s in SCHEMES)}, given {redacted(uri)!r}"
        )
    if uri.startswith("postgresql:"):
        return f"postgresql+psycopg2:{uri.removeprefix('postgresql:')}"
    return settled(uri)


def is_server(uri: str) -> bool:
    """Whether a tracking URI is a server's, not a database's."""
    return uri.startswith(("http", "databricks"))


@cache
def import_mlflow() -> Any:
    """Import MLflow once, quietly: no telemetry, no adverts, and a server that is away is given up on soon.

    Call it first from the main thread: filters of warnings are not safe to change from another.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # MLflow's tables ask SQLAlchemy 2.1 for a loader strategy that it deprecates.
        warnings.filterwarnings(
            "ignore", message="The ``noload`` loader strategy", category=DeprecationWarning
        )
        import mlflow
        import mlflow.store.tracking.sqlalchemy_store
    # What goes wrong reaches us as an exception: no layer that it passes need log it.
    for name, level in _LOG_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    return mlflow


def first_line(error: Exception) -> str:
    """What an error of MLflow's says first, for messages; secrets are hidden."""
    lines = str(error).splitlines() or [""]
    return redacted(lines[0])[:_LINE_LENGTH]


@contextmanager
def creation_lock(uri: str) -> Iterator[None]:
    """Lets one process at a time open an SQLite database: several that create its tables at once all fail."""
    path = sqlite_path(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link in the lock's place is not followed: whoever may write to the folder could have put it there.
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path.with_name(f".{path.name}.lock"), flags, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
