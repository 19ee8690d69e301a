"""How MLflow is reached: its URI, its import, and the one moment when its database may be created.

MLflow is imported when it is first needed: it takes more than a second.
"""

from __future__ import annotations

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
from sweeps.compat import bound_answers, create_tables
from sweeps.tracking.uris import settled, sqlite_path, sqlite_uri
from trainer.store import Store
from trainer.store.local import lock

SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")

# Of a sweep's runs, in the output folder.
DATABASE = "mlflow.db"
# Of one answer of a server: a page of a thousand runs takes some megabytes.
MOST_BYTES = 2**26
ANSWER_SECONDS = 60.0
CONNECT_SECONDS = 10
# For how long another process may create the database; whoever may read its folder may hold the lock.
CREATION_SECONDS = 60.0
# What SQLite and MLflow say of a database that is damaged, or was half made.
_DAMAGED = ("malformed", "file is not a database", "_alembic_tmp_", "already exists", "no such table")
_JOURNALS = ("", "-journal", "-wal", "-shm")

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

    So it does for a link or a folder in the database's place.
    """
    if not store.storage.is_local:
        raise InputError(
            f"--tracking-uri: expected one, because {store.uri} is remote and cannot hold an SQLite database"
        )
    path = Path(store.storage.root, DATABASE)
    if path.is_symlink():  # SQLite would write to what it leads to
        raise InputError(f"{path}: expected MLflow's database, found a link, which is not followed")
    if path.is_dir():
        raise InputError(f"{path}: expected MLflow's database, found a folder")
    return sqlite_uri(path)


def checked_uri(uri: str) -> str:
    """The URI, with a database's file by its whole path, and PostgreSQL's driver named.

    The driver is the one that the extra `postgres` installs.

    Raises InputError for one that is neither a database's nor a server's, and for an SQLite database that is
    in no file, with which all would be lost.
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise InputError(
            f"--tracking-uri: expected one of {', '.join(s + ':' for s in SCHEMES)}, given {redacted(uri)!r}"
        )
    if uri.startswith("postgresql:"):
        return f"postgresql+psycopg2:{uri.removeprefix('postgresql:')}"
    if scheme == "sqlite":
        path = sqlite_path(uri)
        if path is None:
            raise InputError(
                "--tracking-uri: expected a database in a file, like sqlite:////results/mlflow.db, "
                f"given {uri!r}"
            )
        if path.is_dir():
            raise InputError(f"--tracking-uri: expected a database in a file, {path} is a folder")
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
    bound_answers(MOST_BYTES, ANSWER_SECONDS)
    # What goes wrong reaches us as an exception: no layer that it passes need log it.
    for name, level in _LOG_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    return mlflow


def first_line(error: Exception) -> str:
    """What an error of MLflow's says first, for messages; secrets are hidden."""
    lines = str(error).splitlines() or [""]
    return redacted(lines[0])[:_LINE_LENGTH]


def what_went_wrong(error: Exception, uri: str, sweep: str) -> str:
    """An error of MLflow's in words; of a damaged SQLite database, what mends it."""
    told = f"{type(error).__name__}: {first_line(error)}"
    path = sqlite_path(uri)
    if path is None or not is_damaged(error):
        return told
    return f"{told}; it is damaged: delete {path}, then `almsweep reconcile {sweep}` writes it again"


def is_damaged(error: Exception) -> bool:
    """Whether an error says that an SQLite database is damaged, or was left half made."""
    return any(word in str(error) for word in _DAMAGED)


def check_answers(uri: str) -> None:
    """Connect once to a database on a server, and raise what SQLAlchemy does where it refuses.

    MLflow would try for a minute before it said so.
    """
    if is_server(uri) or sqlite_path(uri) is not None:
        return
    import sqlalchemy

    arguments = {}
    if uri.startswith(("postgresql", "mysql")):
        arguments["connect_timeout"] = CONNECT_SECONDS
    engine = sqlalchemy.create_engine(uri, connect_args=arguments, poolclass=sqlalchemy.NullPool)
    with engine.connect():
        pass


def create_database(uri: str) -> None:
    """Create an SQLite database where there is none: beside its place, and whole when it comes there.

    Whoever dies meanwhile, or finds the disk full, leaves no half database. Called under `creation_lock`;
    raises what SQLAlchemy does, and OSError.
    """
    path = sqlite_path(uri)
    if path is None or (path.exists() and path.stat().st_size > 0):
        return
    new = path.with_name(f".{path.name}.new")
    try:
        _remove(new)
        create_tables(sqlite_uri(new))
        _remove(path)
        new.replace(path)
    finally:
        _remove(new)


def _remove(database: Path) -> None:
    """Delete a database's file and its journals, which would be played back into another of its name."""
    for ending in _JOURNALS:
        database.with_name(database.name + ending).unlink(missing_ok=True)


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
        lock(descriptor, str(path), CREATION_SECONDS)
        yield
    finally:
        os.close(descriptor)
