"""Deep images become bytes by percentiles of the training pool alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search_spaces.config import Binary, ImageFolder, Percentiles
from search_spaces.errors import DataError
from trainer.data import task as data
from trainer.data.task import TaskData, load_task

SOURCE = ImageFolder(folder="scans", size=4, channels=1, scaling=Percentiles(percentiles=(10, 90)))
TASK = Binary(source=SOURCE, negative=("benign",), positive=("malignant",))


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMSWEEP_CACHE", "off")


def write_scans(
    root: Path, split: str, count: int, low: float, high: float, seed: int, kind: str = "u2"
) -> None:
    """Twelve-bit scans, say, that fill a part of what their files can hold."""
    generator = np.random.default_rng(seed)
    for label in ("benign", "malignant"):
        folder = root / "scans" / split / label
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            values = generator.uniform(low, high, (4, 4)).astype(kind)
            Image.fromarray(values).save(folder / f"{number}.tif")


def write_plain(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), value, np.uint16)).save(path)


def load(root: Path, task: Binary = TASK) -> TaskData:
    data.read_splits.cache_clear()
    return load_task(task, root)


def stored(root: Path, split: str) -> np.ndarray:
    paths = sorted((root / "scans" / split).glob("*/*.tif"))
    return np.stack([np.asarray(Image.open(path)) for path in paths]).astype(np.float64)


@pytest.mark.parametrize(("kind", "low", "high"), [("u2", 100, 4000), ("f4", -1000, 3000), ("i4", -9, 10**6)])
def test_the_pools_percentiles_become_black_and_white(
    kind: str, low: float, high: float, tmp_path: Path
) -> None:
    for seed, split in enumerate(("train", "val", "test")):
        write_scans(tmp_path, split, 6, low, high, seed, kind)
    loaded = load(tmp_path)
    black, white = np.percentile(stored(tmp_path, "train"), (10, 90))
    for split, part in (("train", loaded.pool), ("val", loaded.validation), ("test", loaded.test)):
        expected = np.clip((stored(tmp_path, split) - black) / (white - black), 0, 1) * 255
        assert np.abs(part.pixels.numpy()[:, 0] - expected).max() <= 0.51
    limits = loaded.splits.limits
    assert limits is not None
    assert (limits.low, limits.high) == pytest.approx((black, white))
    assert loaded.pool.pixels.numpy().max() == 255
    assert loaded.pool.pixels.numpy().min() == 0


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_images_have_no_part_in_the_scale(split: str, tmp_path: Path) -> None:
    for seed, name in enumerate(("train", "val", "test")):
        write_scans(tmp_path, name, 6, 100, 4000, seed)
    before = load(tmp_path)
    write_scans(tmp_path, split, 6, 100, 60000, 7)
    after = load(tmp_path)
    assert np.array_equal(after.pool.pixels, before.pool.pixels)
    of_the_other = {"val": lambda loaded: loaded.test, "test": lambda loaded: loaded.validation}[split]
    assert np.array_equal(of_the_other(after).pixels, of_the_other(before).pixels)


def test_images_that_are_drawn_have_no_part_in_the_scale_either(tmp_path: Path) -> None:
    write_scans(tmp_path, "", 30, 100, 4000, 0)
    task = TASK.model_copy(update={"validation_per_class": 5, "test_per_class": 5})
    before = load(tmp_path, task)
    for name in (*before.validation.ids, *before.test.ids):
        path = tmp_path / "scans" / str(name)
        values = np.array(Image.open(path))
        values[0] = 60000
        Image.fromarray(values).save(path)
    after = load(tmp_path, task)
    assert after.pool.ids.tolist() == before.pool.ids.tolist()
    assert np.array_equal(after.pool.pixels, before.pool.pixels)
    assert after.test.pixels.numpy()[:, :, 0].min() == 255


def test_pictures_that_become_equal_are_copies(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "val", "test")):
        write_scans(tmp_path, split, 6, 100, 4000, seed)
    for split, value in (("train", 50000), ("val", 50001), ("test", 50002)):  # all white
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(
            tmp_path / "scans" / split / "benign" / "9.tif"
        )
    loaded = load(tmp_path)
    assert "test/benign/9.tif" in loaded.test.ids
    assert "val/benign/9.tif" not in loaded.validation.ids
    assert "train/benign/9.tif" not in loaded.pool.ids
    assert {found.count for found in loaded.splits.copies} == {1}
    assert len(loaded.splits.copies) == 2
    assert loaded.splits.sizes.train == (7, 6)


def test_a_pool_without_contrast_is_an_error(tmp_path: Path) -> None:
    for split, value in (("train", 9), ("val", 7), ("test", 8)):
        for label in ("benign", "malignant"):
            write_plain(tmp_path / "scans" / split / label / "9.tif", value)
    with pytest.raises(DataError, match=r"two values at the percentiles 10 and 90 .*, found 9 at both"):
        load(tmp_path)


def test_a_pool_of_nothing_but_copies_is_an_error(tmp_path: Path) -> None:
    for seed, split in ((0, "train"), (1, "val"), (0, "test")):
        write_scans(tmp_path, split, 6, 100, 4000, seed)
    with pytest.raises(DataError, match="found none besides validation and test; 12 are copies of those"):
        load(tmp_path)


def test_depths_are_not_mixed_under_one_scale(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "val", "test")):
        write_scans(tmp_path, split, 3, 100, 4000, seed)
    write_scans(tmp_path, "test", 2, 10, 200, 9, "u1")
    with pytest.raises(DataError, match=r"images of one depth .*, found 14 16-bit, 4 8-bit"):
        load(tmp_path)
