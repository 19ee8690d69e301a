"""A sweep of images with several labels that is killed and relaunched ends with the undisturbed table.

Whether images lie on the device or are streamed from the disk: it is the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.faults.calm import undisturbed_tables
from tests.integration.faults.found import compare
from tests.integration.faults.scene import NAME, Scene

pytestmark = [pytest.mark.group(name="faults-1"), pytest.mark.timeout(3000)]

SPACE = f"""
name: {NAME}
fixed:
  data:
    task: multi_label
    source:
      name: digit_mosaic
      classes: [8, 3, 9]
      prevalences: [0.15, 0.3, 0.5]
      train: 300
      validation: 120
      test: 120
    classes: [8, 3, 9]
    critical: [8]
  model: {{name: small_cnn, width: 4}}
  epochs: 6
  seeds: [1, 2]
grid:
  loss: [ml_bce, ml_w_bce]
  alm: [none, ALM_14_beg]
  delta: [0.25]
"""
ROWS = 4


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of the same trials without Ray, with their images on the device."""
    tables = undisturbed_tables(tmp_path_factory.mktemp("undisturbed"), SPACE)
    rows = tables["best.csv"].splitlines()[1:]
    assert len(rows) == sum(b"n=2/2" in row for row in rows) == ROWS
    assert "labels.csv" in tables
    return tables


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.space.write_text(SPACE)
    yield made
    made.clear_processes()


@pytest.mark.parametrize("images", ["resident", "streamed"])
def test_a_killed_sweep_of_label_sets_ends_with_its_table(
    scene: Scene, undisturbed: dict[str, bytes], images: str
) -> None:
    scene.options = ["--images", images]
    with scene.driver() as driver:
        middle = scene.wait_for_middle(driver, trials=1)
        before = scene.attempts()
        driver.kill()
        driver.wait()
    assert scene.processes_left() == 0
    ended = scene.run()
    assert ended.code == 0, ended.text
    assert compare(undisturbed, scene.tables()) == "identical"
    after = scene.attempts()
    assert before.items() <= after.items(), "what had ended is not trained again"
    assert (middle.trial_id, middle.seed) in after
    assert len(after) == 2 * ROWS
