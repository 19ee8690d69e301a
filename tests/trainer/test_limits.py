"""What a batch system or a container gives a process: by affinity, by control groups of both versions."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from trainer.limits import allowed_cpus, free_memory, whole_memory

ROOT = Path(__file__).resolve().parents[2]
V1 = Path("/sys/fs/cgroup/memory")
PLENTY = 9223372036854771712  # how version 1 says that there is no limit


class Machine:
    """A described machine: its mounted control groups, and the folder of one of its processes in /proc."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, folder / "proc"
        self.process.mkdir()
        self.mounts: list[str] = []
        self.groups: list[str] = []

    def second(self, path: str, *, root: str = "/") -> Path:
        """Version 2, the process in the group `path`; returns where the groups are mounted."""
        return self._mount("v2", f"0::{path}", root, "cgroup2 cgroup2 rw")

    def first(self, controllers: str, path: str, *, root: str = "/") -> Path:
        """Version 1, likewise."""
        group = f"{len(self.groups) + 1}:{controllers}:{path}"
        return self._mount(controllers, group, root, f"cgroup cgroup rw,{controllers}")

    def _mount(self, name: str, group: str, root: str, kind: str) -> Path:
        place = self.folder / name
        place.mkdir()
        self.mounts.append(f"35 31 0:32 {root} {place} rw,relatime shared:9 - {kind}")
        self.groups.append(group)
        (self.process / "mountinfo").write_text("".join(f"{line}\n" for line in self.mounts))
        (self.process / "cgroup").write_text("".join(f"{line}\n" for line in self.groups))
        return place


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def second_memory(folder: Path, limit: str, used: int, inactive: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


def first_memory(folder: Path, limit: int, used: int, inactive: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {inactive}\n")


def test_this_machine_has_something() -> None:
    assert 1 <= allowed_cpus() <= (os.cpu_count() or 1)
    assert 0 < free_memory() <= psutil.virtual_memory().total


def test_a_group_of_version_2_limits_memory(machine: Machine) -> None:
    place = machine.second("/job/step")
    second_memory(place / "job" / "step", "100000", 70000, 20000)
    assert free_memory(machine.process) == 50000


def test_so_does_the_group_above_it(machine: Machine) -> None:
    place = machine.second("/slurm/job_7/step_0")
    second_memory(place / "slurm" / "job_7" / "step_0", "max", 10)
    second_memory(place / "slurm" / "job_7", "1000", 400)
    second_memory(place / "slurm", "900000", 400)
    assert free_memory(machine.process) == 600


def test_a_group_of_version_1_limits_memory(machine: Machine) -> None:
    machine.second("/")  # mounted beside it, without a controller
    place = machine.first("memory", "/slurm/uid_0/job_1")
    first_memory(place / "slurm" / "uid_0" / "job_1", 2000, 1500, 100)
    first_memory(place, PLENTY, 10**9)
    assert free_memory(machine.process) == 600


@pytest.mark.parametrize(("root", "path"), [("/docker/abc", "/docker/abc"), ("/docker/abc", "/elsewhere")])
def test_a_container_sees_its_own_group_as_the_root(machine: Machine, root: str, path: str) -> None:
    second_memory(machine.second(path, root=root), "3000", 1000)
    assert free_memory(machine.process) == 2000


def test_a_group_that_is_full_leaves_nothing(machine: Machine) -> None:
    second_memory(machine.second("/"), "100", 200)
    assert free_memory(machine.process) == 0


def test_without_a_limit_the_machine_decides(machine: Machine) -> None:
    second_memory(machine.second("/"), "max", 70000)
    first_memory(machine.first("memory", "/"), PLENTY, 5)
    assert free_memory(machine.process) > 10**6
    assert free_memory(machine.folder / "no-linux") > 10**6


@pytest.mark.parametrize("own", ["/jobs/7", "/"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_group_s_limit_is_all_the_memory(machine: Machine, version: int, own: str) -> None:
    """Of the process's own group, or of any above it; what is used of it does not count."""
    whole = whole_memory(machine.process)
    place = machine.second("/jobs/7") if version == 2 else machine.first("cpu,memory", "/jobs/7")
    folder = place / own.strip("/")
    for limit, expected in ((PLENTY, whole), (1_000_000, 1_000_000), (2 * whole, whole)):
        if version == 2:
            second_memory(folder, "max" if limit == PLENTY else str(limit), 400)
        else:
            first_memory(folder, limit, 400)
        assert whole_memory(machine.process) == expected


@pytest.mark.parametrize(("quota", "cpus"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None)])
def test_a_quota_of_version_2_limits_cores(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, quota: str, cpus: int | None
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    place = machine.second("/job/step")
    (place / "job" / "step").mkdir(parents=True)
    (place / "job" / "cpu.max").write_text(f"{quota}\n")
    assert allowed_cpus(machine.process) == (8 if cpus is None else cpus)


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 8), ("250000", 2)])
def test_a_quota_of_version_1_limits_cores(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, quota: str, cpus: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    place = machine.first("cpu,cpuacct", "/job")
    (place / "job").mkdir()
    (place / "job" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (place / "job" / "cpu.cfs_period_us").write_text("100000\n")
    assert allowed_cpus(machine.process) == cpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity")
def test_one_core_that_was_given_is_one() -> None:
    core = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{core}}}); import trainer.limits as l; print(l.allowed_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["1"]


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A real control group of version 1; skips where none can be made."""
    folder = V1 / f"almsweep-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(f"{2 * 1024**3}\n")
    except OSError as reason:
        pytest.skip(f"needs a control group of version 1: {reason}")
    yield folder
    folder.rmdir()


def test_a_real_group_of_version_1(real_group: Path) -> None:
    code = (
        f"import os; open('{real_group}/cgroup.procs', 'w').write(str(os.getpid()))\n"
        "import trainer.limits as l; print(l.free_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 1024**3 < int(done.stdout) <= 2 * 1024**3
