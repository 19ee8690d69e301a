"""What of a configuration makes its identity, and how a field is added without moving any id.

A trial's id is a hash of its canonical JSON. A field that was added after schema 2 is left out of that JSON,
and of everything that is stored, while it stands at its default, so that every configuration that could be
written before keeps its id and its files:

    kernel: Annotated[int, Field(ge=1), ADDED_LATER] = 3

For that the default must be what the program did before there was the field, and must never change.

A field that says nothing about a result (a label, a permission) is left out of every dump at any value:

    label: Annotated[str | None, NOT_IDENTITY] = None

So it is part of no id, of no cache's key and of nothing that is stored; who keeps it says where.
"""

from __future__ import annotations

import typing
from functools import partial

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class AddedLater:
    """The type of ADDED_LATER, the mark of a field that schema 2 did not have."""


ADDED_LATER = AddedLater()


class NotIdentity:
    """The type of NOT_IDENTITY, the mark of a field that no dump of a configuration holds."""


NOT_IDENTITY = NotIdentity()


def is_no_identity(field: FieldInfo) -> bool:
    """Whether a model's field is left out of every dump."""
    return any(isinstance(mark, NotIdentity) for mark in field.metadata)


def is_added_later(field: FieldInfo) -> bool:
    """Whether a model's field carries the mark."""
    return any(isinstance(mark, AddedLater) for mark in field.metadata)


def leave_out_defaults(model: type[BaseModel]) -> None:
    """Leave a type's marked fields out of dumps, at their defaults or always; before its schema is made."""
    for field in model.__pydantic_fields__.values():
        if is_no_identity(field):
            field.exclude = True
        if is_added_later(field) and not field.is_required():
            field.exclude_if = partial(_equal, field.get_default(call_default_factory=True))


def check_fields(model: type[BaseModel]) -> None:
    """Raise TypeError for a type whose values would have no one spelling in JSON.

    That is a marked field without a default, for there is nothing at which to leave it out, and a set.
    """
    for name, field in model.model_fields.items():
        if is_no_identity(field) and field.is_required():
            raise TypeError(f"{model.__name__}.{name}: expected a default for a field that no dump holds")
        if is_added_later(field) and field.is_required():
            raise TypeError(f"{model.__name__}.{name}: expected a default for a field that was added later")
        if _holds_a_set(field.annotation):
            raise TypeError(f"{model.__name__}.{name}: expected a type of one spelling in JSON, given a set")


def _equal(default: object, value: object) -> bool:
    return value == default


def _holds_a_set(annotation: object) -> bool:
    origin = typing.get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, set | frozenset):
        return True
    return any(_holds_a_set(argument) for argument in typing.get_args(annotation))
