"""A batch system ends a job: TERM to its process group, or to every process. It is taken as one Ctrl-C."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
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


@pytest.mark.parametrize("how", ["TERM group", "TERM all"])
def test_the_end_of_a_job_is_one_ctrl_c(scene: Scene, how: str) -> None:
    output = Path(scene.output)
    with command_itself(scene) as driver:
        wait_until(
            "a trial is trained", lambda: list(output.rglob("checkpoint.pt")), process=driver, log=scene.log
        )
        KILLS[how](psutil.Process(driver.pid))
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
