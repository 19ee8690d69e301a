"""What a machine has free."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from sweeps.capacity.machine import gpu_names, local_room


def test_this_machine_has_cpus_and_memory() -> None:
    room = local_room()
    assert room.cpus >= 1
    assert 0 < room.memory <= psutil.virtual_memory().total


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA L4, 23034 MiB'\necho 'NVIDIA L4, 23034 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_gpus_are_those_that_the_driver_lists_and_the_environment_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uncached = gpu_names.__wrapped__
    assert uncached() == ("NVIDIA L4, 23034 MiB",) * 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert len(uncached()) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert uncached() == ()


def test_no_driver_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_names.__wrapped__() == ()
