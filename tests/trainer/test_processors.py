"""Other processors and threads round otherwise and change nothing else: the trajectory keeps its numbers.

A plainer processor is made of this one by telling torch and oneDNN to use no wider instructions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces.config import SCHEMA_VERSION
from tests.trainer.golden_trajectory import GOLDEN

ROOT = Path(__file__).parent.parent.parent
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
NO_VECTORS = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}


# What the process is told of its processor, on which processors that is less than they have, and its threads.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param((AVX2, {"AVX512"}, 2), id="AVX2, two threads"),
        pytest.param((NO_VECTORS, {"AVX512", "AVX2"}, 1), id="no vectors", marks=pytest.mark.slow),
        pytest.param(({}, None, 3), id="its own, three threads", marks=pytest.mark.slow),
    ],
)
def found(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a process computes that takes this processor for another one."""
    variables, wider, threads = request.param
    own = torch.backends.cpu.get_cpu_capability()
    if wider is not None and own not in wider:
        pytest.skip(f"this processor is no wider one: torch uses {own} here already")
    done = subprocess.run(
        [sys.executable, "-m", "tests.trainer.golden_trajectory", str(threads)],
        cwd=ROOT,
        env={**os.environ, **variables, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    assert (answer["instructions"] == own) == (wider is None)  # the variables are obeyed
    assert answer["threads"] == threads
    return answer


@pytest.mark.parametrize("loss", ["bce", "ldam"])
def test_the_trajectory_keeps_its_numbers(found: dict[str, Any], loss: str) -> None:
    curves, mean_score = GOLDEN[SCHEMA_VERSION, loss, "torch"]
    for epoch, expected in zip(found[loss]["curves"], curves, strict=True):
        assert epoch == pytest.approx(expected, rel=0.01)
    assert found[loss]["mean_score"] == pytest.approx(mean_score, rel=0.01)


def test_bf16_is_computed_whether_or_not_there_are_instructions_for_it(found: dict[str, Any]) -> None:
    """And stays close: nearer to float32 than the scores are spread."""
    full, half = np.array(found["bce"]["scores"]), np.array(found["bf16"]["scores"])
    assert not np.array_equal(full, half)
    assert np.abs(full - half).mean() < 0.2 * full.std()
    first, rounded = found["bce"]["curves"][0][0], found["bf16"]["curves"][0][0]
    assert abs(first - rounded) < 0.02
