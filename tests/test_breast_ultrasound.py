"""The folder of ultrasound images in groups, and the space that trains on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs.breast_ultrasound import main, write
from search_spaces.catalog import load_space
from search_spaces.config import MultiClass
from search_spaces.rows import row_label
from tests.trainer.image_files import random_images, write_npz
from trainer.data.sources.read import read_source

SPACE = Path(__file__).parents[1] / "docs" / "spaces" / "breast-ultrasound.yaml"


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """Twelve, three and three images, each third one malignant (label 0)."""
    path = tmp_path / "breastmnist.npz"
    sizes = {"train": 12, "val": 3, "test": 3}
    splits = {}
    for seed, (name, size) in enumerate(sizes.items()):
        splits[name] = (random_images(size, (28, 28), seed), (np.arange(size) % 3 > 0).astype(np.int64))
    write_npz(path, splits)
    return path


def test_three_splits_become_one_in_groups_of_five(npz: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "breast-ultrasound"
    assert write(npz, folder) == {"malignant": 6, "benign": 12}
    names = sorted(path.name for path in folder.glob("*/*.png"))
    assert names == [f"block{number // 5:03d}_{number:04d}.png" for number in range(18)]
    with np.load(npz) as arrays:
        last = np.asarray(Image.open(folder / "benign" / "block003_0017.png"))
        assert np.array_equal(last, arrays["test_images"][2])
    (task,) = dict.fromkeys(trial.data for trial in load_space(str(SPACE)))
    assert isinstance(task, MultiClass)
    raw = read_source(task.source, task.labels, tmp_path / "data", download=False)
    assert raw.train.groups is not None
    assert set(raw.train.groups.tolist()) == {"block000", "block001", "block002", "block003"}


def test_what_is_there_is_not_written_over(
    npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(npz), "--to", str(tmp_path)]) == 2
    assert "--to: expected a folder that is not there" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "other.npz"), "--to", str(tmp_path / "new")]) == 2
    assert "expected one of" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_its_rows_are_those_of_the_medical_case() -> None:
    medical, ultrasound = load_space("histopathology"), load_space(str(SPACE))
    rows = [[row_label(trial, space.reading.rows) for trial in space] for space in (medical, ultrasound)]
    assert sorted(rows[0]) == sorted(rows[1])
    settings = []
    for space in (medical, ultrasound):
        settings.append({trial.model_copy(update={"data": medical.trials[0].data}) for trial in space})
    assert settings[0] == settings[1]
