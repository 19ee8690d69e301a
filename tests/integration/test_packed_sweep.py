"""A sweep on a machine with little memory: its largest trial is measured, and no more trials run than fit."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.group(name="packing")

SPACE = """
name: packed
fixed: {dataset: digits, ratio: 20, epochs: 2, seeds: [1]}
choices:
  - {loss: baseline_BCE}
  - {loss: baseline_s_LM_m05}
  - {loss: baseline_BCE, model.width: 32}
"""
# What Ray says that this machine has: CPUs for four trials, and memory for fewer.
LITTLE = {"CPU": 4, "memory": 1_900_000_000}


def test_no_more_trials_than_fit(
    almsweep: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    space, output = tmp_path / "packed.yaml", tmp_path / "output"
    space.write_text(SPACE)

    ran = almsweep(
        *("run", space, "--output", output, "--no-tracking"),
        env={"RAY_OVERRIDE_RESOURCES": json.dumps(LITTLE)},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 done, 0 partial, 0 failed" in ran.stdout
    found = re.search(r"^(\d) trials? at a time: CPUs hold 4 .*, memory holds (\d)", ran.stdout, re.M)
    assert found is not None, ran.stdout
    (path,) = (output / "probes").iterdir()
    measured = json.loads(path.read_text())
    assert measured["trial"] == "digits 1:20 baseline_BCE model.width=32 epochs=2"
    assert int(found[1]) == int(found[2]) == int(0.9 * LITTLE["memory"] / measured["host_bytes"]) < 4
