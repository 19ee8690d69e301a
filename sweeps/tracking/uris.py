"""Folders and databases as URIs, and back: the one place where either is built or taken apart.

A path may hold any character: `#`, `%` and `?` mean something in a URI, and stand there as their number.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from search_spaces.errors import InputError
from search_spaces.paths import given_path

_SQLITE = re.compile(r"sqlite(\+[a-z]+)?:///")
# In such a path SQLAlchemy and MLflow see what is written; others are written by SQLAlchemy itself.
_PLAIN = re.compile(r"[^%?#\x00-\x1f\x7f]+")


def sqlite_uri(path: str | Path) -> str:
    """The URI of an SQLite database in a file, as SQLAlchemy and MLflow take it.

    One whose path needs characters written as numbers names its driver: MLflow makes the folders in a URI
    that does not, as they are written there. Raises InputError for a path that SQLAlchemy before 2.1 cannot
    write.

    >>> sqlite_uri("/results/mlflow.db"), sqlite_uri("/results #1/mlflow.db")
    ('sqlite:////results/mlflow.db', 'sqlite+pysqlite:////results %231/mlflow.db')
    """
    if _PLAIN.fullmatch(str(path)):
        return f"sqlite:///{path}"
    from sqlalchemy import URL, make_url

    uri = URL.create("sqlite+pysqlite", database=str(path)).render_as_string()
    if make_url(uri).database != str(path):
        raise InputError(
            f"{path}: expected SQLAlchemy 2.1 for a path with such characters, found an older one"
        )
    return uri


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite URI; None for any other URI, and for a database that is in no file.

    >>> sqlite_path("sqlite+pysqlite:////results %231/mlflow.db"), sqlite_path("sqlite:///:memory:")
    (PosixPath('/results #1/mlflow.db'), None)
    """
    found = _SQLITE.match(uri)
    if found is None:
        return None
    path = uri[found.end() :]
    if not _PLAIN.fullmatch(path):
        from sqlalchemy import make_url

        path = make_url(uri).database or ""
    if path in ("", ":memory:") or path.startswith("file:"):
        return None
    return Path(path)


def folder_uri(path: str | Path) -> str:
    """The URI of a folder, given by its whole path.

    >>> folder_uri("/results #1/mlartifacts")
    'file:///results%20%231/mlartifacts'
    """
    return Path(path).as_uri()


def local_folder(uri: str) -> str:
    """The folder that an artifact URI names; "" for one that is no local folder's.

    >>> local_folder("file:///results%20%231/mlartifacts"), local_folder("s3://bucket/mlartifacts")
    ('/results #1/mlartifacts', '')
    """
    parts = urlsplit(uri)
    return url2pathname(parts.path) if parts.scheme == "file" and not parts.netloc else ""


def settled(uri: str) -> str:
    """The URI with the file of an SQLite database by its whole path: servers of ours stand elsewhere.

    >>> settled("sqlite:////results/mlflow.db")
    'sqlite:////results/mlflow.db'
    """
    path = sqlite_path(uri)
    if path is None or "?" in uri:
        return uri
    whole = Path(os.path.abspath(given_path(path)))
    return uri if whole == path else sqlite_uri(whole)
