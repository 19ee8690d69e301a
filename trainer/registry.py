"""From the configuration of a loss, a model, a source or an augmentation to what it names."""

from __future__ import annotations

import importlib
from typing import Any

from search_spaces.config import Kind
from search_spaces.errors import InputError


def resolve(member: Kind) -> Any:
    """What the member's `implementation`, "module:attribute", names.

    Raises InputError, naming the member, where it cannot be imported.
    """
    module, _, attribute = member.implementation.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{member.kind} {member.name!r}: expected its implementation {member.implementation}, "
            f"could not import it: {error}"
        ) from error
