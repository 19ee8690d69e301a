"""What the environment module says about errors."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.device import environment
from trainer.device.environment import cpu_capability, is_out_of_memory, machine_facts, processor_model


def test_real_failures_to_allocate_count_as_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as by_torch:
        torch.empty(1 << 52, dtype=torch.uint8)
    with pytest.raises(MemoryError) as by_numpy:
        np.empty(1 << 52, dtype=np.uint8)
    assert is_out_of_memory(by_torch.value)
    assert is_out_of_memory(by_numpy.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_kinds_of_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


def test_facts_of_a_cpu_tell_processor_and_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(environment, "bf16_instructions", lambda: ())
    facts = machine_facts(torch.device("cpu"))
    assert facts == {
        "processor": processor_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu_driver": None,
    }
    assert facts["processor"]
    assert not set(str(facts["processor"])) & set("/\\\n")


@pytest.mark.parametrize(
    ("limit", "told"), [("avx2", ", oneDNN AVX2"), ("", ""), ("/home/someone", ""), ("a" * 99, "")]
)
def test_a_limit_of_onednn_is_told_and_nothing_else_that_stands_there(
    monkeypatch: pytest.MonkeyPatch, limit: str, told: str
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    monkeypatch.setattr(environment, "bf16_instructions", lambda: ())
    assert cpu_capability() == torch.backends.cpu.get_cpu_capability() + told


@pytest.mark.parametrize(
    ("features", "told"),
    [({"avx512_bf16": True, "amx_bf16": True}, ", amx_bf16, avx512_bf16"), ({"avx512_bf16": False}, "")],
)
def test_processors_of_one_name_differ_in_their_bf16_instructions(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], told: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert cpu_capability() == torch.backends.cpu.get_cpu_capability() + told


def test_a_processor_is_described_by_its_first_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = tmp_path / "cpuinfo"
    described.write_text("processor\t: 0\nmodel name\t: Some  Processor\nflags\t\t: a b\nflags\t\t: c\n")
    monkeypatch.setattr(environment, "CPUINFO", described)
    assert processor_model.__wrapped__() == "Some Processor"
    assert environment.cpuinfo("Features", "flags") == "a b"
    assert environment.cpuinfo("bogomips") == ""
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "absent")
    assert environment.cpuinfo("flags") == ""
    assert processor_model.__wrapped__()


@pytest.mark.parametrize(("answer", "expected"), [("echo 550.54.15", "550.54.15"), ("exit 9", None)])
def test_the_driver_is_what_its_tool_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: str | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{answer}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert environment.gpu_driver.__wrapped__() == expected


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("tracked", [True, False])
def test_the_commit_is_that_of_a_repository_which_holds_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracked: bool
) -> None:
    """Not that of a repository in whose ignored environment the package is installed."""
    package = tmp_path / ("trainer" if tracked else ".venv/trainer")
    package.mkdir(parents=True)
    copy = Path(shutil.copy(environment.__file__, package))
    (tmp_path / ".gitignore").write_text(".venv\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.delenv("ALMSWEEP_COMMIT", raising=False)
    monkeypatch.setattr(environment, "__file__", str(copy))
    expected = git(tmp_path, "rev-parse", "HEAD") if tracked else "unknown"
    assert environment.git_commit.__wrapped__() == expected
