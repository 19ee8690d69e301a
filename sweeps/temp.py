"""The temp folder of a command: private, and removed with all that is in it when the command ends."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from search_spaces.errors import InputError, RayError
from sweeps.orphans import COMMAND, end_orphans, this_command
from trainer.scratch import own_folder, remove_folder

# What Ray adds to its folder: the name of a session, and of a socket in it.
_ADDED = "/session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store.1"
_LONGEST = 103 if sys.platform == "darwin" else 107
# Ray opens its own folder to every user; it lies in one that is closed to them.
_RAY = "r"
_FIGURES = "MPLCONFIGDIR"
_COMMON = ("/tmp", "/var/tmp")  # private folders with names that nobody knows are made there


@dataclass(frozen=True)
class _Temp:
    """This process's own folder, the temp folder that it lies in, and the RAY_TMPDIR that was given."""

    folder: Path
    place: str
    ray: str | None


_mine: list[_Temp] = []


@contextmanager
def own_temp() -> Iterator[None]:
    """A private temp folder for this process and all that it starts, by `tempfile`'s setting and TMPDIR.

    What killed commands have left goes first: their processes, and their folders.
    Inside another one, and where no folder can be made (a full disk), everything stays as it is. Raises
    InputError as `check_temp`.
    """
    if _mine:
        yield
        return
    before = tempfile.tempdir
    check_temp()
    end_orphans()
    try:
        place = tempfile.gettempdir()
        folder = own_folder()
    except OSError:
        yield
        return
    given = {name: os.environ.get(name) for name in ("TMPDIR", "RAY_TMPDIR", _FIGURES, COMMAND)}
    temp = folder / "t"
    temp.mkdir()
    _mine.append(_Temp(folder, place, given["RAY_TMPDIR"]))
    os.environ["TMPDIR"] = tempfile.tempdir = str(temp)
    os.environ[COMMAND] = this_command()
    if not os.access(os.path.expanduser("~"), os.W_OK):
        # matplotlib would make a folder that it removes after ours is gone.
        os.environ.setdefault(_FIGURES, str(temp))
    # A Ray that was started elsewhere has written its address there.
    os.environ.setdefault("RAY_TMPDIR", place)
    try:
        yield
    finally:
        _mine.clear()
        tempfile.tempdir = before
        _restore(given)
        remove_folder(folder)


def check_temp() -> None:
    """Raise InputError where there is no temp folder at all, as in a container whose disk is read-only."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        raise InputError(
            "expected a temp folder that can be written, found none (TMPDIR, /tmp, /var/tmp); "
            "name one in TMPDIR"
        ) from None


def _restore(given: dict[str, str | None]) -> None:
    for name, value in given.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A private folder for the files of a Ray of our own, so short that its sockets can be named.

    It lies in RAY_TMPDIR, else in the temp folder, else in /tmp or /var/tmp. Raises RayError where none of
    them will do.
    """
    with own_temp():
        mine = _mine[-1] if _mine else None
        if mine is not None and mine.ray is None and _is_short(mine.folder / _RAY):
            yield _made(mine.folder)
            return
        other = _short_folder(mine.ray if mine is not None else None)
        try:
            yield _made(other)
        finally:
            remove_folder(other)


def _short_folder(asked: str | None) -> Path:
    """A private folder in the first place whose path is short enough, and that can be written."""
    for place in filter(None, (asked, *_COMMON)):
        try:
            folder = own_folder(base=place)
        except OSError:
            continue
        if _is_short(folder / _RAY):
            return folder
        remove_folder(folder)
    tried = asked or (_mine[-1].place if _mine else tempfile.gettempdir())
    raise RayError(
        f"Ray did not start on this machine: its sockets need a folder with a path of at most "
        f"{_LONGEST - len(_ADDED) - len('/almsweep-12345678/r')} bytes that can be written, and {tried}, "
        f"{' and '.join(_COMMON)} are none; name one in RAY_TMPDIR"
    )


def _made(folder: Path) -> Path:
    inside = folder / _RAY
    inside.mkdir(exist_ok=True)
    return inside


def _is_short(folder: Path) -> bool:
    return len(os.fsencode(folder)) + len(_ADDED) <= _LONGEST
