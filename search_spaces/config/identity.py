"""What of a configuration makes its identity, and how a field is added without moving any id.

A trial's id is a hash of its canonical JSON. A field that was added after schema 2 is left out of that JSON
while it stands at its default, so that every configuration that could be written before keeps its id:

    kernel: Annotated[int, Field(ge=1), ADDED_LATER] = 3

For that the default must be what the program did before there was the field, and must never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class AddedLater:
    """The type of ADDED_LATER, the mark of a field that schema 2 did not have."""


ADDED_LATER = AddedLater()


def is_added_later(field: FieldInfo) -> bool:
    """Whether a model's field carries the mark."""
    return any(isinstance(mark, AddedLater) for mark in field.metadata)


def check_marks(model: type[BaseModel]) -> None:
    """Raise TypeError for a marked field without a default: there is nothing at which to leave it out."""
    for name, field in model.model_fields.items():
        if is_added_later(field) and field.is_required():
            raise TypeError(f"{model.__name__}.{name}: expected a default for a field that was added later")


def canonical(value: object) -> Any:
    """A configuration as plain JSON values, without marked fields at their defaults, at every depth.

    Raises TypeError for a value that has no one spelling in JSON, such as a set.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, BaseModel):
        return _fields(value)
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    raise TypeError(f"expected a value that JSON can hold, given {type(value).__name__}")


def _fields(model: BaseModel) -> dict[str, Any]:
    found = {}
    for name, defaults in _marks(type(model)):
        value = getattr(model, name)
        if value not in defaults:
            found[name] = canonical(value)
    return found


@cache
def _marks(model: type[BaseModel]) -> list[tuple[str, list[Any]]]:
    """A type's fields, each with the values at which it is left out: a marked field's default, else none."""
    found: list[tuple[str, list[Any]]] = []
    for name, field in model.model_fields.items():
        defaults = [field.get_default(call_default_factory=True)] if is_added_later(field) else []
        found.append((name, defaults))
    return found
