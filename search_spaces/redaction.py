"""Text that may be shown, logged or stored: without secrets, without characters that command a terminal."""

from __future__ import annotations

import os
import re

# What a URI says before its host, to the last "@" of the word: a password may hold "/", ":" and "@".
_USER_INFO = re.compile(r"://[^\s@]*@(?:[^\s@]*@)*")
_NAMED = re.compile(
    r"(?i)\b([a-z_-]*(?:password|passwd|secret|token|api_?key|access_key|signature)[a-z_-]*=)[^&\s'\"]+"
)
_SECRET_NAME = re.compile(r"(?i)PASSW|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_KEY")
_PLACE_NAME = re.compile(r"(?i)(FILE|PATH|DIR|URI|URL|MODE|USERNAME)$")
_PASSWORD = re.compile(r"://[^\s/:@]*:(\S+)@")
# A shorter secret would take harmless words with it.
_SHORTEST = 8
HIDDEN = "[hidden]"


def redacted(text: str) -> str:
    """The text without users and passwords of URIs, named secrets, and values of the environment's secrets.

    >>> redacted("postgresql://me:p/w@host/db is away; password=abc")
    'postgresql://host/db is away; password=[hidden]'
    """
    for secret in _environment_secrets():
        text = text.replace(secret, HIDDEN)
    return _NAMED.sub(rf"\g<1>{HIDDEN}", _USER_INFO.sub("://", text))


def has_credentials(uri: str) -> bool:
    """Whether a URI names a user or a password before its host, or a secret in its query.

    A password that holds a slash ends what a parser takes for the host, so more than that is looked at.

    >>> has_credentials("s3://KEY:se/cret@bucket/folder"), has_credentials("s3://bucket/a@b")
    (True, False)
    """
    rest, _, query = uri.partition("://")[2].partition("?")
    host = rest.partition("/")[0]
    return "@" in host or (":" in host and "@" in rest) or _NAMED.search(query) is not None


def printable(text: str) -> str:
    """The text without control and format characters (escapes, direction overrides); line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _environment_secrets() -> list[str]:
    """Values of the environment's variables that hold secrets, the longest first."""
    found = {
        value
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and not _PLACE_NAME.search(name)
    }
    found.update(match[1] for value in os.environ.values() if (match := _PASSWORD.search(value)))
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)
