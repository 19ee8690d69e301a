"""Numbers of processes, and what they mean: a container has its own."""

from __future__ import annotations

import os


def namespace_of(pid: int | str) -> str:
    """The namespace of process numbers in which a process ("self") stands; "" where that is not told."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def is_in_ours(pid: int) -> bool:
    """Whether a process stands in this process's namespace: its number means the same to both."""
    return namespace_of(pid) == namespace_of("self")
