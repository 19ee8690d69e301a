"""One driver at a time per sweep: a lease in the store, kept alive by a heartbeat."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType

import psutil

from search_spaces.errors import DamagedError, LeaseError, StoreError
from sweeps.driver.holder import Holder, parse_holder, this_machine
from trainer.store import Store, layout
from trainer.store.storage import MOST_JSON

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
# Of two drivers that find a lease on object storage free at the same moment, the one that wrote last has it;
# the other sees that when it reads its lease again after this time, or else at its next heartbeat.
SETTLE_SECONDS = 1.0
# A lease of another host that looks stale is watched for so many heartbeats.
BEATS_TO_WAIT = 2.5


class Lease:
    """Holds the sweep `name` of a store while its block runs.

    A lease is free when nobody holds it, when its last heartbeat is not from the last minute, by this
    machine's clock, and no other follows, or when its holder was a process of this machine that no longer
    lives. Raises LeaseError otherwise, unless `take_over`. On a local disk of two that start together one
    gets it, as a lock of the file system tells; on object storage within SETTLE_SECONDS.
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
        silent = None
        while not self._take(silent):
            silent = _read(self.store, self.path)
            time.sleep(BEATS_TO_WAIT * HEARTBEAT_SECONDS)
        self._check_written()
        self._thread.start()
        return self

    def _take(self, silent: Holder | None) -> bool:
        """Write the lease where it is free; False where its holder, elsewhere, has to be watched first.

        `silent` is one that was watched. Raises LeaseError where a living driver holds the lease.
        """
        with self.store.storage.alone_in(layout.SWEEPS):
            holder = _read(self.store, self.path)
            if holder is not None and not self.take_over:
                if holder.life == "alive":
                    raise _held(self.name, holder)
                if holder.life == "silent" and silent is None:
                    return False
                if holder.life == "silent" and holder != silent:
                    raise _held(self.name, holder)
            self._write()
        return True

    def _check_written(self) -> None:
        """Raise LeaseError when another driver took the lease at the same time."""
        if not self.store.storage.is_local:
            time.sleep(SETTLE_SECONDS)
        holder = _read(self.store, self.path)
        if holder is not None and holder.token != self.token:
            raise LeaseError(
                f"sweep {self.name!r} was started at the same time by process {holder.pid} "
                f"on {holder.host}, which runs it"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            with self.store.storage.alone_in(layout.SWEEPS):
                holder = _read(self.store, self.path)
                if holder is not None and holder.token == self.token:
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
                with self.store.storage.alone_in(layout.SWEEPS):
                    holder = _read(self.store, self.path)
                    if holder is not None and holder.token != self.token:
                        self.lost.set()
                        return
                    self._write()
            except StoreError as error:
                log.warning("the lease of sweep %s could not be renewed: %s", self.name, error)

    def _write(self) -> None:
        """Say that this process runs the sweep.

        token       of this driver
        host        its machine's name
        machine     that machine's boot, and its namespace of process numbers
        pid         its process there
        started     when that process started, in seconds since 1970
        heartbeat   when this was written
        under_way   by trial id: epochs that ended, and of how many
        """
        process = psutil.Process()
        holder = {
            "token": self.token,
            "host": socket.gethostname(),
            "machine": this_machine(),
            "pid": os.getpid(),
            "started": process.create_time(),
            "heartbeat": time.time(),
            "under_way": dict(self.under_way()),
        }
        self.store.storage.write_json(self.path, holder, lasting=False)


def check_free(store: Store, name: str) -> None:
    """Raise LeaseError where a living driver runs the sweep `name` just now."""
    holder = _read(store, layout.lease(name))
    if holder is not None and holder.is_alive:
        raise _held(name, holder)


def holder_of(store: Store, name: str) -> Holder | None:
    """The driver that holds the sweep `name`, or that was killed and left its lease; None without one."""
    return _read(store, layout.lease(name))


def is_held(store: Store, name: str) -> bool:
    """Whether a living driver runs the sweep `name` just now."""
    holder = _read(store, layout.lease(name))
    return holder is not None and holder.is_alive


def _held(name: str, holder: Holder) -> LeaseError:
    age = max(time.time() - holder.heartbeat, 0.0)
    return LeaseError(
        f"sweep {name!r} is being run by process {holder.pid} on {holder.host} "
        f"(last sign of life {age:.0f} s ago); wait for it, or take it over with --take-over"
    )


def _read(store: Store, path: str) -> Holder | None:
    """Who holds a lease; None where there is none, or none that can be understood."""
    try:
        data = store.storage.read_bytes(path, most=MOST_JSON)
    except DamagedError:
        return None
    return None if data is None else parse_holder(data)
