"""A process that trains keeps what it frees, and uses the threads that it was given."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys
import torch
from trainer.cpu import prepare_cpu
if sys.argv[1] == "prepared":
    prepare_cpu(1)
    assert torch.get_num_threads() == 1
def churn():
    for _ in range(10):
        activations = [torch.empty(16 * 2**20, dtype=torch.uint8).fill_(1) for _ in range(8)]
churn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
churn()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library's memory settings are Linux's")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    assert page_faults("prepared") < page_faults("as it is") / 10
