"""Private folders for what a process needs only while it lives, and what becomes of those of killed ones.

A folder lies in a temp folder, as `almsweep-…`, with mode 0700. It is removed when its process ends. One that
is killed leaves its own: whoever makes or removes a folder there removes those of the same user whose process
is gone. A file in it tells, which that process keeps locked: the system gives the lock back whatever
ends the process, when the machine starts anew too, and other containers see it as well.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "almsweep-"
OWNER = ".almsweep-owner"
_SIGN = b"scratch of almsweep, process "
# Between the making of a folder and its lock lie microseconds; a process killed there leaves an empty owner.
_UNOWNED_SECONDS = 3600.0

# The locks of this process: descriptors by folder, and the process that took them.
_held: dict[Path, tuple[int, int]] = {}


def own_folder(kind: str = "", base: str | Path | None = None) -> Path:
    """A new folder of this process below `base`, by default the temp folder; removed when the process ends.

    Its name begins with `almsweep-` and the kind. Leftovers of dead processes beside it are removed.
    """
    place = Path(tempfile.gettempdir() if base is None else base)
    clear_leftovers(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}", dir=place))
    try:
        handle = _own(folder / OWNER)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not _held:
        atexit.register(_remove_all)
    _held[folder] = (handle, os.getpid())
    return folder


def _own(path: Path) -> int:
    """Make the file that says that a folder is this process's, and lock it; its descriptor."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with suppress(OSError):  # no locks on this file system: then nobody can take it for a leftover either
        fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, _SIGN + f"{os.getpid()}\n".encode())
    return handle


def remove_folder(folder: Path) -> None:
    """Remove a folder of this process, and what dead ones have left beside it."""
    handle, process = _held.get(folder, (-1, -1))
    if process != os.getpid():  # a forked child's copy, or none of ours
        return
    del _held[folder]
    _remove(folder)
    os.close(handle)
    clear_leftovers(folder.parent)


def clear_leftovers(base: Path) -> None:
    """Remove this user's folders in `base` whose process is dead. What cannot be removed stays."""
    with suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with suppress(OSError):
                    _clear(Path(entry.path))


def _clear(folder: Path) -> None:
    """Remove a folder if it is a leftover. Raises OSError where it is none, or cannot be looked at."""
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or folder in _held:
        return
    handle = os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        said = os.read(handle, len(_SIGN))
        if said == _SIGN or (not said and time.time() - found.st_mtime > _UNOWNED_SECONDS):
            _remove(folder)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    """Remove a folder, its owner last: a removal that is cut short is taken up by the next one."""
    with suppress(OSError):
        for name in os.listdir(folder):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif name != OWNER:
                path.unlink()
        if os.listdir(folder) == [OWNER]:
            os.unlink(folder / OWNER)
            os.rmdir(folder)


def _remove_all() -> None:
    for folder in list(_held):
        remove_folder(folder)
