"""A Ray that does not start, or does not take us in, is one line and nothing else."""

from __future__ import annotations

import pytest
import ray

from search_spaces.errors import AlmsweepError, InputError, RayError
from sweeps.cluster import ray_session
from sweeps.options import RunOptions


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def init(**_: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray_session, "reachable", lambda address: address)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Exception("The current node timed out during startup.\nThis could happen"), "run it again"),
        (OSError("AF_UNIX path length cannot exceed 107 bytes: /long"), "shorter path in RAY_TMPDIR"),
        (PermissionError(13, "Permission denied", "/tmp/ray"), "folder of your own in RAY_TMPDIR"),
        (ConnectionError("no GCS"), "Ray did not start on this machine: no GCS"),
        (RuntimeError(""), "RuntimeError"),
    ],
)
def test_a_ray_of_our_own_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    failing(monkeypatch, error)
    with pytest.raises(RayError) as raised, ray_session.ray_session(RunOptions()):
        raise AssertionError("no Ray started")
    assert said in str(raised.value)
    assert str(raised.value).startswith("Ray did not start on this machine: ")
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 1


def test_a_ray_that_takes_too_long_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []

    def init(**_: object) -> None:
        starts.append(1)
        if len(starts) < 3:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    with ray_session.ray_session(RunOptions()) as resources:
        assert resources == {"CPU": 2.0}
    assert len(starts) == 3


@pytest.mark.parametrize("error", [ConnectionError("away"), RuntimeError("Version mismatch:\nRay 2.9")])
def test_a_cluster_that_does_not_take_us(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    failing(monkeypatch, error)
    with pytest.raises(AlmsweepError) as raised, ray_session.ray_session(RunOptions(address="host:1234")):
        raise AssertionError("no Ray took us in")
    assert isinstance(raised.value, InputError)
    assert "host:1234" in str(raised.value)
    assert "\n" not in str(raised.value)
