"""A hash inside a JSON file, by which flipped bits are told: of all its other content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from search_spaces.errors import DamagedError

_KEY = "sha256"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file with its hash in it.

    >>> sealed({"name": "a"})["sha256"][:8]
    '278ce8df'
    """
    return {**content, _KEY: _hash(content)}


def check_seal(content: Mapping[str, Any], where: str) -> None:
    """Raise DamagedError where a file's content, called `where`, is not that which was sealed.

    One without a hash, of an earlier version, is taken as it is.
    """
    if _KEY in content and content[_KEY] != _hash(content):
        raise DamagedError(f"{where}: damaged: its content differs from its hash")


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps({key: content[key] for key in sorted(content) if key != _KEY})
    return hashlib.sha256(text.encode()).hexdigest()
