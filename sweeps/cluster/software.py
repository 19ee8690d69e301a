"""What code and which libraries a process computes with, so that processes that differ can be told apart."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PACKAGES = ("search_spaces", "trainer", "sweeps", "analysis")
HASH_DIGITS = 64
SHOWN_DIGITS = 12


@cache
def source_sha256() -> str:
    """SHA-256 over names and contents of all Python files of our packages, as this process imports them."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for folder in _folders(package):
            for path in sorted(folder.rglob("*.py")):
                digest.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _folders(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        return []
    return [Path(folder) for folder in spec.submodule_search_locations or ()]


@cache
def software() -> dict[str, str]:
    """Versions of Python, of us, of the libraries that can change a number; our commit and source's hash."""
    import ray

    from trainer.device.environment import git_commit, library_versions

    return {
        **library_versions(),
        "ray": ray.__version__,
        "commit": git_commit(),
        "source": source_sha256(),
    }


def software_differences(
    who: object, answer: Mapping[str, str], expected: Mapping[str, str], here: str
) -> list[str]:
    """A line per fact in which `who`, a node or a host, differs from the driver on the host `here`."""
    lines = []
    for fact, value in expected.items():
        found = answer.get(fact, "unknown")
        if found != value:
            lines.append(f"{who} has {fact} {short(found)}, the driver on {here} has {short(value)}")
    return lines


def short(value: str) -> str:
    """A hash by its first digits, anything else as it is."""
    if len(value) != HASH_DIGITS:
        return value
    return f"{value[:SHOWN_DIGITS]}…"
