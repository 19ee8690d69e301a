"""Arrays prepared once per node and mapped by all its processes.

    <cache>/<name>/<array>.npy     mapped copy-on-write: processes share the pages as long as they only read
                   facts.json      small values; size, time of writing, SHA-256 of every array; written last
            <name>.lock            held by the process that prepares

The folder is ALMSWEEP_CACHE, or `almsweep` in the user's cache directory; `off` turns the cache off.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "ALMSWEEP_CACHE"
_FACTS = "facts.json"
_SCHEMA = 2


@dataclass(frozen=True, eq=False)
class CachedArrays:
    """Named arrays, and facts that JSON can hold."""

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]


def cache_folder() -> Path | None:
    """The folder of this node's cache, which is made; None when it is turned off or cannot be written.

    The latter is logged as a warning: everything works without, each process for itself.
    """
    named = os.environ.get(FOLDER_VARIABLE, "")
    if named.lower() == "off":
        return None
    try:
        folder = Path(named).expanduser() if named else _user_cache() / "almsweep"
    except RuntimeError:  # neither HOME nor a user's entry, as of any user in a container
        log.warning(
            "no home folder: no cache of prepared data, every process prepares its own; name one in %s",
            FOLDER_VARIABLE,
        )
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "not writable")
    except OSError as error:
        log.warning("%s: no cache of prepared data there, every process prepares its own: %s", folder, error)
        return None
    return folder.absolute()


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@contextlib.contextmanager
def locked(folder: Path | None, name: str) -> Iterator[None]:
    """One process of this node at a time. The lock goes with its process, however that ends.

    Without a folder, or on a file system without locks, it excludes nobody; the latter is logged.
    """
    if folder is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context((folder / f"{name}.lock").open("ab"))
            _wait_for(stream.fileno(), folder / name)
        except OSError as error:
            log.warning("%s: no lock, several processes may prepare the same data: %s", folder / name, error)
        yield


def _wait_for(descriptor: int, what: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("%s: waiting for another process that prepares it", what)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def load_arrays(folder: Path) -> CachedArrays | None:
    """A cache entry; None when there is none or, logged, it is damaged.

    It was compared with its hashes when it was written. Here it is damaged where a file's size or time of
    change is another than then: no array is read for it.
    """
    try:
        content = json.loads((folder / _FACTS).read_bytes())
        if content["schema"] != _SCHEMA or content["facts_sha256"] != _facts_sha256(content["facts"]):
            raise ValueError("its facts differ from their hash")
        arrays = {name: _mapped(folder, name, entry) for name, entry in content["arrays"].items()}
    except FileNotFoundError as error:
        if folder.is_dir():
            log.warning("%s: damaged cache entry, prepared again: %s", folder, error)
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        log.warning("%s: damaged cache entry, prepared again: %s", folder, error)
        return None
    return CachedArrays(arrays, content["facts"])


def _mapped(folder: Path, name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    found = path.stat()
    if found.st_size != entry["bytes"]:
        raise ValueError(f"{path.name}: expected {entry['bytes']} bytes, found {found.st_size}")
    if found.st_mtime_ns != entry["mtime_ns"]:
        raise ValueError(f"{path.name}: it was changed since it was written")
    # "c" because torch warns about arrays that may not be written; a write would stay with this process.
    mapped = np.load(path, mmap_mode="c" if entry["count"] else None, allow_pickle=False)
    array: NDArray[Any] = np.asarray(mapped)
    return array


def save_arrays(folder: Path, content: CachedArrays) -> None:
    """Write a cache entry, replacing another of this name: beside it first, then moved into place.

    Raises OSError when it cannot be written, or reads otherwise after it; what was begun is removed.
    """
    scratch = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        scratch.mkdir()
        entries = {}
        for name, array in content.arrays.items():
            path = scratch / f"{name}.npy"
            np.save(path, array, allow_pickle=False)
            sha256 = _sha256(array)
            if _sha256(np.load(path, mmap_mode="r" if array.size else None, allow_pickle=False)) != sha256:
                raise OSError(5, "the disk gives back other values than were written to it")
            found = path.stat()
            entries[name] = {
                "bytes": found.st_size,
                "mtime_ns": found.st_mtime_ns,
                "count": int(array.size),
                "sha256": sha256,
            }
        facts = {
            "schema": _SCHEMA,
            "facts": content.facts,
            "facts_sha256": _facts_sha256(content.facts),
            "arrays": entries,
        }
        (scratch / _FACTS).write_text(json.dumps(facts, indent=1))
        shutil.rmtree(folder, ignore_errors=True)  # maps of it in other processes stay valid
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def drop_others(folder: Path, prefix: str) -> None:
    """Remove entries beside `folder` whose names begin with `prefix`: their files have changed since."""
    for other in folder.parent.glob(f"{prefix}*"):
        if other.is_dir() and other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _sha256(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _facts_sha256(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
