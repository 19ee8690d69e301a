"""Plain names: those that can name a folder or a file on every storage, and lead nowhere else."""

from __future__ import annotations

import re
from typing import TypeGuard

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def is_plain_name(name: object) -> TypeGuard[str]:
    """Whether a name has letters, digits and `_ . -` only, and a letter or digit in front.

    >>> [is_plain_name(name) for name in ("my-sweep_2.1", ".hidden", "a/b", "", 7)]
    [True, False, False, False, False]
    """
    return isinstance(name, str) and _PLAIN.fullmatch(name) is not None
