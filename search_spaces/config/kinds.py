"""Kinds whose members describe themselves: losses, models, sources, augmentations.

A member is a configuration type with a `name`. It says of itself what others would otherwise have to know
of it, and names what it stands for: `implementation`, "module:attribute", which the trainer resolves when it
is needed. So a new member is one type in one registry here, and one implementation there; or both in a
package of its own (see `search_spaces.config.plugins`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field, field_validator

from search_spaces.config.base import Frozen
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.plugins import Plugin, offers
from search_spaces.errors import InputError

# The field that nobody has to write; no key of a space names it.
FILLED_IN = "plugin"
OUR_PACKAGE = __name__.partition(".")[0]


class Kind(Frozen):
    """What the members of every kind have.

    kind             what it is, in a word: "loss"
    group            the group of entry points that bring further members
    told             class attributes that are stored with plug-ins' members, for readers without the plug-in
    implementation   "module:attribute" of what the member stands for
    name             tells the members of one kind apart in YAML and JSON
    plugin           which package brought the member; None for ours. It is filled in by itself
    """

    kind: ClassVar[str]
    group: ClassVar[str]
    told: ClassVar[tuple[str, ...]] = ()
    implementation: ClassVar[str]

    name: str
    plugin: Annotated[Plugin | None, Field(validate_default=True, repr=False), ADDED_LATER] = None

    @field_validator("plugin")
    @classmethod
    def _is_that_of_the_type(cls, given: Plugin | None) -> Plugin | None:
        own = plugin_of(cls)
        if given is not None and (own is None or given.package != own.package):
            raise ValueError(f"expected {_package(own)}, given {given.package}")
        return own

    @classmethod
    def type_name(cls) -> str:
        """The name that the type has by default, by which it is known."""
        name: str = cls.model_fields["name"].get_default()
        return name


class Absent(Kind):
    """A member of a plug-in that is not installed here, or not in that version: read as it was stored."""

    implementation: ClassVar[str] = ""

    plugin: Annotated[Plugin | None, Field(repr=False), ADDED_LATER] = None

    @field_validator("plugin")
    @classmethod
    def _is_that_of_the_type(cls, given: Plugin | None) -> Plugin | None:
        return given

    @property
    def lack(self) -> str:
        """What is missing, in words."""
        wanted = f"{self.kind} {self.name!r}: expected the plug-in {_package(self.plugin)}"
        found = offers(self.group).get(self.name, ())
        if not found:
            return f"{wanted}, which is not installed"
        reason = found[0].outcome[1]
        return f"{wanted}, found {found[0].package}" + (f" ({reason})" if reason else "")


@cache
def plugin_of(member: type[Kind]) -> Plugin | None:
    """Which package brings a type; None for one of ours, and for one that no entry point names."""
    if member.__module__.partition(".")[0] == OUR_PACKAGE:
        return None
    for offer in offers(member.group).get(member.type_name(), ()):
        if offer.outcome[0] is member:
            return Plugin(package=offer.package, **_facts(member))
    return None


def _facts(member: type[Kind]) -> dict[str, Any]:
    """The values of `told` that are not those of the kind itself."""
    base = next(parent for parent in member.__mro__ if "told" in vars(parent))
    found = {}
    for name in member.told:
        value = getattr(member, name)
        if value != getattr(base, name, None):
            found[name] = value
    return found


def members_of(config: object) -> Iterator[Kind]:
    """Every loss, model, source and augmentation in a configuration, or in a tuple of them."""
    if isinstance(config, Kind):
        yield config
    elif isinstance(config, BaseModel):
        for _, value in config:
            yield from members_of(value)
    elif isinstance(config, tuple):
        for value in config:
            yield from members_of(value)


def check_installed(config: object) -> None:
    """Raise InputError, naming them, where plug-ins of a configuration are not installed here."""
    lacks = [member.lack for member in members_of(config) if isinstance(member, Absent)]
    if lacks:
        raise InputError("; ".join(lacks))


def _package(plugin: Plugin | None) -> str:
    return "no plug-in" if plugin is None else plugin.package
