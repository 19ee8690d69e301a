"""Images are decoded once per node into a mapped file: in parallel, and resumed after a kill."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from search_spaces.config import Binary, ImageFolder
from search_spaces.errors import DataError
from tests.processes import PATIENCE, wait_until
from tests.trainer.data.sources.test_decode import DEEP, encoded
from tests.trainer.image_files import random_images
from trainer.data import task as data
from trainer.data.decoding import crew, image_map
from trainer.data.decoding.encoded import Encoded, Form
from trainer.data.decoding.image_map import Decoded, decode_images, open_map
from trainer.data.decoding.progress import heard_by
from trainer.data.decoding.rows import PIXELS, RowFiles
from trainer.data.task import load_task

FORM = Form(channels=3, size=8)
ROLES: dict[str, Any] = {
    "negative": ("well",),
    "positive": ("ill",),
    "validation_per_class": 2,
    "test_per_class": 2,
}
ROOT = Path(__file__).parents[4]
# Decodes the files of a folder in chunks of 4, on two processes, and says what it made.
PROGRAM = """
import sys
from pathlib import Path
from trainer.data import task as data
from trainer.data.decoding import crew, image_map
from trainer.data.decoding.encoded import Encoded, Form
image_map.MOST_PER_CHUNK = 4
image_map.allowed_cpus = lambda: 2
paths = sorted(Path(sys.argv[1]).iterdir())
found = image_map.decode_images("scans", "scans", Form(3, 8), [Encoded(str(p), p.name) for p in paths])
print(found.pixels.file.parent)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def in_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of two images, on two processes."""
    monkeypatch.setattr(image_map, "MOST_PER_CHUNK", 2)
    monkeypatch.setattr(image_map, "allowed_cpus", lambda: 2)


def write_modes(folder: Path) -> list[Path]:
    """An image of every mode that a reader meets, and two that it refuses."""
    folder.mkdir()
    colour = Image.fromarray(random_images(1, (9, 12, 3), 1)[0])
    turned = Image.Exif()
    turned[274] = 6
    images = {
        "plain.png": encoded(colour),
        "turned.jpg": encoded(colour, "JPEG", exif=turned),
        "deep.png": encoded(Image.fromarray(DEEP)),
        "palette.gif": encoded(colour.convert("P"), "GIF"),
        "alpha.png": encoded(colour.convert("RGBA").rotate(45)),
        "bits.png": encoded(colour.convert("1")),
        "cut.png": encoded(colour)[:-40],
        "cmyk.jpg": encoded(colour.convert("CMYK"), "JPEG"),
        "empty.png": b"",
    }
    for name, content in images.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in images]


def write_many(folder: Path, count: int, size: int = 8, seed: int = 0) -> list[Path]:
    folder.mkdir()
    paths = []
    for number, image in enumerate(random_images(count, (size, size, 3), seed)):
        paths.append(folder / f"{number:04d}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


def decode(paths: Sequence[Path], form: Form = FORM) -> Decoded:
    return decode_images("scans", "scans", form, [Encoded(str(path), path.name) for path in paths])


def lines_of(folder: Path) -> list[dict[str, object]]:
    record = folder / "chunks.jsonl"
    text = record.read_text() if record.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@pytest.mark.parametrize("form", [FORM, Form(1, 16), Form(1, 8, raw=True)], ids=["colour", "grey", "values"])
def test_a_map_holds_what_is_decoded_in_memory_whatever_the_mode(
    form: Form, tmp_path: Path, in_small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_modes(tmp_path / "images")
    mapped = decode(paths, form)
    assert isinstance(mapped.pixels.base.base, np.memmap)
    monkeypatch.setenv("ALMSWEEP_CACHE", "off")
    there = decode(paths, form)
    assert np.array_equal(mapped.pixels, there.pixels)
    assert mapped.pixels.hashes() == there.pixels.hashes()
    assert sorted(mapped.told.faults) == sorted(there.told.faults)
    assert {where for _, where, *_ in mapped.told.faults} >= {"cut.png", "empty.png"}
    assert mapped.told.depths == there.told.depths
    assert mapped.told.brightest == there.told.brightest


def test_a_map_is_decoded_once_and_again_when_a_file_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_many(tmp_path / "images", 5)
    first = decode(paths)
    with monkeypatch.context() as patch:
        patch.setattr(image_map, "_decode_into", lambda *arguments: pytest.fail("decoded again"))
        assert np.array_equal(decode(paths).pixels, first.pixels)
    Image.fromarray(random_images(1, (8, 8, 3), 9)[0]).save(paths[2])
    again = decode(paths)
    differs = (again.pixels.numpy() != first.pixels.numpy()).any(axis=(1, 2, 3))
    assert differs.tolist() == [False, False, True, False, False]
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1  # the old map is gone


def test_decoding_that_was_killed_goes_on_where_it_was(tmp_path: Path, cache: Path) -> None:
    paths = write_many(tmp_path / "images", 240, size=300)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "images")]
    child = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, text=True)

    def some_are_done() -> bool:
        return any(len(lines_of(part)) >= 5 for part in cache.glob("*.part"))

    wait_until("some chunks are decoded", some_are_done, process=child)
    workers = psutil.Process(child.pid).children()
    child.kill()
    child.communicate()
    assert len(workers) == 2
    psutil.wait_procs(workers, timeout=PATIENCE)
    assert not any(worker.is_running() for worker in workers)  # they end with whoever started them
    (part,) = cache.glob("*.part")
    before = lines_of(part)
    assert 5 <= len(before) < 60
    decoded = np.frombuffer((part / "digests.bin").read_bytes(), np.uint8).reshape(240, 16).any(axis=1)
    chunks = decoded.reshape(60, 4).any(axis=1)
    done = [line["chunk"] for line in before]
    assert chunks[done].all()
    assert chunks.sum() - len(done) <= 2  # at most one per process is decoded twice

    out = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=True)
    after = lines_of(Path(out.stdout.strip()))
    assert after[: len(before)] == before
    assert sorted(line["chunk"] for line in after) == list(range(60))  # none again, none lost
    assert len({line["attempt"] for line in after}) == 2
    found = decode(paths)
    for row in (0, 100, 239):
        expected = Image.open(paths[row]).resize((8, 8), Image.Resampling.BILINEAR)
        assert np.array_equal(found.pixels.take([row]).numpy()[0], np.asarray(expected).transpose(2, 0, 1))


def test_a_line_that_a_kill_has_cut_is_decoded_again(
    tmp_path: Path, cache: Path, in_small_chunks: None
) -> None:
    paths = write_many(tmp_path / "images", 8)
    done = decode(paths)
    assert done.pixels.file is not None
    part = done.pixels.file.parent.with_suffix(".part")
    done.pixels.file.parent.rename(part)
    (part / "facts.json").unlink()
    record = part / "chunks.jsonl"
    record.write_text(record.read_text()[:-9])
    assert np.array_equal(decode(paths).pixels, done.pixels)
    assert sorted(line["chunk"] for line in lines_of(cache / f"{part.stem}.map")) == [0, 1, 2, 3]


def test_a_process_that_is_killed_is_an_error_and_what_is_done_stays(
    tmp_path: Path, cache: Path, in_small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_many(tmp_path / "images", 8)
    answered = crew._Worker.decode

    def killed(worker: crew._Worker, chunk: crew.Chunk) -> object:
        if chunk.number == 3:
            worker._process.kill()
        return answered(worker, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(crew._Worker, "decode", killed)
        with pytest.raises(DataError, match="ended with code -9 before its work"):
            decode(paths)
    (part,) = cache.glob("*.part")
    done = len(lines_of(part))
    assert done >= 1
    assert len(decode(paths).pixels) == 8
    after = lines_of(cache / f"{part.stem}.map")
    assert len(after) == 4
    assert len({line["attempt"] for line in after[:done]}) == 1


def test_a_disk_that_gives_back_other_pixels_is_noticed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_many(tmp_path / "images", 3)
    write = RowFiles.write

    def other_pixels(files: RowFiles, first: int, pixels: np.ndarray, digests: np.ndarray) -> None:
        write(files, first, pixels ^ 1, digests)

    with monkeypatch.context() as patch:
        patch.setattr(RowFiles, "write", other_pixels)
        with pytest.raises(DataError, match="give back what was written"):
            decode(paths)
    assert len(decode(paths).pixels) == 3


def test_a_disk_without_room_is_told_before_anything_is_decoded(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_many(tmp_path / "images", 3)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    expected = r"scans: expected 624 B free in the cache .* for 3 images of 3 x 8 x 8, found 100 B; ALMSWEEP_"
    with pytest.raises(DataError, match=expected):
        decode(paths)
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


def test_a_map_larger_than_memory_is_opened_without_reading_it(tmp_path: Path, cache: Path) -> None:
    file = decode(write_many(tmp_path / "images", 3)).pixels.file
    assert file is not None
    images = 200_000_000  # of 192 bytes, which the disk keeps as a hole
    facts = json.loads((file.parent / "facts.json").read_text())
    for name, size in ((PIXELS, 192), ("digests.bin", 16)):
        os.truncate(file.parent / name, images * size)
        found = (file.parent / name).stat()
        facts["files"][name] = [found.st_size, found.st_mtime_ns]
    facts["shape"][0] = images
    (file.parent / "facts.json").write_text(json.dumps(facts))
    before = psutil.Process().memory_info().rss
    opened = open_map(cache, file.parent.name)
    assert opened is not None
    chosen = opened.pixels.take(np.arange(images - 5, images))
    assert chosen.numpy().shape == (5, 3, 8, 8)
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


def test_a_map_that_was_changed_is_decoded_again(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = write_many(tmp_path / "images", 3)
    first = decode(paths)
    before = first.pixels.numpy()
    assert first.pixels.file is not None
    first.pixels.file.write_bytes(bytes(3 * 192))
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(decode(paths).pixels, before)
    assert "damaged map of decoded images, decoded again" in caplog.text


def test_whoever_listens_is_told_how_far_decoding_is(
    tmp_path: Path, in_small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.data.decoding.progress.LEAST_SECONDS", 0.0)
    heard: list[str] = []
    with heard_by(heard.append):
        decode(write_many(tmp_path / "images", 6))
    assert len(heard) == 3
    assert heard[-1].startswith("decoding scans: 6 of 6 images, ")


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_images_that_cannot_be_read_stop_or_are_skipped(policy: str, tmp_path: Path) -> None:
    for number, label in enumerate(("ill", "well")):
        folder = tmp_path / "scans" / label
        folder.parent.mkdir(exist_ok=True)
        write_many(folder, 8 + number, seed=number)
        (folder / "0003.png").write_bytes(b"no image")
    source = ImageFolder.model_validate({"folder": "scans", "size": 8, "bad_files": policy})
    task = Binary(
        source=source, negative=("well",), positive=("ill",), validation_per_class=2, test_per_class=2
    )
    if policy == "stop":
        expected = r"2 of 17 images cannot be read: 2 that could not be decoded .*0003\.png"
        with pytest.raises(DataError, match=expected):
            load_task(task, tmp_path)
        return
    for _ in range(2):  # decoded, and from the cache
        data.read_splits.cache_clear()
        found = load_task(task, tmp_path)
        assert sum(map(len, (found.pool, found.validation, found.test))) == 15
        assert not any("0003" in name for split in (found.pool, found.test) for name in split.ids)
        (told,) = found.splits.copies
        assert told.count == 2
        assert told.reason == "images that could not be decoded (skipped)"
        assert "ill/0003.png" in told.example
        assert "well/0003.png" in told.example


def test_splits_are_rows_of_one_map(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for number, label in enumerate(("ill", "well")):
        write_many(tmp_path / "scans" / label, 8 + number, seed=number)
    source = ImageFolder.model_validate({"folder": "scans", "size": 8})
    task = Binary(
        source=source, negative=("well",), positive=("ill",), validation_per_class=2, test_per_class=2
    )
    for _ in range(2):
        data.read_splits.cache_clear()
        found = load_task(task, tmp_path)
        files = {split.pixels.file for split in (found.pool, found.validation, found.test)}
        assert len(files) == 1
        assert None not in files
    other = load_task(task.model_copy(update={"test_per_class": 3}), tmp_path)
    assert other.pool.pixels.file == found.pool.pixels.file
