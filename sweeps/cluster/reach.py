"""Which Ray an address means, and whether it lets us in: found out within seconds, before Ray connects.

Ray itself tries for up to two minutes to get into a cluster that refuses it, and only warns meanwhile. "auto"
finds every Ray of this machine, those of other users and those that other sweeps started for themselves too.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import psutil

from search_spaces.errors import InputError
from sweeps.compat import current_cluster, seen_by_ray, token_headers

AUTO = "auto"
# How long a head may take to answer, one that starts just now too.
ANSWER_SECONDS = 5.0
# One of which a process runs already.
RUNNING_SECONDS = 2.0
_PAUSE_SECONDS = 0.5
# Asks a head for its cluster's name: the first thing that Ray asks, too.
_QUESTION = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_FLAG = "--gcs-address="
INSTEAD = (
    "name another by --address host:port, or leave --address and RAY_ADDRESS out for a Ray of the sweep's own"
)

Answer: TypeAlias = Literal["welcome", "refused", "alone", "silent"]
_REASONS: dict[Answer, str] = {
    "refused": "wants a token that is not given here (RAY_AUTH_TOKEN_PATH)",
    "alone": "listens on loopback alone, like one that another sweep started for itself",
}
_SAID_BY: dict[str, Answer] = {
    "UNAUTHENTICATED": "refused",
    "PERMISSION_DENIED": "refused",
    "UNAVAILABLE": "silent",
    "DEADLINE_EXCEEDED": "silent",
}


@dataclass(frozen=True)
class LocalRay:
    """A Ray that runs on this machine: its address, a process of it, and whose that is."""

    address: str
    pid: int
    user: str

    @property
    def words(self) -> str:
        """The Ray in a message."""
        return f"{self.address} (process {self.pid} of {self.user})"


def reachable(address: str, instead: str = INSTEAD) -> str:
    """The address to give to Ray.

    Raises InputError, in one line that ends with what to do `instead`, where nothing there lets us in.
    """
    set_for_ray = os.environ.get("RAY_ADDRESS") or AUTO
    if address == AUTO and set_for_ray != AUTO:  # as Ray understands "auto"
        return reachable(set_for_ray, instead)
    if address == AUTO:
        return _on_this_machine(instead)
    if address == "local":
        return address
    if address.startswith("ray://"):
        if not _listens(address.removeprefix("ray://"), ANSWER_SECONDS):
            raise InputError(f"--address: no Ray answers at {address}; {instead}")
        return address
    answer = answer_of(address, ANSWER_SECONDS)
    if answer == "silent":
        raise InputError(f"--address: no Ray cluster answers at {address}; {instead}")
    if answer != "welcome":
        raise InputError(f"--address: the Ray at {address} {_REASONS[answer]}; {instead}")
    return address


def _on_this_machine(instead: str) -> str:
    """The address of a Ray of this machine that lets us in; of several, that of the last `ray start`."""
    found = {ray.address: ray for ray in local_rays()}
    started = current_cluster()
    candidates = sorted(found, key=lambda address: address != started)
    if started is not None and started not in found:  # on another machine, or in another container
        candidates.insert(0, started)
    told = []
    for address in candidates:
        answer = answer_of(address, RUNNING_SECONDS)
        if answer == "welcome":
            return address
        if answer != "silent":
            words = found[address].words if address in found else address
            told.append(f"{words}, which {_REASONS[answer]}")
    if told:
        raise InputError(
            "--address auto: expected a Ray of this machine that lets us in, "
            f"found {'; '.join(told)}; {instead}"
        )
    raise InputError(f"--address auto: expected a Ray on this machine, found none that answers; {instead}")


def local_rays() -> list[LocalRay]:
    """The Rays of this machine, whoever's, in the order of their addresses."""
    found: dict[str, LocalRay] = {}
    for process in psutil.process_iter(["pid", "username", "cmdline"]):
        for address in _addresses(process.info["cmdline"] or []):
            user = process.info["username"] or "an unknown user"
            found.setdefault(address, LocalRay(address, process.info["pid"], user))
    return [found[address] for address in sorted(found)]


def _addresses(command: list[str]) -> Iterator[str]:
    """The heads' addresses in the command line of a node's process; none in that of any other."""
    words = " ".join(command).split(" ")  # Ray may have renamed its process: all words in one then
    if os.path.basename(words[0]) != "raylet":
        return
    for word in words:
        if word.startswith(_FLAG) and ":" in word:
            yield word.removeprefix(_FLAG)


def answer_of(address: str, seconds: float) -> Answer:
    """How the head of a cluster at host:port takes us, who show the token that this environment has.

    "alone" where it answers on loopback, and not at the address that Ray puts in place of that; "silent"
    where nobody has answered for so long. Raises InputError for what is no host:port.
    """
    _host_and_port(address)
    seen = seen_by_ray(address)
    answer = _asked(seen, seconds)
    if answer == "silent" and seen != address and _listens(address, RUNNING_SECONDS):
        return "alone"
    return answer


def _asked(address: str, seconds: float) -> Answer:
    """What the head at this very address answers; one that starts just now is waited for."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return "welcome" if _listens(address, seconds) else "silent"
    import grpc

    headers = tuple((name.lower(), value) for name, value in token_headers().items())
    deadline = time.monotonic() + seconds
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ask = channel.unary_unary(_QUESTION)
        while True:
            left = deadline - time.monotonic()
            try:
                ask(b"", timeout=max(left, 0.1), metadata=headers)
                return "welcome"
            except grpc.RpcError as error:
                code = error.code().name
            if code not in _SAID_BY:
                return "welcome"  # for Ray to understand: another release may ask otherwise
            if code != "UNAVAILABLE" or left < _PAUSE_SECONDS:
                return _SAID_BY[code]
            time.sleep(_PAUSE_SECONDS)


def _listens(address: str, seconds: float) -> bool:
    """Whether anybody takes a connection at host:port."""
    try:
        with socket.create_connection(_host_and_port(address), timeout=seconds):
            return True
    except OSError:
        return False


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"--address: expected auto, host:port or ray://host:port, given {address!r}")
    return host.strip("[]"), int(port)
