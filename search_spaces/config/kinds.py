"""Kinds whose members describe themselves: losses, models, sources, augmentations.

A member is a configuration type with a `name`. It says of itself what others would otherwise have to know
of it, and names what it stands for: `implementation`, "module:attribute", which the trainer resolves when it
is needed. So a new member is one type in one registry here, and one implementation there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Generic, TypeVar, Union

from pydantic import Field

from search_spaces.config.base import Frozen


class Kind(Frozen):
    """What the members of every kind have.

    kind             what it is, in a word: "loss"
    implementation   "module:attribute" of what the member stands for
    name             tells the members of one kind apart in YAML and JSON
    """

    kind: ClassVar[str]
    implementation: ClassVar[str]

    name: str


K = TypeVar("K", bound=Kind)


class Registry(Generic[K]):
    """The members of one kind, in the order in which lists name them."""

    def __init__(self, *members: type[K]) -> None:
        self.members = members

    def __iter__(self) -> Iterator[type[K]]:
        return iter(self.members)

    def annotation(self) -> Any:
        """The type of a field that holds any member, told apart by `name`."""
        return Annotated[Union[self.members], Field(discriminator="name")]  # noqa: UP007
