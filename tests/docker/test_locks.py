"""The pinned requirements of the image and of cluster hosts."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAMES = ["requirements.txt", "requirements-cpu.txt", "requirements-cuda.txt"]


@pytest.fixture
def lock(docker: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("docker_lock", docker / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(docker: Path, *names: str) -> dict[str, set[str]]:
    """Canonical name -> the pinned versions."""
    found: dict[str, set[str]] = {}
    for name in names:
        for package, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (docker / name).read_text(), re.M):
            found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("flavour", ["cpu", "cuda"])
def test_locks_hold_every_dependency_in_its_bounds(docker: Path, flavour: str) -> None:
    project = tomllib.loads((docker.parent / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    wanted += ["flask-wtf", "boto3", "setuptools>=77"]
    found = pins(docker, "requirements.txt", f"requirements-{flavour}.txt")
    for requirement in map(Requirement, wanted):
        versions = found.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is missing: run docker/lock.py"
        for version in versions:
            assert requirement.specifier.contains(version), f"{requirement} but {version}: run docker/lock.py"


@pytest.mark.parametrize("name", NAMES)
def test_locks_carry_no_path_and_no_unknown_place(docker: Path, name: str) -> None:
    for line in (docker / name).read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s/]+( ; [^/@]+?)?( \\)?"
            r"|    --hash=sha256:[0-9a-f]{64}( \\)?",
            line,
        ), line


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-cuda.txt"])
def test_every_pin_has_a_hash(docker: Path, name: str) -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (docker / name).read_text())[1:]
    assert len(blocks) > 15
    for block in blocks:
        assert "--hash=sha256:" in block, block


def test_both_flavours_have_one_torch(docker: Path) -> None:
    cpu, cuda = pins(docker, "requirements-cpu.txt"), pins(docker, "requirements-cuda.txt")
    assert set(cpu) == {"torch", "torchvision"}
    for name, versions in cpu.items():
        assert versions == {f"{version}+cpu" for version in cuda[name]}
    common = pins(docker, "requirements.txt")
    assert not set(common) & set(cuda)


def test_image_and_hosts_take_cpu_builds_from_one_index(docker: Path) -> None:
    index = "https://download.pytorch.org/whl/cpu"
    for name in ("Dockerfile", "compose.yaml", "setup-node.sh"):
        assert set(re.findall(r"https://[^\s\"}]+/whl/[^\s\"}]*", (docker / name).read_text())) == {index}, (
            name
        )


def test_lock_script_splits_what_uv_writes(lock: ModuleType) -> None:
    text = (
        "# header\n"
        "numpy==2.4 ; python_version < '3.12' \\\n    --hash=sha256:aa\n"
        "numpy==2.5 ; python_version >= '3.12' \\\n    --hash=sha256:bb\n"
        "torch==2.13.0 \\\n    --hash=sha256:cc\n"
        "torchvision==0.28.0\n"
    )
    found = lock.entries(text)
    assert list(found) == ["numpy", "torch", "torchvision"]
    assert found["numpy"].count("numpy==") == 2
    assert "".join(found.values()) == text.removeprefix("# header\n")
    assert lock.cpu_lock(found).splitlines() == ["torch==2.13.0+cpu", "torchvision==0.28.0+cpu"]
