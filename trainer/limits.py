"""What this process may use of its machine: what a batch system or a container gives it.

    cores    the least of those that the process may run on (affinity), and of its control groups' CPU quotas
    memory   the least of what the machine has, and of what its control groups allow; or what is left of both

A control group limits what is below it, so all groups from the process's own up to the root count. Both
versions of Linux's control groups are read; /proc/self/cgroup and /proc/self/mountinfo tell where they lie.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_PROCESS = Path("/proc/self")


def allowed_cpus(process: Path = _PROCESS) -> int:
    """Cores that this process may keep busy at a time, at least 1. `process`: its folder in /proc."""
    cpus = float(os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        cpus = float(len(os.sched_getaffinity(0)))
    for folder in _groups(process, "cpu"):
        cpus = min(cpus, _quota(folder))
    return max(int(cpus), 1)


def whole_memory(process: Path = _PROCESS) -> int:
    """Bytes that this process may take, used ones included. `process`: its folder in /proc."""
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for folder in _groups(process, "memory"):
        memory = min(memory, _limit(folder))
    return int(memory)


def free_memory(process: Path = _PROCESS) -> int:
    """Bytes that new processes can take here. `process`: this process's folder in /proc."""
    import psutil

    free = float(psutil.virtual_memory().available)
    for folder in _groups(process, "memory"):
        free = min(free, _rest(folder))
    return int(free)


def _groups(process: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups that limit the process, its own first; none on other systems."""
    try:
        mounts = (process / "mountinfo").read_text().splitlines()
        groups = (process / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        number, names, path = line.split(":", 2)
        is_second = number == "0" and not names
        if not is_second and controller not in names.split(","):
            continue
        for mount in mounts:
            place = _mounted(mount, "" if is_second else controller)
            if place is not None:
                yield from _upwards(*place, path)


def _mounted(mount: str, controller: str) -> tuple[str, Path] | None:
    """Of a line of mountinfo: the group whose folder is mounted there, and where; None for other lines.

    `controller`: of version 1; "" for version 2.
    """
    left, _, right = mount.partition(" - ")
    kind, _, rest = right.partition(" ")
    options = rest.split(" ")[-1].split(",")
    is_asked = kind == "cgroup" and controller in options if controller else kind == "cgroup2"
    if not is_asked:
        return None
    root, place = left.split(" ")[3:5]
    return root, Path(place)


def _upwards(root: str, place: Path, path: str) -> Iterator[Path]:
    """The folders from a group's own up to the mounted one.

    A container may see its own group as the root and yet be told its path on the host, or one outside.
    """
    inside = os.path.relpath(path, root)
    if inside.split("/")[0] == "..":
        inside = "."
    folder = place / inside
    while folder != place:
        yield folder
        folder = folder.parent
    yield place


def _quota(folder: Path) -> float:
    """Cores that a group may keep busy; infinite where it says none."""
    second = _words(folder / "cpu.max")
    if second:
        return _ratio(second[0], second[1])
    first = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
    return _ratio(first[0], first[1]) if len(first) == 2 else math.inf


def _ratio(quota: str, period: str) -> float:
    if quota in ("max", "-1"):
        return math.inf
    return int(quota) / int(period)


def _limit(folder: Path) -> float:
    """Bytes that a group allows; infinite: no limit."""
    limit = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
    return math.inf if not limit or limit[0] == "max" else int(limit[0])


def _rest(folder: Path) -> float:
    """Bytes that a group still allows, file pages that can be given back not counted; infinite: no limit."""
    names = ("memory.current", "inactive_file")
    if not (folder / "memory.max").exists():
        names = ("memory.usage_in_bytes", "total_inactive_file")
    limit, used = _limit(folder), _words(folder / names[0])
    if math.isinf(limit) or not used:
        return math.inf
    pages = _words(folder / "memory.stat")
    inactive = dict(zip(pages[::2], pages[1::2], strict=False)).get(names[1], "0")
    return max(limit - int(used[0]) + int(inactive), 0)


def _words(path: Path) -> list[str]:
    """The words of a file; none where it cannot be read."""
    try:
        return path.read_text().split()
    except OSError:
        return []
