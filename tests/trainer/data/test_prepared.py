"""A data set is decoded once per node, whatever the number of processes, and never from an outdated cache."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from search_spaces.config import Binary, Cifar10, ImageFolder, MedMnist, Percentiles
from search_spaces.errors import DataError
from tests.processes import PATIENCE
from tests.trainer.image_files import encode, random_images, write_class_folders, write_npz, write_parquet
from trainer.data import task as data
from trainer.data.sources.images import RawData
from trainer.data.sources.read import read_source
from trainer.data.task import TaskData, load_task

CONFIG = Binary(source=Cifar10(), negative=(1,), positive=(9,), imbalance_ratio=3.0, validation_per_class=2)
# Says on a line of its own how often it decoded, then the data's hash.
PROGRAM = """
import sys, time
from pathlib import Path
from search_spaces.config import Binary
from trainer.data import task as data
calls = []
read = data.read_source
def counted(*arguments, **options):
    calls.append(1)
    time.sleep(1)
    return read(*arguments, **options)
data.read_source = counted
print("ready", flush=True)
sys.stdin.readline()
task = data.load_task(Binary.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
print(len(calls), task.sha256)
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small CIFAR-10 and an empty cache."""
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    write_images(folder)
    return folder


def write_images(folder: Path, seed: int = 0) -> None:
    labels = np.arange(40) % 10
    write_parquet(folder / "cifar10" / "train.parquet", random_images(80, seed=seed), [*labels, *labels])
    write_parquet(folder / "cifar10" / "test.parquet", random_images(40, seed=seed + 1), labels)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one whenever files are decoded."""
    calls: list[object] = []
    monkeypatch.setattr(data, "read_source", lambda *a, **k: calls.append(a) or read_source(*a, **k))
    return calls


def fresh_load(config: Binary, folder: Path) -> TaskData:
    """As a new process does it."""
    data.read_splits.cache_clear()
    return load_task(config, folder)


def assert_equal(one: TaskData, other: TaskData) -> None:
    for name in ("pool", "validation", "test"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert np.array_equal(ours.pixels, theirs.pixels)
        assert ours.targets.equal(theirs.targets)
        assert np.array_equal(ours.ids, theirs.ids)
        assert ours.ids.dtype == theirs.ids.dtype
        assert ours.origin == theirs.origin
    for ours, theirs in zip(one.splits.strata.members, other.splits.strata.members, strict=True):
        assert np.array_equal(ours, theirs)
    for name in ("mean", "std", "sha256", "sizes", "copies", "limits"):
        assert getattr(one.splits, name) == getattr(other.splits, name)
    assert one.counts == other.counts
    assert one.train_indices(1).equal(other.train_indices(1))


def test_the_cached_task_is_the_decoded_one(
    files: Path, decodings: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fresh_load(CONFIG, files)
    second = fresh_load(CONFIG, files)
    assert len(decodings) == 1
    monkeypatch.setenv("ALMSWEEP_CACHE", "off")
    decoded = fresh_load(CONFIG, files)
    assert len(decodings) == 2
    assert_equal(first, decoded)
    assert_equal(second, decoded)


def test_other_roles_are_another_entry(files: Path, decodings: list[object]) -> None:
    fresh_load(CONFIG, files)
    fresh_load(CONFIG.model_copy(update={"imbalance_ratio": 2.0}), files)
    assert len(decodings) == 1
    other = fresh_load(CONFIG.model_copy(update={"positive": (8,)}), files)
    assert len(decodings) == 2
    assert other.sha256 != fresh_load(CONFIG, files).sha256


@pytest.mark.parametrize("kind", ["folder", "percentiles", "medmnist"])
def test_other_layouts_are_cached_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decodings: list[object], kind: str
) -> None:
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "cache"))
    if kind != "medmnist":
        images = {name: random_images(9, (1, 8, 8), seed) for seed, name in enumerate(("ill", "well"))}
        write_class_folders(tmp_path / "scans", images)
        scaling = "full_range" if kind == "folder" else Percentiles(percentiles=(1, 99))
        source = ImageFolder(folder="scans", size=8, channels=1, scaling=scaling)
        roles = ("well",), ("ill",)
        held = {"validation_per_class": 2, "test_per_class": 2}
    else:
        splits = {
            name: (random_images(20, (8, 8), seed), np.arange(20)[:, None] % 2)
            for seed, name in enumerate(("train", "val", "test"))
        }
        write_npz(tmp_path / "breastmnist.npz", splits)
        source, roles, held = MedMnist(subset="breastmnist"), ((1,), (0,)), {}
    config = Binary(source=source, negative=roles[0], positive=roles[1], **held)
    first, second = fresh_load(config, tmp_path), fresh_load(config, tmp_path)
    assert len(decodings) == 1
    assert_equal(first, second)


def test_changed_files_are_decoded_again(files: Path, decodings: list[object], tmp_path: Path) -> None:
    before = fresh_load(CONFIG, files)
    write_images(files, seed=5)
    after = fresh_load(CONFIG, files)
    assert len(decodings) == 2
    assert after.sha256 != before.sha256
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Binary:
    """A folder whose classes are links to others, and an empty cache."""
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "cache"))
    images = {name: random_images(9, (1, 8, 8), seed) for seed, name in enumerate(("ill", "well"))}
    write_class_folders(tmp_path / "elsewhere", images)
    (tmp_path / "scans").mkdir()
    for name in images:
        (tmp_path / "scans" / name).symlink_to(tmp_path / "elsewhere" / name, target_is_directory=True)
    source = ImageFolder(folder="scans", size=8, channels=1)
    held_out = {"validation_per_class": 2, "test_per_class": 2}
    return Binary(source=source, negative=("well",), positive=("ill",), **held_out)


def test_images_behind_links_are_decoded_again_when_they_change(
    scans: Binary, tmp_path: Path, decodings: list[object]
) -> None:
    before = fresh_load(scans, tmp_path)
    (tmp_path / "elsewhere" / "ill" / "new.png").write_bytes(encode(random_images(1, (1, 8, 8), 5)[0]))
    more = fresh_load(scans, tmp_path)
    assert more.splits.sizes.train == (5, 6)
    write_class_folders(tmp_path / "other", {"ill": random_images(9, (1, 8, 8), 6)})
    (tmp_path / "scans" / "ill").unlink()
    (tmp_path / "scans" / "ill").symlink_to(tmp_path / "other" / "ill", target_is_directory=True)
    other = fresh_load(scans, tmp_path)
    assert len(decodings) == 3
    assert len({before.sha256, more.sha256, other.sha256}) == 3


def test_a_file_of_the_same_size_and_time_is_another_file(
    scans: Binary, tmp_path: Path, decodings: list[object]
) -> None:
    path = tmp_path / "scans" / "ill" / "000.bmp"
    images = [Image.fromarray(image[0]) for image in random_images(2, (1, 8, 8), 5)]
    images[0].save(path)
    before, times = fresh_load(scans, tmp_path), path.stat()
    images[1].save(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    assert fresh_load(scans, tmp_path).sha256 != before.sha256
    assert len(decodings) == 2


def test_what_is_decoded_while_files_change_is_not_kept(
    scans: Binary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_source

    def changing(*arguments: Any, **options: Any) -> RawData:
        raw = read(*arguments, **options)
        write_class_folders(tmp_path / "elsewhere", {"ill": random_images(9, (1, 8, 8), 7)})
        return raw

    with monkeypatch.context() as patch:
        patch.setattr(data, "read_source", changing)
        before = fresh_load(scans, tmp_path)
    after = fresh_load(scans, tmp_path)
    assert after.sha256 != before.sha256
    monkeypatch.setenv("ALMSWEEP_CACHE", "off")
    assert after.sha256 == fresh_load(scans, tmp_path).sha256


def test_missing_files_are_told_though_they_were_cached(files: Path) -> None:
    fresh_load(CONFIG, files)
    (files / "cifar10" / "test.parquet").unlink()
    with pytest.raises(DataError, match="found neither"):
        fresh_load(CONFIG, files)


def test_a_damaged_cache_is_rebuilt(
    files: Path, decodings: list[object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = fresh_load(CONFIG, files)
    sha256 = before.sha256
    (path,) = (tmp_path / "cache").glob("*/pool_pixels.npy")
    content = path.read_bytes()
    path.unlink()  # not through the map that `before` holds
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with caplog.at_level(logging.WARNING):
        assert fresh_load(CONFIG, files).sha256 == sha256
    assert "damaged cache entry, prepared again" in caplog.text
    assert len(decodings) == 2
    assert_equal(fresh_load(CONFIG, files), before)
    assert len(decodings) == 2


def test_a_cache_that_cannot_be_written_is_done_without(
    files: Path, monkeypatch: pytest.MonkeyPatch, decodings: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, array: object, allow_pickle: bool) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr("numpy.save", full)
        task = fresh_load(CONFIG, files)
    assert "could not be cached" in caplog.text
    assert_equal(fresh_load(CONFIG, files), task)
    assert len(decodings) == 2


def test_a_download_happens_under_the_lock(
    files: Path, monkeypatch: pytest.MonkeyPatch, decodings: list[object]
) -> None:
    import fcntl

    held: list[bool] = []
    hidden = files.rename(files.parent / "elsewhere")
    (locks := files.parent / "cache").mkdir()

    def fetch(layout: object, root: Path) -> None:
        with next(locks.glob("*.lock")).open("ab") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(False)
            except BlockingIOError:
                held.append(True)
        hidden.rename(files)

    monkeypatch.setattr("trainer.data.sources.cifar._download", fetch)
    data.read_splits.cache_clear()
    task = load_task(CONFIG, files, download=True)
    assert held == [True]
    assert_equal(fresh_load(CONFIG, files), task)
    assert len(decodings) == 1


def test_processes_that_start_at_once_decode_once(files: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-W", "error", "-c", PROGRAM, CONFIG.model_dump_json(), str(files)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [
        subprocess.Popen(command, text=True, cwd=root, env={**os.environ}, **pipes)  # type: ignore[call-overload]
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [child.communicate(timeout=PATIENCE) for child in children]
    assert all(child.returncode == 0 for child in children), told
    counts, hashes = zip(*(out.split() for out, _ in told), strict=True)
    assert sorted(counts) == ["0", "0", "1"]
    assert len(set(hashes)) == 1
