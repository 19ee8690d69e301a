"""The node's cache of arrays: mapped, checked, replaced when damaged, done without when it cannot be."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.processes import PATIENCE
from trainer.data.cache import (
    CachedArrays,
    cache_folder,
    drop_others,
    load_arrays,
    locked,
    save_arrays,
)

CONTENT = CachedArrays(
    {
        "pixels": np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4),
        "ids": np.array(["a/1.png", "b/22.png"]),
        "empty": np.zeros((0, 3), dtype=np.int64),
        "strided": np.arange(10)[::2],
    },
    {"mean": [0.5, 0.25], "origin": "train"},
)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    save_arrays(tmp_path / "entry", CONTENT)
    return tmp_path / "entry"


def test_what_was_saved_is_loaded(entry: Path) -> None:
    found = load_arrays(entry)
    assert found is not None
    assert found.facts == CONTENT.facts
    assert found.arrays.keys() == CONTENT.arrays.keys()
    for name, array in CONTENT.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)
    assert [path.name for path in entry.parent.iterdir()] == ["entry"]


def test_arrays_are_mapped_and_writes_stay_in_the_process(entry: Path) -> None:
    found = load_arrays(entry)
    assert found is not None
    pixels = found.arrays["pixels"]
    assert isinstance(pixels.base, np.memmap)
    pixels[:] = 0
    again = load_arrays(entry)
    assert again is not None
    assert np.array_equal(again.arrays["pixels"], CONTENT.arrays["pixels"])


def test_there_is_nothing_without_an_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_arrays(tmp_path / "entry") is None
    assert caplog.text == ""


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "facts", "no facts", "no json"])
def test_damage_is_noticed(entry: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    pixels, facts = entry / "pixels.npy", entry / "facts.json"
    data = pixels.read_bytes()
    if damage == "flip":
        pixels.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "cut":
        pixels.write_bytes(data[:-1])
    elif damage == "missing":
        pixels.unlink()
    elif damage == "facts":
        facts.write_text(json.dumps({**json.loads(facts.read_text()), "facts": {"mean": [0.0]}}))
    elif damage == "no facts":
        facts.unlink()
    else:
        facts.write_text("{")
    with caplog.at_level(logging.WARNING):
        assert load_arrays(entry) is None
    assert "damaged cache entry" in caplog.text
    save_arrays(entry, CONTENT)
    assert load_arrays(entry) is not None


def test_an_entry_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, array: object, allow_pickle: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(OSError, match="No space left"):
        save_arrays(tmp_path / "entry", CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_maps_outlive_their_entry(entry: Path) -> None:
    found = load_arrays(entry)
    assert found is not None
    save_arrays(entry, CachedArrays({"pixels": np.zeros(5)}, {}))
    assert np.array_equal(found.arrays["pixels"], CONTENT.arrays["pixels"])


def test_entries_of_changed_files_are_dropped(tmp_path: Path) -> None:
    for name in ("a-1", "a-2", "b-1"):
        save_arrays(tmp_path / name, CONTENT)
    (tmp_path / "a-1.lock").touch()
    drop_others(tmp_path / "a-2", "a-")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.lock", "a-2", "b-1"]


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with locked(tmp_path, "x"):
            inside.set()
            leave.wait(PATIENCE)
            order.append("first")

    def second() -> None:
        with locked(tmp_path, "x"):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(PATIENCE)
    threads[1].start()
    threads[1].join(0.2)
    assert order == []
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from trainer.data.cache import locked\n"
        "with locked(Path(sys.argv[1]), 'x'): print('held', flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[3]
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    child.kill()
    child.wait()
    child.stdout.close()
    with locked(tmp_path, "x"):
        pass


def test_a_folder_without_locks_is_only_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(descriptor: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with caplog.at_level(logging.WARNING), locked(tmp_path, "x"):
        pass
    assert "No locks available" in caplog.text


def test_the_folder_is_the_users_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.setenv("ALMSWEEP_CACHE", "off")
    assert cache_folder() is None
    monkeypatch.delenv("ALMSWEEP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache_folder() == tmp_path / "user" / "almsweep"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "almsweep"


def test_a_folder_that_cannot_be_made_is_only_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level(logging.WARNING):
        assert cache_folder() is None
    assert "no cache of prepared data there" in caplog.text
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert cache_folder() is None


@pytest.mark.parametrize("named", [None, "~nobodys/cache"])
def test_a_user_without_a_home_folder_has_no_cache(
    named: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(user: object) -> None:
        raise KeyError(user)

    for name in ("HOME", "XDG_CACHE_HOME", "ALMSWEEP_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("pwd.getpwnam", unknown)
    if named is not None:
        monkeypatch.setenv("ALMSWEEP_CACHE", named)
    assert cache_folder() is None
    assert "no home folder: no cache of prepared data" in caplog.text
