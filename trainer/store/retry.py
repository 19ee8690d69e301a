"""Storage that fails or is full for a while: what is tried again, how often, and when it is given up."""

from __future__ import annotations

import errno
import logging
import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from search_spaces.errors import InputError

log = logging.getLogger(__name__)

SECONDS_VARIABLE = "ALMSWEEP_STORE_RETRY_SECONDS"
DEFAULT_SECONDS = 60.0
_PERMANENT = frozenset(
    {
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.EINVAL,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EFBIG,
    }
)
# What object storage says when no repetition helps; pyarrow puts it into an OSError without a number.
_DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|UNRECOGNIZED_CLIENT|INVALID_CLIENT_TOKEN"
    r"|MISSING_AUTHENTICATION_TOKEN|PERMISSION_DENIED|UNAUTHENTICATED|HTTP status 40[13]"
)
# pyarrow's word for a folder where a file is expected, without a number.
_FOLDER = re.compile(r"is a directory", re.IGNORECASE)
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|Bucket '[^']*' not found|HTTP status 404")

T = TypeVar("T")


def is_denied(error: OSError) -> bool:
    """Whether the storage refused access."""
    return error.errno in (errno.EACCES, errno.EPERM) or bool(_DENIED.search(str(error)))


def is_folder(error: OSError) -> bool:
    """Whether there is a folder where a file was expected."""
    return error.errno == errno.EISDIR or bool(_FOLDER.search(str(error)))


def is_missing_bucket(error: OSError) -> bool:
    """Whether object storage said that the bucket does not exist."""
    return error.errno is None and bool(_NO_BUCKET.search(str(error)))


def is_transient(error: OSError) -> bool:
    """Whether the same call may succeed later: a full disk, a timeout, throttling, a lost connection."""
    if error.errno is not None:
        return error.errno not in _PERMANENT
    return not (is_denied(error) or is_missing_bucket(error) or is_folder(error))


def _seconds_from_environment() -> float:
    text = os.environ.get(SECONDS_VARIABLE, str(DEFAULT_SECONDS))
    try:
        return max(float(text), 0.0)
    except ValueError:
        raise InputError(f"{SECONDS_VARIABLE}: expected a number of seconds, given {text!r}") from None


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with jitter, bounded in tries and in time.

    The pauses before the tries 2, 3, 4, … grow as 1 : 2 : 4 : …, and add up to at most `seconds`; each is
    shortened at random by up to half, so that trials that failed together do not come back together. No try
    begins later than `seconds` after the first one failed. `sleep` is how a pause is passed.
    """

    tries: int = 5
    seconds: float = field(default_factory=_seconds_from_environment)
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep, repr=False, compare=False)

    def call(self, what: str, action: Callable[[], T]) -> T:
        """The action's value. Raises the OSError of the last try; one that is not transient at once."""
        generator = random.SystemRandom()
        deadline: float | None = None
        for attempt in range(1, self.tries + 1):
            try:
                return action()
            except OSError as error:
                now = time.monotonic()
                deadline = now + self.seconds if deadline is None else deadline
                pause = self._longest_pause(attempt) * generator.uniform(0.5, 1.0)
                if attempt == self.tries or not is_transient(error) or now + pause > deadline:
                    raise
                log.warning("%s: %s; trying again in %.1f s", what, error, pause)
                self.sleep(pause)
        raise ValueError(f"expected at least one try, given {self.tries}")

    def _longest_pause(self, attempt: int) -> float:
        return self.seconds * 2.0 ** (attempt - 1) / max(2.0 ** (self.tries - 1) - 1, 1.0)


ONCE = Retry(tries=1, seconds=0.0)
