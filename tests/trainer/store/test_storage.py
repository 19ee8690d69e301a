"""Storage that fails: for a while, for good, or because the user has no access to it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from search_spaces.errors import DamagedError, InputError, StoreError
from tests.failing_storage import make_failing
from tests.s3_server import ACCESS_DENIED, SLOW_DOWN, S3Server
from trainer.store import Retry, Storage, Store

QUICK = Retry(tries=3, seconds=0.3)


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_objects_are_written_read_listed_and_deleted(store: Store) -> None:
    storage = store.storage
    assert storage.read_bytes("a/b") is None
    assert not storage.exists("a/b")
    storage.write_bytes("a/b", b"1")
    storage.write_bytes("a/b", b"22")
    storage.write_json("a/c/d.json", {"nan": float("nan"), "text": "ä"})
    assert storage.read_bytes("a/b") == b"22"
    assert storage.exists("a/b")
    assert not storage.exists("a/c")
    assert (storage.read_json("a/c/d.json") or {})["text"] == "ä"
    assert storage.list_files("a", recursive=False) == ["a/b"]
    assert sorted(storage.list_files("a", recursive=True)) == ["a/b", "a/c/d.json"]
    assert storage.list_folders("a") == ["a/c"]
    assert storage.list_files("none", recursive=True) == storage.list_folders("none") == []
    storage.delete("a/b")
    storage.delete("a/b")
    assert not storage.exists("a/b")


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_what_is_no_json_object_names_the_file(store: Store, content: bytes) -> None:
    store.storage.write_bytes("a.json", content)
    with pytest.raises(StoreError, match=r"a\.json: expected (a )?JSON"):
        store.storage.read_json("a.json")


@pytest.mark.parametrize("path", ["../a", "a/../../b", "a\0b"])
def test_no_path_leads_out_of_the_store(store: Store, path: str) -> None:
    with pytest.raises(StoreError, match="expected a path below the store"):
        store.storage.write_bytes(path, b"")


@pytest.mark.parametrize("operation", ["write", "read", "list", "delete"])
def test_a_call_that_fails_twice_succeeds(tmp_path: Path, operation: str) -> None:
    storage = Storage(tmp_path, retry=QUICK)
    storage.write_bytes("a/b", b"1")
    left = [full_disk(), full_disk()]
    failing = make_failing(storage, lambda done, path: left.pop() if done == operation and left else None)
    storage.write_bytes("a/c", b"2")
    assert storage.read_bytes("a/c") == b"2"
    assert sorted(storage.list_files("a", recursive=True)) == ["a/b", "a/c"]
    storage.delete("a/c")
    assert [done for done, _ in failing.calls].count(operation) == 3
    assert storage.read_bytes("a/c") is None


@pytest.mark.parametrize(
    ("operation", "call", "verb"),
    [
        ("write", lambda s: s.write_bytes("a", b""), "written"),
        ("read", lambda s: s.read_bytes("a"), "read"),
        ("list", lambda s: s.list_files("a", recursive=True), "listed"),
        ("delete", lambda s: s.delete("a"), "deleted"),
    ],
)
def test_what_fails_for_long_is_a_store_error_with_the_reason(
    tmp_path: Path, operation: str, call: Any, verb: str
) -> None:
    storage = Storage(tmp_path, retry=QUICK)
    failing = make_failing(storage, lambda done, path: full_disk())
    with pytest.raises(StoreError, match=f"/a: could not be {verb}: .*No space left on device"):
        call(storage)
    assert [done for done, _ in failing.calls] == [operation] * 3


def test_a_full_local_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(tmp_path, retry=QUICK)
    replace, left = os.replace, [full_disk(), full_disk()]

    def full(source: str, target: str, **folders: int) -> None:
        if left:
            raise left.pop()
        replace(source, target, **folders)

    monkeypatch.setattr("os.replace", full)
    storage.write_bytes("a/b.json", b"{}")
    assert os.listdir(tmp_path / "a") == ["b.json"]
    left += [full_disk()] * 3
    with pytest.raises(StoreError, match=r"a/c\.json: could not be written: .*No space left"):
        storage.write_bytes("a/c.json", b"{}")
    assert os.listdir(tmp_path / "a") == ["b.json"]


def test_a_folder_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"file/a/b: could not be written"):
        Storage(tmp_path, retry=Retry(tries=5, seconds=600)).write_bytes("file/a/b", b"")
    with pytest.raises(InputError, match=r"file is a file"):
        Storage(tmp_path / "file")


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.write_bytes("a", b"1"),
        lambda s: s.read_bytes("a"),
        lambda s: s.list_files("a", recursive=False),
    ],
)
def test_a_missing_bucket_is_named(s3: S3Server, call: Any) -> None:
    with pytest.raises(StoreError, match="s3://no-such-bucket/x: no such bucket"):
        call(Storage("s3://no-such-bucket/x", retry=Retry(tries=5, seconds=600)))


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.write_bytes("a", b"1"),
        lambda s: s.read_bytes("a"),
        lambda s: s.list_files("a", recursive=False),
    ],
)
def test_denied_access_is_named(s3_uri: str, s3: S3Server, call: Any) -> None:
    storage = Storage(s3_uri, retry=Retry(tries=5, seconds=600))
    s3.fault = lambda method, path: ACCESS_DENIED
    with pytest.raises(StoreError, match=f"{s3_uri}/.*access denied"):
        call(storage)


def test_who_may_not_ask_about_the_bucket_may_use_a_folder(s3_uri: str, s3: S3Server) -> None:
    storage = Storage(s3_uri, retry=QUICK)
    s3.fault = lambda method, path: ACCESS_DENIED if path.count("/") == 1 and method == "HEAD" else None
    assert storage.read_bytes("nothing") is None
    storage.write_bytes("a", b"1")
    assert storage.read_bytes("a") == b"1"


def test_throttled_storage_is_tried_again(s3_uri: str, s3: S3Server) -> None:
    storage = Storage(s3_uri, retry=QUICK)
    left = [SLOW_DOWN] * 4  # more than the S3 client itself tries again
    s3.fault = lambda method, path: left.pop() if method == "PUT" and left else None
    storage.write_bytes("a", b"1")
    assert not left
    assert storage.read_bytes("a") == b"1"


def test_a_small_object_is_one_put(s3_uri: str, s3: S3Server) -> None:
    storage = Storage(s3_uri, retry=QUICK)
    s3.requests.clear()
    storage.write_bytes("trials/t/replicates/1/DONE", b"1" * 5000)
    assert s3.requests == {"PUT": 1}


def test_an_endpoint_may_stand_in_the_uri(s3_uri: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    there = f"{s3_uri}?scheme=http&endpoint_override=127.0.0.1:{s3.port}&region=us-east-1"
    Storage(there, retry=QUICK).write_bytes("a", b"1")
    assert Storage(there, retry=QUICK).read_bytes("a") == b"1"


def test_a_password_in_the_uri_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="without credentials") as caught:
        Storage("s3://key:geheim@bucket/x")
    assert "geheim" not in str(caught.value)
    assert "key" not in str(caught.value).partition("given ")[2]


def test_a_folder_in_a_files_place_is_no_outage(tmp_path: Path) -> None:
    """It is told at once, and not tried again for a minute."""
    slept: list[float] = []
    storage = Storage(tmp_path, retry=Retry(sleep=slept.append))
    (tmp_path / "sweeps" / "a.json").mkdir(parents=True)
    with pytest.raises(DamagedError, match=r"a\.json: expected a file, found a folder"):
        storage.read_bytes("sweeps/a.json")
    for change in (
        lambda: storage.write_bytes("sweeps/a.json", b""),
        lambda: storage.delete("sweeps/a.json"),
    ):
        with pytest.raises(StoreError, match=r"a\.json"):
            change()
    assert not slept
