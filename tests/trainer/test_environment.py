"""What the environment module says about errors."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

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
