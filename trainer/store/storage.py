"""Objects below one root, on a local disk or object storage, through `pyarrow.fs`.

Local paths, `s3://bucket/folder` and `gs://bucket/folder` behave alike: an object is written whole or not at
all, calls that fail for a while are repeated, and what still fails is a StoreError that names the object.
Credentials, region and endpoint come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`,
`AWS_ENDPOINT_URL`, …); region and endpoint also from the URI's query
(`?region=…&endpoint_override=…&scheme=http`).
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pyarrow as pa
from pyarrow import fs

import trainer.store.local as local
from search_spaces.errors import DamagedError, InputError, StoreError
from search_spaces.paths import check_is_folder, given_path
from search_spaces.redaction import has_credentials
from trainer.store.retry import Retry, is_denied, is_folder, is_missing_bucket

T = TypeVar("T")

# Bytes of a JSON file; the trials of a large sweep take some megabytes.
MOST_JSON = 2**28

# pyarrow's own defaults would write every object in three requests, and try a Google bucket for 15 minutes.
_QUERY_DEFAULTS = {
    "s3": {"allow_delayed_open": "true"},
    "gs": {"retry_limit_seconds": "20"},
    "gcs": {"retry_limit_seconds": "20"},
}


@dataclass(frozen=True)
class StoredObject:
    """An object as it is listed: path below the root, bytes, and when it changed, in seconds since 1970."""

    path: str
    bytes: int
    changed: float


class Storage:
    """A folder of objects, local or remote. Safe to use from several threads and processes."""

    def __init__(self, uri: str | Path, *, retry: Retry | None = None) -> None:
        """`uri` is a local path or a URI that `pyarrow.fs.FileSystem.from_uri` takes.

        `retry` says how often and how long a failing call is repeated; by default for
        ALMSWEEP_STORE_RETRY_SECONDS (60). Raises InputError when the URI's scheme is unknown or it holds a
        password, and for a path that can be no folder's; StoreError when the bucket's region cannot be found
        out.
        """
        self.uri = str(uri)
        self.retry = Retry() if retry is None else retry
        self._bucket_stands = False
        if "://" in self.uri:
            self.scheme = urlsplit(self.uri).scheme
            self.filesystem, root = self._open_uri()
            self.root = root.rstrip("/")
        else:
            self.scheme = ""
            self.root = str(_folder(self.uri))
            self.filesystem = fs.LocalFileSystem()
        self.is_local = isinstance(self.filesystem, fs.LocalFileSystem)

    def _open_uri(self) -> tuple[Any, str]:
        parts = urlsplit(self.uri)
        if has_credentials(self.uri):
            raise InputError(
                "output: expected a URI without credentials, which belong in the environment or in files "
                f"(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws), given some behind {parts.scheme}://"
            )
        query = {**_QUERY_DEFAULTS.get(parts.scheme, {}), **dict(parse_qsl(parts.query))}
        full = urlunsplit(parts._replace(query=urlencode(query)))
        try:
            opened: tuple[Any, str] = self.retry.call(self.uri, lambda: fs.FileSystem.from_uri(full))
        except pa.ArrowInvalid as error:
            raise InputError(
                f"output: expected a local path or a URI like s3://bucket/folder, given {self.uri!r}: {error}"
            ) from error
        except OSError as error:
            raise self._error("opened", self.uri, error) from error
        return opened

    @property
    def absolute_uri(self) -> str:
        """The store's URI, or its whole path, for processes that stand in another folder."""
        return self.uri if self.scheme else self.root

    def below(self, relative: str) -> str:
        """The path or URI of a folder of this store, for a store of its own."""
        if not self.scheme:
            return self.path(relative)
        parts = urlsplit(self.uri)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{relative}"))

    # Calls

    def _call(self, verb: str, relative: str, action: Callable[[], T], retry: Retry | None = None) -> T:
        """An action's value; it is repeated while it fails for a while. FileNotFoundError goes through."""
        where = self.where(relative)
        try:
            return (retry or self.retry).call(where, action)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._error(verb, where, error) from error

    def _error(self, verb: str, where: str, error: OSError) -> StoreError:
        if is_folder(error):
            return DamagedError(f"{where}: expected a file, found a folder")
        if verb == "read" and error.errno == errno.EFBIG:
            return DamagedError(f"{where}: {error.strerror}")
        if is_missing_bucket(error):
            return StoreError(f"{self.uri}: no such bucket, or it is not there yet: {error}")
        if is_denied(error):
            return StoreError(f"{where}: could not be {verb}, access denied: {error}")
        return StoreError(f"{where}: could not be {verb}: {error}")

    def _check_bucket(self) -> None:
        """Raise StoreError when the bucket is missing, which else looks like an empty store. Asks once."""
        if self.scheme not in ("s3", "gs", "gcs") or self._bucket_stands:
            return
        bucket = self.root.split("/")[0]
        try:
            found = self.retry.call(self.uri, lambda: self.filesystem.get_file_info(bucket))
        except OSError as error:
            if not is_denied(error):  # who may only use a folder of the bucket may not ask about the bucket
                raise self._error("opened", self.uri, error) from error
        else:
            if found.type == fs.FileType.NotFound:
                raise StoreError(f"{self.uri}: no such bucket: {bucket}")
        self._bucket_stands = True

    # Objects

    def path(self, relative: str) -> str:
        """Path of an object below the store's root, in the file system's own form.

        Raises StoreError for one that would lead elsewhere.
        """
        if ".." in relative.split("/") or "\0" in relative:
            raise StoreError(f"{self.uri}: expected a path below the store, given {relative!r}")
        return f"{self.root}/{relative}"

    def where(self, relative: str) -> str:
        """An object's full name for messages: its path, or its URI without query."""
        prefix = f"{self.scheme}://" if self.scheme else ""
        return prefix + self.path(relative)

    def write_bytes(
        self, relative: str, data: bytes, *, retry: Retry | None = None, lasting: bool = True
    ) -> None:
        """Write an object whole or not at all: by rename on a local disk, by a single put elsewhere.

        It is on the disk when this returns, unless it need not be `lasting`. Raises StoreError when it cannot
        be written, after the tries that `retry` allows, and for a link in the place of a local folder.
        """
        target = self.path(relative)

        def write() -> None:
            if self.is_local:
                local.write_below(self.root, relative, data, lasting=lasting)
            else:
                self._put(target, data)

        try:
            self._call("written", relative, write, retry)
        except FileNotFoundError as error:
            raise self._error("written", self.where(relative), error) from error

    def _put(self, target: str, data: bytes) -> None:
        with self.filesystem.open_output_stream(target) as stream:
            stream.write(data)

    def read_bytes(self, relative: str, *, most: int | None = None) -> bytes | None:
        """The object's content, or None when there is none. Raises StoreError when it cannot be read.

        On a local disk DamagedError where no file is in its place, or one of more than `most` bytes.
        """

        def read() -> bytes:
            if self.is_local:
                return local.read_below(self.root, relative, most)
            with self.filesystem.open_input_stream(self.path(relative)) as stream:
                return bytes(stream.read())

        try:
            return self._call("read", relative, read)
        except FileNotFoundError:
            self._check_bucket()
            return None

    def delete(self, relative: str) -> None:
        """Delete an object; one that is not there is no error. Raises StoreError when it cannot be."""
        self._remove(relative, local.delete_below, self.filesystem.delete_file)

    def delete_folder(self, relative: str) -> None:
        """Delete a folder with all that it holds; one that is not there is no error. Raises StoreError."""
        self._remove(relative, local.delete_folder_below, self.filesystem.delete_dir)

    def _remove(
        self, relative: str, below: Callable[[str, str], None], elsewhere: Callable[[str], None]
    ) -> None:
        """Remove by `below` on a local disk, by `elsewhere` on object storage."""

        def remove() -> None:
            if self.is_local:
                below(self.root, relative)
            else:
                elsewhere(self.path(relative))

        try:
            self._call("deleted", relative, remove)
        except FileNotFoundError:
            return

    @contextmanager
    def alone_in(self, folder: str) -> Iterator[None]:
        """A block that no other process of this kind runs at the same time, for this folder of a local store.

        On object storage, and where the file system has no locks, nobody is kept out. Raises StoreError.
        """
        if not self.is_local:
            yield
            return
        with ExitStack() as held:
            self._call("locked", folder, lambda: held.enter_context(local.locked_folder(self.root, folder)))
            yield

    def exists(self, relative: str) -> bool:
        """Whether there is such an object. Raises StoreError when that cannot be found out."""
        info = self._call("read", relative, lambda: self.filesystem.get_file_info(self.path(relative)))
        return bool(info.type == fs.FileType.File)

    def read_json(self, relative: str) -> dict[str, Any] | None:
        """A JSON object's content, or None when there is none. Raises DamagedError when malformed."""
        data = self.read_bytes(relative, most=MOST_JSON)
        return None if data is None else json_object(data, self.where(relative))

    def write_json(self, relative: str, content: Mapping[str, Any], *, lasting: bool = True) -> None:
        """Write a mapping as readable JSON; NaN stands as the word that JSON lacks (`NaN`)."""
        self.write_bytes(relative, json.dumps(content, indent=1).encode(), lasting=lasting)

    def list_files(self, relative: str, *, recursive: bool) -> list[str]:
        """Paths of all files below a folder, relative to the store's root; none without such a folder."""
        return [path for path, kind in self._list(relative, recursive) if kind == fs.FileType.File]

    def list_folders(self, relative: str) -> list[str]:
        """Paths of the folders in a folder, relative to the store's root."""
        return [path for path, kind in self._list(relative, False) if kind == fs.FileType.Directory]

    def list_objects(self, relative: str) -> list[StoredObject]:
        """All objects below a folder, with their sizes and ages; none without such a folder."""
        found = []
        for info in self._infos(relative, recursive=True):
            if info.type == fs.FileType.File:
                path = info.path[len(self.root) + 1 :]
                found.append(StoredObject(path, info.size, info.mtime_ns / 1e9))
        return found

    def _list(self, relative: str, recursive: bool) -> list[tuple[str, Any]]:
        infos = self._infos(relative, recursive)
        return [(info.path[len(self.root) + 1 :], info.type) for info in infos]

    def _infos(self, relative: str, recursive: bool) -> list[Any]:
        selector = fs.FileSelector(self.path(relative), recursive=recursive, allow_not_found=True)
        infos: list[Any] = self._call("listed", relative, lambda: self.filesystem.get_file_info(selector))
        if not infos:
            self._check_bucket()
        return infos


def _folder(given: str) -> Path:
    """The whole path of a local store. Raises InputError for one that can be no folder's."""
    try:
        folder = given_path(given).absolute()
        check_is_folder(folder)
    except InputError as error:
        raise InputError(f"output: {error}") from None
    return folder


def json_object(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in a file called `where`. Raises DamagedError where its content is none."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{where}: expected JSON: {error}") from error
    if not isinstance(content, dict):
        raise DamagedError(f"{where}: expected a JSON object, found {type(content).__name__}")
    return content
