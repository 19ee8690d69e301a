"""What is tried again, how long, and when it is given up."""

from __future__ import annotations

import errno

import pytest

from search_spaces.errors import InputError
from trainer.store.retry import ONCE, Retry, is_denied, is_missing_bucket, is_transient

FULL = OSError(errno.ENOSPC, "No space left on device")
S3_MISSING = OSError("When listing: AWS Error NO_SUCH_BUCKET during ListObjectsV2 operation: no such bucket")
S3_DENIED = OSError("When reading: AWS Error ACCESS_DENIED during HeadObject operation: No response body.")
S3_SLOW = OSError("When reading: AWS Error SLOW_DOWN during PutObject operation: Please reduce your rate")
S3_GONE = OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were made; the clock stands still but for them."""
    made: list[float] = []
    monkeypatch.setattr("time.sleep", made.append)
    monkeypatch.setattr("time.monotonic", lambda: sum(made))
    return made


class Failing:
    def __init__(self, times: int, error: OSError = FULL) -> None:
        self.times, self.error, self.calls = times, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "value"


def test_success_needs_no_pause(pauses: list[float]) -> None:
    assert Retry().call("x", Failing(0)) == "value"
    assert pauses == []


def test_pauses_grow_and_end_within_the_time(pauses: list[float]) -> None:
    action = Failing(4)
    assert Retry(tries=5, seconds=60).call("x", action) == "value"
    longest = [4.0, 8.0, 16.0, 32.0]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))


def test_pauses_differ_between_calls(pauses: list[float]) -> None:
    for _ in range(3):
        Retry(tries=2, seconds=60).call("x", Failing(1))
    assert len(set(pauses)) == 3


def test_the_last_error_is_raised(pauses: list[float]) -> None:
    action = Failing(99)
    with pytest.raises(OSError, match="No space left"):
        Retry(tries=5).call("x", action)
    assert (action.calls, len(pauses)) == (5, 4)


def test_slow_failures_end_within_the_time_too(pauses: list[float]) -> None:
    def hangs() -> str:
        pauses.append(25.0)
        raise TimeoutError(errno.ETIMEDOUT, "timed out")

    with pytest.raises(TimeoutError):
        Retry(tries=50, seconds=60).call("x", hangs)
    assert sum(pauses) <= 60 + 2 * 25


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "no"), OSError(errno.EROFS, "no"), S3_MISSING, S3_DENIED]
)
def test_what_cannot_pass_is_not_tried_again(pauses: list[float], error: OSError) -> None:
    action = Failing(99, error)
    with pytest.raises(OSError, match=r".") as caught:
        Retry().call("x", action)
    assert caught.value is error
    assert action.calls == 1


@pytest.mark.parametrize(
    "error", [FULL, OSError(errno.EIO, "io"), TimeoutError(errno.ETIMEDOUT, "t"), S3_SLOW, S3_GONE]
)
def test_what_passes_is_transient(error: OSError) -> None:
    assert is_transient(error)
    assert not is_denied(error)
    assert not is_missing_bucket(error)


def test_once_is_once(pauses: list[float]) -> None:
    with pytest.raises(OSError, match="No space left"):
        ONCE.call("x", Failing(1))
    assert pauses == []


def test_seconds_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMSWEEP_STORE_RETRY_SECONDS", "5")
    assert Retry().seconds == 5
    monkeypatch.setenv("ALMSWEEP_STORE_RETRY_SECONDS", "soon")
    with pytest.raises(InputError, match="expected a number of seconds, given 'soon'"):
        Retry()
