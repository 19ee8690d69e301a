"""A batch system ends a job by a signal to its group or to every process: it is taken as one Ctrl-C."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.faults.scene import Scene
from tests.integration.random_kills import INTERRUPTED, KILLS, command_itself
from tests.processes import PATIENCE, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

LONG = """
name: faults
fixed: {dataset: digits, model.width: 16, epochs: 4000, patience: null, seeds: [1, 2]}
grid: {loss: [baseline_BCE, baseline_s_LM_m05]}
"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A long sweep. Beside its call lie a module called like a package of ours, and a file in Ray's place."""
    made = Scene(tmp_path)
    made.space.write_text(LONG)
    (tmp_path / "trainer.py").write_text("raise RuntimeError('not ours')\n")
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as temp:
        Path(temp, "ray").touch()
        made.environment["TMPDIR"] = temp
        made.environment.pop("RAY_TMPDIR", None)
        yield made
        made.clear_processes()


def _warned(driver: psutil.Process) -> None:
    """USR1, of which Ray Tune has a handler of its own."""
    os.killpg(driver.pid, signal.SIGUSR1)


@pytest.mark.parametrize("end", [KILLS["TERM group"], KILLS["TERM all"], _warned])
def test_the_end_of_a_job_is_one_ctrl_c(scene: Scene, end: Callable[[psutil.Process], None]) -> None:
    output = Path(scene.output)
    with command_itself(scene) as driver:
        wait_until(
            "a trial is trained", lambda: list(output.rglob("checkpoint.pt")), process=driver, log=scene.log
        )
        end(psutil.Process(driver.pid))
        assert driver.wait(PATIENCE) in INTERRUPTED, scene.log.read_text()
    said = scene.log.read_text()
    assert "trainer.py in the current folder" in said
    assert "stopping after the running epochs" in said
    assert "Traceback" not in said
    assert "now 0 done, 2 partial, 0 failed" in said
    assert scene.processes_left() == 0
    assert [path.name for path in Path(scene.environment["TMPDIR"]).iterdir()] == ["ray"]
    assert scene.mlflow_states()["RUNNING"] == 0
    assert not list((output / "sweeps").glob("*.lease*"))
    assert list(output.rglob("checkpoint.pt"))
