"""What the environment module says about errors."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer import environment
from trainer.environment import is_out_of_memory


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
