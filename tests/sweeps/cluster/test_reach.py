"""`--address`: what is found there is known within seconds, and said in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import Result

from search_spaces.errors import InputError
from sweeps.cluster import reach
from sweeps.cluster.reach import LocalRay, answer_of, local_rays, reachable
from sweeps.compat import current_cluster
from sweeps.options import RunOptions


class Head(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers as a cluster's head does, which wants this token; "" wants none."""

    def __init__(self, token: str) -> None:
        self.token = token

    def service(self, details: Any) -> Any:
        shown = dict(details.invocation_metadata).get("authorization")

        def answer(request: bytes, context: Any) -> bytes:
            if self.token and shown != f"Bearer {self.token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid or missing authentication token")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def head(token: str = "") -> Iterator[str]:
    """The address of a head that runs while the block does."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Head(token),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _no_ray_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(reach, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(reach, "seen_by_ray", lambda address: address)
    this_machine(monkeypatch)


def this_machine(monkeypatch: pytest.MonkeyPatch, *addresses: str, started: str | None = None) -> None:
    """Rays at these addresses, and what the last `ray start` wrote down."""
    rays = [LocalRay(address, 4711, "somebody") for address in addresses]
    monkeypatch.setattr(reach, "local_rays", lambda: rays)
    monkeypatch.setattr(reach, "current_cluster", lambda: started)


def with_token(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setattr(reach, "token_headers", lambda: {"Authorization": f"Bearer {token}"})


def test_a_head_answers_welcomes_or_refuses(monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    with head() as open_to_all, head("secret") as closed:
        assert answer_of(open_to_all, 5) == "welcome"
        assert answer_of(closed, 5) == "refused"
        with_token(monkeypatch, "secret")
        assert answer_of(closed, 5) == "welcome"
        with_token(monkeypatch, "another")
        assert answer_of(closed, 5) == "refused"
        # A proxy is no way to a head.
        monkeypatch.setenv("http_proxy", f"http://{nobody}")
        with_token(monkeypatch, "secret")
        assert answer_of(closed, 5) == "welcome"
    assert answer_of(nobody, 0.2) == "silent"


def test_a_head_that_starts_just_now_is_waited_for(nobody: str) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Head(""),))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(answer_of, nobody, 20.0)
        time.sleep(0.3)
        server.add_insecure_port(nobody)
        server.start()
        assert answer.result() == "welcome"
    server.stop(None).wait()


def test_auto_takes_the_ray_that_lets_us_in(monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    with head() as first, head() as second, head("secret") as closed:
        this_machine(monkeypatch, closed, first)
        assert reachable("auto") == first
        # Of several that of the last `ray start`.
        this_machine(monkeypatch, *sorted((first, second)), started=second)
        assert reachable("auto") == second
        # One that `ray start` wrote down and that was killed since is in nobody's way.
        this_machine(monkeypatch, first, started=nobody)
        assert reachable("auto") == first
        monkeypatch.setenv("RAY_ADDRESS", second)
        assert reachable("auto") == second


def test_auto_says_who_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with head("secret") as closed:
        this_machine(monkeypatch, closed)
        with pytest.raises(
            InputError, match=f"found {closed} \\(process 4711 of somebody\\), which wants a token"
        ):
            reachable("auto")


def test_auto_says_who_listens_on_loopback_alone(monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    """Such as the Ray of another sweep: where Ray looks for it nobody answers."""
    monkeypatch.setattr(reach, "seen_by_ray", lambda address: nobody)
    with head() as other:
        this_machine(monkeypatch, other)
        with pytest.raises(InputError) as caught:
            reachable("auto")
        assert f"found {other} (process 4711 of somebody), which listens on loopback alone" in str(
            caught.value
        )
        with pytest.raises(InputError, match="listens on loopback alone"):
            reachable(other)


def test_auto_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    for started in (None, nobody):
        this_machine(monkeypatch, started=started)
        with pytest.raises(InputError, match="found none that answers"):
            reachable("auto")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("{nobody}", "no Ray cluster answers at {nobody}"),
        ("ray://{nobody}", "no Ray answers at ray://{nobody}"),
        ("head", "expected auto, host:port or ray://host:port, given 'head'"),
        ("head:ray", "given 'head:ray'"),
        ("head:0", "given 'head:0'"),
    ],
)
def test_bad_addresses(nobody: str, address: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        reachable(address.format(nobody=nobody))
    assert message.format(nobody=nobody) in str(caught.value)


def test_an_empty_variable_names_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert RunOptions().cluster_address is None


@pytest.mark.parametrize("address", ["local", "", " "])
def test_a_ray_of_the_sweep_s_own_is_no_cluster(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert RunOptions(address=address).cluster_address is None
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert RunOptions().cluster_address is None


def test_an_address_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray" / "ray_current_cluster").mkdir(parents=True)  # in the way of root, too
    assert current_cluster() is None


def test_one_that_takes_connections_and_says_nothing_is_waited_for_no_longer() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        assert answer_of(f"127.0.0.1:{mute.getsockname()[1]}", 0.5) in ("silent", "alone")


def test_a_ray_is_known_by_its_node_s_process() -> None:
    address = "127.0.0.1:54321"
    command = ["raylet", "-c", f"read line; true --gcs-address={address}"]
    process = subprocess.Popen(command, executable="/bin/sh", stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while not (found := [ray for ray in local_rays() if ray.address == address]):
            assert time.monotonic() < deadline
        assert found[0].pid == process.pid
    finally:
        process.communicate()


def test_a_run_beside_a_ray_that_refuses_ends_in_one_line(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with head("secret") as closed:
        this_machine(monkeypatch, closed)
        done = cli("run", "demo", "--address", "auto", "--no-tracking", "--output", tmp_path / "out")
        monkeypatch.setenv("RAY_ADDRESS", "auto")
        by_variable = cli("run", "demo", "--no-tracking", "--output", tmp_path / "out")
    for result in (done, by_variable):
        assert result.exit_code == 2, result.output
        (line,) = result.stderr.strip().splitlines()
        assert "--address auto: expected a Ray of this machine that lets us in" in line
    assert os.environ["RAY_ADDRESS"] == "auto"
