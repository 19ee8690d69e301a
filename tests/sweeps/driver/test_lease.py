"""The lease: one driver per sweep, a dead one never in the way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from search_spaces.errors import LeaseError, StoreError
from sweeps.driver.holder import STALE_SECONDS, this_machine
from sweeps.driver.lease import Lease, check_free, holder_of, is_held
from tests.processes import PATIENCE
from trainer.store import Store


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.driver.lease.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("sweeps.driver.lease.BEATS_TO_WAIT", 0.0)


def write_holder(store: Store, **changes: object) -> None:
    me = psutil.Process()
    holder = {
        "token": "other",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": me.create_time(),
        "heartbeat": time.time(),
    }
    store.storage.write_json("sweeps/s.lease", {**holder, **changes})


def test_free_again_after_use(store: Store) -> None:
    with Lease(store, "s"):
        assert is_held(store, "s")
        assert store.storage.read_json("sweeps/s.lease") is not None
    assert not is_held(store, "s")
    assert store.storage.read_json("sweeps/s.lease") is None
    with Lease(store, "s"):
        pass


def test_second_driver_is_told_who_holds_it(store: Store) -> None:
    with (
        Lease(store, "s"),
        pytest.raises(LeaseError, match=f"process {os.getpid()} on {socket.gethostname()}"),
        Lease(store, "s"),
    ):
        pass


def test_sweeps_do_not_hinder_each_other(store: Store) -> None:
    with Lease(store, "s"), Lease(store, "t"):
        pass


def test_killed_driver_of_this_host_leaves_no_lease(store: Store) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = psutil.Process(child.pid).create_time()
    write_holder(store, pid=child.pid, started=started)
    with pytest.raises(LeaseError), Lease(store, "s"):
        pass
    child.kill()
    child.wait()
    with Lease(store, "s"):
        pass


def test_reused_process_id_is_not_the_holder(store: Store) -> None:
    write_holder(store, started=psutil.Process().create_time() - 1000)
    with Lease(store, "s"):
        pass


def test_silent_driver_of_another_host_loses_it(store: Store) -> None:
    write_holder(store, host="elsewhere")
    with pytest.raises(LeaseError, match="elsewhere"), Lease(store, "s"):
        pass
    write_holder(store, host="elsewhere", heartbeat=time.time() - STALE_SECONDS - 1)
    with Lease(store, "s"):
        pass


def test_a_driver_whose_clock_is_slow_keeps_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = time.time() - 10 * STALE_SECONDS
    write_holder(store, host="elsewhere", heartbeat=behind)

    def beat_meanwhile(seconds: float) -> None:
        write_holder(store, host="elsewhere", heartbeat=behind + seconds)

    monkeypatch.setattr("sweeps.driver.lease.BEATS_TO_WAIT", 2.5)
    monkeypatch.setattr("sweeps.driver.lease.time.sleep", beat_meanwhile)
    with pytest.raises(LeaseError, match="elsewhere"), Lease(store, "s"):
        pass


def test_take_over_tells_the_former_holder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.driver.lease.HEARTBEAT_SECONDS", 0.5)
    with Lease(store, "s") as former, Lease(store, "s", take_over=True) as latter:
        assert former.lost.wait(PATIENCE)
        assert not latter.lost.is_set()
    assert store.storage.read_json("sweeps/s.lease") is None


def test_heartbeat_is_renewed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.driver.lease.HEARTBEAT_SECONDS", 0.02)
    with Lease(store, "s"):
        seen: set[float] = set()
        deadline = time.monotonic() + PATIENCE
        while len(seen) < 2:
            assert time.monotonic() < deadline, "the heartbeat did not move"
            time.sleep(0.02)
            with suppress(StoreError):  # read in the middle of a beat, whose text may be longer or shorter
                seen.add((store.storage.read_json("sweeps/s.lease") or {})["heartbeat"])


def test_unreadable_lease_is_none(store: Store) -> None:
    store.storage.write_bytes("sweeps/s.lease", b"garbage")
    with Lease(store, "s"):
        pass


def test_a_pipe_in_its_place_holds_nobody_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "sweeps").mkdir()
    os.mkfifo(tmp_path / "sweeps" / "s.lease")
    assert holder_of(store, "s") is None
    with Lease(store, "s"):
        assert is_held(store, "s")


def test_of_two_that_start_together_one_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Lease(store, "s")
    write = first._write

    def then_another_writes() -> None:
        write()
        write_holder(store, host="elsewhere", pid=7)

    monkeypatch.setattr(first, "_write", then_another_writes)
    with pytest.raises(LeaseError, match="started at the same time by process 7 on elsewhere"), first:
        pass
    holder = store.storage.read_json("sweeps/s.lease")
    assert holder is not None
    assert holder["token"] == "other"


def test_heartbeats_that_fail_for_a_while_keep_the_lease(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sweeps.driver.lease.HEARTBEAT_SECONDS", 0.02)
    with Lease(store, "s") as lease:
        failed = threading.Event()
        write = lease._write

        def fail_once() -> None:
            if not failed.is_set():
                failed.set()
                raise StoreError("no space left")
            write()

        monkeypatch.setattr(lease, "_write", fail_once)
        assert failed.wait(PATIENCE)
        assert not lease.lost.is_set()
    assert "could not be renewed: no space left" in caplog.text
    assert store.storage.read_json("sweeps/s.lease") is None


def test_a_lease_tells_what_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.driver.lease.HEARTBEAT_SECONDS", 0.01)
    assert holder_of(store, "s") is None
    told = threading.Event()

    def under_way() -> dict[str, tuple[int, int]]:
        told.set()
        return {"0123456789abcdef": (3, 20)}

    with Lease(store, "s") as lease:
        first = holder_of(store, "s")
        assert first is not None
        assert (first.host, first.pid, first.is_alive) == (socket.gethostname(), os.getpid(), True)
        assert first.under_way == {}
        lease.under_way = under_way
        assert told.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while not (holder := holder_of(store, "s")) or not holder.under_way:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert holder.under_way == {"0123456789abcdef": (3, 20)}
        assert first.since <= first.heartbeat <= holder.heartbeat
    assert holder_of(store, "s") is None


@pytest.mark.parametrize(
    "content", [{"heartbeat": 1}, {"heartbeat": 1, "host": "h", "pid": "x", "started": 2}]
)
def test_a_lease_of_another_version_names_nobody(store: Store, content: dict[str, object]) -> None:
    store.storage.write_json("sweeps/s.lease", content)
    assert holder_of(store, "s") is None


def test_a_live_driver_of_another_container_of_this_name_keeps_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There its process has a number that is nobody's here, or another's."""
    there = f"{this_machine()} of another namespace"
    write_holder(store, machine=there, pid=2**22 + 1)
    with pytest.raises(LeaseError, match="is being run by process"), Lease(store, "s"):
        pass
    with pytest.raises(LeaseError):
        check_free(store, "s")
    write_holder(store, machine=there, heartbeat=time.time() - STALE_SECONDS - 1)
    with Lease(store, "s"):
        pass


def test_a_heartbeat_from_a_clock_ahead_blocks_nobody_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() + 1000 * STALE_SECONDS
    write_holder(store, host="elsewhere", heartbeat=ahead)
    with Lease(store, "s"):
        pass
    write_holder(store, host="elsewhere", heartbeat=ahead)
    monkeypatch.setattr("sweeps.driver.lease.BEATS_TO_WAIT", 2.5)
    monkeypatch.setattr(
        "sweeps.driver.lease.time.sleep",
        lambda seconds: write_holder(store, host="elsewhere", heartbeat=ahead + seconds),
    )
    with pytest.raises(LeaseError, match="elsewhere"), Lease(store, "s"):
        pass


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "3",
        "null",
        "{}",
        '{"heartbeat": "now"}',
        '{"heartbeat": 1e999, "token": "t", "host": "h", "pid": 1, "started": 1}',
        '{"heartbeat": NaN, "token": "t", "host": "h", "pid": 1, "started": 1}',
        '{"heartbeat": 1, "token": 3, "host": ["h"], "pid": 1, "started": 1}',
        '{"heartbeat": 1, "token": "t", "host": "h", "pid": -1, "started": 1}',
        '{"heartbeat": 1, "token": "t", "host": "h", "pid": 1e30, "started": 1, "under_way": []}',
        "[" * 100_000,
        "9" * 5000,
    ],
)
def test_what_is_no_lease_holds_nothing(store: Store, content: str) -> None:
    store.storage.write_bytes("sweeps/s.lease", content.encode())
    assert holder_of(store, "s") is None
    assert not is_held(store, "s")
    with Lease(store, "s") as lease:
        assert lease.is_ours


def test_of_many_that_start_at_once_on_a_disk_one_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them have found it free before the first has written."""
    entered, held = threading.Barrier(8), list[Lease]()
    refused = list[LeaseError]()

    def start() -> None:
        lease = Lease(Store(tmp_path), "s")
        entered.wait()
        try:
            lease.__enter__()
        except LeaseError as error:
            refused.append(error)
        else:
            held.append(lease)

    write = Lease._write

    def slowly(lease: Lease) -> None:
        time.sleep(0.3)
        write(lease)

    monkeypatch.setattr(Lease, "_write", slowly)
    drivers = [threading.Thread(target=start) for _ in range(8)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert (len(held), len(refused)) == (1, 7)
    held[0].__exit__(None, None, None)
