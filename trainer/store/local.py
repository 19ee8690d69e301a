"""Files below a folder of this machine, written and deleted without following a link that leads out of it.

Whoever may write to a result store could put a link in a folder's place. Every folder below the root is
opened as itself, each in the one before, so that nothing is written or deleted elsewhere; the root may be a
link, or lie behind one. What is written lasts: it is on the disk before its name is, and the name is, too.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
TEMPORARY = ".tmp"
log = logging.getLogger(__name__)

# Locks are held for moments. Whoever may read a folder may lock it, and could hold everybody back.
LOCK_SECONDS = 10.0
_LOOK_SECONDS = 0.05


def read_below(root: str, relative: str, most: int | None = None) -> bytes:
    """What a file holds. Raises OSError, with `errno.EISDIR` for a folder.

    Nobody waits for what is no file, as a pipe is, which might never answer: `errno.EFBIG` says that it is
    none, or takes more than `most` bytes.
    """
    path = f"{root}/{relative}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _no_file(path) from error
        raise
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "expected a file, found a folder", path)
        if not stat.S_ISREG(found.st_mode):
            raise _no_file(path)
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, f"expected at most {most} bytes, found {found.st_size}", path)
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(descriptor)


def _no_file(path: str) -> OSError:
    return OSError(errno.EFBIG, "expected a file, found a pipe, a socket or a device", path)


def lock(descriptor: int, what: str, seconds: float | None = None) -> None:
    """Lock an open file or folder, called `what`, for this process alone.

    Where the file system has no locks, or another process holds this one for longer than `seconds`, by
    default LOCK_SECONDS, nobody is kept out; the latter is logged.
    """
    deadline = time.monotonic() + (LOCK_SECONDS if seconds is None else seconds)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                log.warning("%s: another process keeps it locked; going on without the lock", what)
                return
            time.sleep(_LOOK_SECONDS)
        except OSError:
            return


def write_below(root: str, relative: str, data: bytes, *, lasting: bool = True) -> None:
    """Write a file whole or not at all: a temporary one beside it, then a rename; folders are made.

    What is not `lasting` may be lost, or be empty, when the machine loses power. Raises OSError, with
    `errno.ELOOP` for a link in a folder's place.
    """
    with _parent(root, relative, make=True) as (folder, name):
        temporary = f"{name}.{uuid.uuid4().hex[:8]}{TEMPORARY}"
        try:
            with os.fdopen(os.open(temporary, _NEW, 0o666, dir_fd=folder), "wb") as stream:
                stream.write(data)
                stream.flush()
                if lasting:
                    os.fsync(stream.fileno())
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise
        if lasting:
            _sync_folder(folder)


def delete_below(root: str, relative: str) -> None:
    """Delete a file, or a link itself. Raises OSError as `write_below`, FileNotFoundError where none is."""
    with _parent(root, relative, make=False) as (folder, name):
        os.unlink(name, dir_fd=folder)


def delete_folder_below(root: str, relative: str) -> None:
    """Delete a folder with all that it holds; links in it go, and not what they lead to. Raises OSError."""
    with _parent(root, relative, make=False) as (folder, name):
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _link(f"{root}/{relative}")
        shutil.rmtree(name, dir_fd=folder)


@contextmanager
def locked_folder(root: str, relative: str) -> Iterator[None]:
    """A block that one process at a time runs for this folder, which is made. Raises OSError.

    Nobody is kept out where `lock` keeps nobody out.
    """
    with _parent(root, f"{relative}/name", make=True) as (folder, _):
        lock(folder, f"{root}/{relative}")
        yield


@contextmanager
def _parent(root: str, relative: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """The open folder in which a path below the root ends, and the name in it."""
    *folders, name = relative.split("/")
    if make:
        os.makedirs(root, exist_ok=True)
    current = os.open(root, _FOLDER)
    try:
        for depth, folder in enumerate(folders, 1):
            if make:
                _make(folder, current)
            try:
                below = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=current)
            except OSError as error:
                if _is_link(folder, current):
                    raise _link("/".join([root, *folders[:depth]])) from error
                raise
            os.close(current)
            current = below
        yield current, name
    finally:
        os.close(current)


def _make(name: str, folder: int) -> None:
    """Make a folder in an open one, unless it is there; the new name lasts."""
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return
    _sync_folder(folder)


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no such call
            raise


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _link(path: str) -> OSError:
    return OSError(errno.ELOOP, "expected a folder, found a link, which is not followed", path)
