"""A local store whose files are none, or are too large, and whose folders others keep locked."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import trainer.store.local as local
from search_spaces.errors import DamagedError
from tests.processes import PATIENCE
from trainer.store import Store


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


def link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [make_pipe, make_socket, link_to_zeros])
def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "a.json")
    begun = time.monotonic()
    with pytest.raises(DamagedError, match=r"a\.json: expected a file, found a pipe, a socket or a device"):
        Store(tmp_path).storage.read_json("a.json")
    assert time.monotonic() - begun < PATIENCE / 4


def test_a_file_that_no_store_writes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(DamagedError, match=rf"a\.json: expected at most {2**28} bytes, found {2**40}"):
        Store(tmp_path).storage.read_json("a.json")


def test_a_file_longer_than_its_marker_says_is_not_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.storage.write_bytes("a", b"1234")
    assert store.storage.read_bytes("a", most=4) == b"1234"
    with pytest.raises(DamagedError, match="expected at most 3 bytes, found 4"):
        store.storage.read_bytes("a", most=3)


def test_a_lock_that_a_reader_keeps_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(local, "LOCK_SECONDS", 0.2)
    store.storage.write_bytes("sweeps/a", b"")
    folder = os.open(tmp_path / "sweeps", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_SH)
        with store.storage.alone_in("sweeps"):
            store.storage.write_bytes("sweeps/a", b"1")
    finally:
        os.close(folder)
    assert store.storage.read_bytes("sweeps/a") == b"1"
    assert "sweeps: another process keeps it locked" in caplog.text
    caplog.clear()
    with store.storage.alone_in("sweeps"):
        pass
    assert not caplog.text
