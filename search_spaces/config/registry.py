"""The members of a kind as one type of field: ours, and those of plug-ins, looked up when they are said.

Our members are a union that pydantic tells apart by `name`. A name that is none of ours, and a mapping that
says its plug-in, is read by the registry: nothing is imported before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union, cast

from pydantic import ConfigDict, Discriminator, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema, core_schema

from search_spaces.config.kinds import OUR_PACKAGE, Kind, plugin_of
from search_spaces.config.plugins import Offer, Plugin, offers

# The tag of every member that is not ours; no name can be this.
PLUGIN_TAG = "plug-in"

K = TypeVar("K", bound=Kind)


class Registry(Generic[K]):
    """The members of one kind: ours, in the order in which lists name them, and those of plug-ins.

    base     what every member is a subclass of
    absent   a subclass of both `base` and `Absent`
    """

    def __init__(self, base: type[K], absent: type[K], *members: type[K]) -> None:
        self.base = base
        self.absent = absent
        self._own = {member.type_name(): member for member in members}

    def __iter__(self) -> Iterator[type[K]]:
        return iter(self._own.values())

    def offered(self) -> Iterator[tuple[Offer, str]]:
        """What installed packages offer, each with what is wrong with it in one line; "" where nothing is."""
        for same_name in offers(self.base.group).values():
            for offer in same_name:
                yield offer, self.fault(offer)

    def fault(self, offer: Offer) -> str:
        """What is wrong with one offer, in one line; "" where nothing is."""
        member, reason = offer.outcome
        if reason:
            return reason
        if not isinstance(member, type) or not issubclass(member, self.base):
            return f"{member!r} is no subclass of search_spaces.config.{self.base.__name__}"
        if member.type_name() != offer.name:
            return f"{member.__name__} has the name {member.type_name()!r}"
        if offer.name in self._own:
            return f"{OUR_PACKAGE}'s own {self._own[offer.name].__name__} has that name"
        others = [other.package for other in offers(offer.group)[offer.name] if other is not offer]
        if others:
            return f"{', '.join(others)} brings one of that name too"
        unsaid = [name for name in ("implementation", *self.base.told) if not hasattr(member, name)]
        return f"{member.__name__} lacks {', '.join(unsaid)}" if unsaid else ""

    def plugin(self, name: str) -> type[K]:
        """The plug-ins' member of that name.

        Raises ValueError with one line where none is installed, or something is wrong with it.
        """
        found = offers(self.base.group).get(name, ())
        if not found:
            raise ValueError(f"expected one of {', '.join(self._own)}, given {name}")
        fault = self.fault(found[0])
        if fault:
            raise ValueError(f"expected a {self.base.kind} by the {found[0]}, given none: {fault}")
        return cast("type[K]", found[0].outcome[0])

    def plugins(self) -> list[type[K]]:
        """The members of all plug-ins, but for those with which something is wrong."""
        return [self.plugin(offer.name) for offer, fault in self.offered() if not fault]

    def annotation(self) -> Any:
        """The type of a field that holds any member, told apart by `name`."""
        ours = tuple(Annotated[member, Tag(name)] for name, member in self._own.items())
        theirs = Annotated[Any, PluginMember(self), Tag(PLUGIN_TAG)]
        return Annotated[Union[(*ours, theirs)], Discriminator(self._tag)]

    def _tag(self, given: object) -> str | None:
        if isinstance(given, Mapping):
            name, comes_from = given.get("name"), given.get("plugin")
        elif isinstance(given, Kind):
            name, comes_from = given.name, given.plugin
        else:
            return next(iter(self._own))  # any of them says that a mapping was expected
        if comes_from is not None:
            return PLUGIN_TAG
        if not isinstance(name, str):
            return None
        return PLUGIN_TAG if name not in self._own and name in offers(self.base.group) else name

    def read(self, given: object, *, as_json: bool) -> K:
        """A plug-in's member from a mapping, or what stands for it where it cannot be had.

        Raises ValueError, and pydantic's ValidationError, for a mapping that is none of it.
        """
        if isinstance(given, self.base):
            return given
        if not isinstance(given, Mapping):
            raise ValueError("expected a mapping")
        name, said = str(given.get("name")), given.get("plugin")
        if said is None:
            return _validated(self.plugin(name), given, as_json)
        wanted = Plugin.model_validate(said)
        member = self._installed(name, wanted) or absent_type(self.absent, wanted)
        return _validated(member, given, as_json)

    def _installed(self, name: str, wanted: Plugin) -> type[K] | None:
        try:
            member = self.plugin(name)
        except ValueError:
            return None
        own = plugin_of(member)
        # A person who asks for a version does not write what else is stored with it.
        asked_for = own is not None and own.package == wanted.package and not wanted.model_extra
        return member if own == wanted or asked_for else None


class PluginMember:
    """Marks the place of plug-ins' members in a union; pydantic asks it how they are read."""

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by the registry; written as what it is."""

        def read(given: object, info: core_schema.ValidationInfo) -> Kind:
            member: Kind = self.registry.read(given, as_json=info.mode == "json")
            return member

        return core_schema.with_info_plain_validator_function(
            read, serialization=core_schema.simple_ser_schema("any")
        )


@cache
def absent_type(base: type[K], plugin: Plugin) -> type[K]:
    """The type of a member that is not installed: any fields, and what was stored about it."""
    stored = plugin.model_extra or {}
    said = {name: stored[name] for name in base.told if isinstance(stored.get(name), str | int)}
    namespace = {"__module__": base.__module__, "model_config": ConfigDict(extra="allow"), **said}
    return type(base.__name__, (base,), namespace)


def _validated(member: type[K], given: Mapping[str, Any], as_json: bool) -> K:
    if not as_json:
        return member.model_validate(given)
    return member.model_validate_json(json.dumps(given))  # JSON has lists where a configuration has tuples
