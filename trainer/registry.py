"""From a configuration to what it names: "package.module:attribute", imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from search_spaces.config import Absent, Kind
from search_spaces.errors import InputError


def resolve(implementation: str) -> Any:
    """The object that an implementation's name stands for.

    Raises ImportError or AttributeError where there is none.

    >>> resolve("math:floor")(2.5)
    2
    """
    module, _, attribute = implementation.partition(":")
    return getattr(importlib.import_module(module), attribute)


def implementation_of(member: Kind) -> Any:
    """What a loss, a model, a source or an augmentation names as its implementation.

    Raises InputError, naming the member, where it cannot be imported, and for one that is not installed.
    """
    if isinstance(member, Absent):
        raise InputError(member.lack)
    try:
        return resolve(member.implementation)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{member.kind} {member.name!r}: expected its implementation {member.implementation}, "
            f"could not import it: {error}"
        ) from error
