"""A process that trains keeps what it frees, and uses the threads that it was given."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys
import torch
from search_spaces.config import ResNet10
from trainer.device.cpu import prepare_cpu
from trainer.models.build import build_model
if sys.argv[1] == "prepared":
    prepare_cpu(1)
    assert torch.get_num_threads() == 1
else:
    torch.set_num_threads(1)
model = build_model(ResNet10(width=8), channels=3, outputs=1, image_size=32, generator=torch.Generator())
images = torch.zeros(128, 3, 32, 32)
def work():
    for _ in range(5):
        model(images).sum().backward()
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library's memory settings are Linux's")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    assert page_faults("prepared") < page_faults("as it is") / 3


TRAIN_NARROW = """
import torch
from search_spaces.config import ResNet10
from trainer.device.cpu import prepare_cpu
from trainer.models.build import build_model
from trainer.setup import memory_format
prepare_cpu(2)
layout = memory_format(ResNet10(width=8), torch.device("cpu"))
for seed in range(3):
    weights = torch.Generator().manual_seed(seed)
    model = build_model(ResNet10(width=8), channels=3, outputs=1, image_size=32, generator=weights)
    model.to(memory_format=layout)
    for batch in (3, 55, 63):
        model(torch.zeros(batch, 3, 32, 32).contiguous(memory_format=layout)).sum().backward()
print("trained")
"""


def test_narrow_networks_train_on_several_threads() -> None:
    """In channels-last this process would end in a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", TRAIN_NARROW], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr[-2000:]
