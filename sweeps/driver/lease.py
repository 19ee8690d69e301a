"""One driver at a time per sweep: a lease in the store, kept alive by a heartbeat."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import psutil

from search_spaces.errors import LeaseError, StoreError
from trainer.store import Store, layout

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
# Of two drivers that find a lease free at the same moment, the one that wrote last has it; the other sees
# that when it reads its lease again, on object storage after this time, or else at its next heartbeat.
SETTLE_SECONDS = 1.0
# A lease of another host that looks stale is watched for so many heartbeats.
BEATS_TO_WAIT = 2.5


class Lease:
    """Holds the sweep `name` of a store while its block runs.

    A lease is free when nobody holds it, when its last heartbeat is older than STALE_SECONDS and no other
    follows, or when its holder was a process of this host that no longer lives. Raises LeaseError otherwise,
    unless `take_over`.
    A driver whose lease was taken over finds `lost` set.

    under_way   tells with every heartbeat which trials run, for `holder_of`: epochs that ended, and of how
                many, by trial id
    """

    def __init__(self, store: Store, name: str, *, take_over: bool = False) -> None:
        self.store = store
        self.path = layout.lease(name)
        self.name = name
        self.take_over = take_over
        self.token = uuid.uuid4().hex
        self.lost = threading.Event()
        self.under_way: Callable[[], Mapping[str, tuple[int, int]]] = dict
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        holder = _read(self.store, self.path)
        if holder is not None and not self.take_over and (_is_alive(holder) or self._still_beats(holder)):
            raise _held(self.name, holder)
        self._write()
        self._check_written()
        self._thread.start()
        return self

    def _still_beats(self, holder: dict[str, Any]) -> bool:
        """Whether a holder on another host, whose clock may be another, gives a sign of life."""
        if holder.get("host") == socket.gethostname():
            return False
        time.sleep(BEATS_TO_WAIT * HEARTBEAT_SECONDS)
        now = _read(self.store, self.path)
        return now is not None and now["heartbeat"] != holder["heartbeat"]

    def _check_written(self) -> None:
        """Raise LeaseError when another driver took the lease at the same time."""
        if not self.store.storage.is_local:
            time.sleep(SETTLE_SECONDS)
        holder = _read(self.store, self.path)
        if holder is not None and holder.get("token") != self.token:
            raise LeaseError(
                f"sweep {self.name!r} was started at the same time by process {holder['pid']} "
                f"on {holder['host']}, which runs it"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            holder = _read(self.store, self.path)
            if holder is not None and holder.get("token") == self.token:
                self.store.storage.delete(self.path)
        except StoreError as error:  # the lease goes stale by itself
            log.warning("the lease of sweep %s could not be given back: %s", self.name, error)

    def check(self) -> None:
        """Raises LeaseError when another driver has taken the sweep over."""
        if self.lost.is_set():
            raise LeaseError(f"sweep {self.name!r} was taken over by another driver; this one stops")

    @property
    def is_ours(self) -> bool:
        """Whether no other driver has taken the sweep over, as far as is known."""
        return not self.lost.is_set()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                holder = _read(self.store, self.path)
                if holder is not None and holder.get("token") != self.token:
                    self.lost.set()
                    return
                self._write()
            except StoreError as error:
                log.warning("the lease of sweep %s could not be renewed: %s", self.name, error)

    def _write(self) -> None:
        """Say that this process runs the sweep.

        token       of this driver
        host        its machine
        pid         its process there
        started     when that process started, in seconds since 1970
        heartbeat   when this was written
        under_way   by trial id: epochs that ended, and of how many
        """
        process = psutil.Process()
        holder = {
            "token": self.token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": process.create_time(),
            "heartbeat": time.time(),
            "under_way": dict(self.under_way()),
        }
        self.store.storage.write_json(self.path, holder, lasting=False)


def check_free(store: Store, name: str) -> None:
    """Raise LeaseError where a living driver runs the sweep `name` just now."""
    holder = _read(store, layout.lease(name))
    if holder is not None and _is_alive(holder):
        raise _held(name, holder)


@dataclass(frozen=True)
class Holder:
    """The driver that a lease names, and what it last said. Times are seconds since 1970.

    since       when its process began
    heartbeat   its last sign of life
    is_alive    whether it lives, as far as can be known from here
    under_way   the trials that ran then: epochs that had ended, and of how many, by trial id
    """

    host: str
    pid: int
    since: float
    heartbeat: float
    is_alive: bool
    under_way: Mapping[str, tuple[int, int]]


def holder_of(store: Store, name: str) -> Holder | None:
    """The driver that holds the sweep `name`, or that was killed and left its lease; None without one."""
    content = _read(store, layout.lease(name))
    if content is None:
        return None
    try:
        under_way = {}
        for trial_id, (epoch, epochs) in content.get("under_way", {}).items():
            under_way[str(trial_id)] = (int(epoch), int(epochs))
        return Holder(
            host=str(content["host"]),
            pid=int(content["pid"]),
            since=float(content["started"]),
            heartbeat=float(content["heartbeat"]),
            is_alive=_is_alive(content),
            under_way=under_way,
        )
    except (KeyError, TypeError, ValueError, AttributeError):  # another version's, or damaged
        return None


def is_held(store: Store, name: str) -> bool:
    """Whether a living driver runs the sweep `name` just now."""
    holder = _read(store, layout.lease(name))
    return holder is not None and _is_alive(holder)


def _held(name: str, holder: dict[str, Any]) -> LeaseError:
    age = time.time() - holder["heartbeat"]
    return LeaseError(
        f"sweep {name!r} is being run by process {holder['pid']} on {holder['host']} "
        f"(last sign of life {age:.0f} s ago); wait for it, or take it over with --take-over"
    )


def _read(store: Store, path: str) -> dict[str, Any] | None:
    """Who holds a lease; None where there is none, or none that can be understood."""
    data = store.storage.read_bytes(path)
    if data is None:
        return None
    try:
        holder = json.loads(data)
    except ValueError:
        return None
    return holder if isinstance(holder, dict) and "heartbeat" in holder else None


def _is_alive(holder: dict[str, Any]) -> bool:
    if time.time() - holder["heartbeat"] > STALE_SECONDS:
        return False
    if holder.get("host") != socket.gethostname():
        return True
    try:
        process = psutil.Process(holder["pid"])
        same = abs(process.create_time() - holder["started"]) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
