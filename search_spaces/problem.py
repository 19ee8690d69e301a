"""What is wrong at one place of a space, in the words of its author; pydantic's findings turned into that."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from search_spaces.config.kinds import FILLED_IN
from search_spaces.config.registry import PLUGIN_TAG, PluginMember
from search_spaces.words import did_you_mean

_LONGEST = 80

# pydantic's error types in the words "expected ...", filled from the error's context.
_EXPECTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "too_short": "a list of at least {min_length}",
    "string_too_short": "text of at least one character",
    "string_pattern_mismatch": "text that matches {pattern}",
    "missing": "a value",
}


class Problem(Exception):
    """Something wrong at `path` below the value at hand: what was expected and what was given.

    `more` counts further problems of the same value that are not said. `hint` ends the message: "; did you
    mean ...?".
    """

    def __init__(self, path: str, expected: str, given: str, more: int = 0, hint: str = "") -> None:
        super().__init__(path, expected, given, more, hint)
        self.path = path
        self.expected = expected
        self.given = given
        self.more = more
        self.hint = hint

    def at(self, path: str) -> Problem:
        """The same problem under another path."""
        return Problem(path, self.expected, self.given, self.more, self.hint)

    def __str__(self) -> str:
        more = f" (and {self.more} more)" if self.more else ""
        # A key of a file may hold anything: line ends, characters that command a terminal.
        place = f"{json.dumps(self.path, ensure_ascii=False)[1:-1]}: " if self.path else ""
        return f"{place}expected {self.expected}, given {self.given}{self.hint}{more}"


def unknown_key(path: str, key: object, known: Sequence[str], meant: Iterable[str] = ()) -> Problem:
    """That a key is none of the known ones; `meant` are those it may have been, where they are others."""
    hint = did_you_mean(key, [*known, *meant])
    return Problem(path, f"a known key ({', '.join(known)})", shown(key), hint=hint)


def unknown_value(path: str, value: object, known: Sequence[str], words: str = "one of {}") -> Problem:
    """That a value is none of the known names, in these words, and which of them is near."""
    expected = words.format(", ".join(known))
    return Problem(path, expected, shown(value), hint=did_you_mean(value, known))


def join(prefix: str, path: str) -> str:
    """A key path below another.

    >>> join("grid", "loss[1]"), join("loss", "[1]"), join("", "loss")
    ('grid.loss[1]', 'loss[1]', 'loss')
    """
    if not prefix or not path or path.startswith("["):
        return prefix + path
    return f"{prefix}.{path}"


def shown(value: object) -> str:
    """A given value as one short line, as JSON writes it; `nothing` for null."""
    if value is None:
        return "nothing"
    try:
        text = json.dumps(value, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def quotes_hint(value: object) -> str:
    """How a value is written as text, where it is one that a file gives without quotes; else "".

    >>> quotes_hint(1.5), quotes_hint(True), quotes_hint("a"), quotes_hint([1])
    ('; in quotes it is text', '; in quotes it is text', '', '')
    """
    return "; in quotes it is text" if value is None or isinstance(value, bool | int | float) else ""


def from_validation(error: ValidationError, value: object, annotation: object) -> Problem:
    """The first finding of pydantic on `value`, validated as `annotation`; findings elsewhere are counted.

    Findings of a union's members on one place are joined by "or". An unknown key goes first, and then no
    value counts as missing: it is what the key was to say.
    """
    findings = _without_lists_of_wrong_values(error.errors(include_url=False))
    findings = _of_nearest_members(findings, value, annotation)
    unknown = [finding for finding in findings if finding["type"] == "extra_forbidden"]
    if unknown:
        others = [finding for finding in findings if finding["type"] not in ("extra_forbidden", "missing")]
        findings = unknown + others
    problems = [_problem(finding, value, annotation) for finding in findings]
    first = problems[0]
    expected = dict.fromkeys(p.expected for p in problems if p.path == first.path)
    more = len({p.path for p in problems}) - 1
    hint = next((p.hint for p in problems if p.path == first.path and p.hint), "")
    return Problem(first.path, " or ".join(expected), first.given, more, hint)


def models_in(annotation: object, *, plugins: bool = True) -> list[type[BaseModel]]:
    """The pydantic models in an annotation, unions and `Annotated` opened; those of plug-ins, or without."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, PluginMember):
        return list(annotation.registry.plugins()) if plugins else []
    found = []
    for argument in typing.get_args(annotation):
        found += models_in(argument, plugins=plugins)
    return found


def _without_lists_of_wrong_values(findings: Sequence[Any]) -> list[Any]:
    """The findings but for lists that are too short only because values in them are wrong."""
    found = []
    for finding in findings:
        place = finding["loc"]
        is_of_values = any(len(f["loc"]) > len(place) and f["loc"][: len(place)] == place for f in findings)
        if finding["type"] != "too_short" or not is_of_values:
            found.append(finding)
    return found


def _of_nearest_members(findings: Sequence[Any], value: object, annotation: object) -> list[Any]:
    """Of a union without names, where it was given a mapping, the findings of the members that fit it best.

    Those are the members to which the fewest of the mapping's keys are unknown.
    """
    places = [_member_place(finding["loc"], value, annotation) for finding in findings]
    unknown: dict[tuple[Any, ...], dict[object, int]] = {}
    for finding, place in zip(findings, places, strict=True):
        if place is not None and not _is_literal(finding["loc"][place]):
            members = unknown.setdefault(finding["loc"][:place], {})
            member = finding["loc"][place]
            members[member] = members.get(member, 0) + (finding["type"] == "extra_forbidden")
    found = []
    for finding, place in zip(findings, places, strict=True):
        members = {} if place is None else unknown.get(finding["loc"][:place], {})
        if not members or members.get(finding["loc"][place]) == min(members.values()):
            found.append(finding)
    return found


def _member_place(location: Sequence[int | str], value: object, annotation: object) -> int | None:
    """Where in a location a member of a union without names stands, of a mapping; None where none does."""
    for place, step in enumerate(location):
        _, given, models = _walk(location[:place], value, annotation)
        is_member = bool(_members(models, step)) or _is_literal(step)
        if isinstance(given, Mapping) and step not in given and is_member:
            return place
    return None


def _is_literal(step: object) -> bool:
    """Whether a step of a location stands for a union's plain values."""
    return str(step).startswith("literal[")


def _members(models: Sequence[type[BaseModel]], step: object) -> list[type[BaseModel]]:
    """The model that a step of a location names: "PowerSampler", "function-after[_check(), PowerSampler]"."""
    name = str(step).rstrip("]").rpartition(" ")[2]
    return [model for model in models if model.__name__ == name]


def _problem(finding: Any, value: object, annotation: object) -> Problem:
    kind, context = finding["type"], finding.get("ctx", {})
    path, given, models = _walk(finding["loc"], value, annotation)
    if kind == "value_error":
        # What concerns several fields names the one that it expects otherwise: "loss: expected ...".
        below, _, expected = str(context["error"]).rpartition("expected ")
        expected, _, text = expected.partition(", given ")
        return Problem(join(path, below.removesuffix(": ")), expected, text or shown(given))
    if kind == "extra_forbidden":
        _, _, owners = _walk(finding["loc"][:-1], value, annotation)
        known: dict[str, object] = {}
        for owner in owners:
            known |= owner.model_fields
        known.pop(FILLED_IN, None)
        return unknown_key(path, finding["loc"][-1], list(known))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        names = [_tag(model) for model in models]
        key = "task" if "name" not in models[0].model_fields else "name"
        return unknown_value(join(path, key), context.get("tag"), names)
    if kind in _EXPECTED:
        limits = dict(context)
        for key, limit in context.items():
            if isinstance(limit, float):
                limits[key] = f"{limit:g}"
        # Of names that a field may have, the message lists them between quotes.
        hint = did_you_mean(given, re.findall("'([^']*)'", str(context.get("expected", ""))))
        if kind == "string_type":
            hint = quotes_hint(given)
        return Problem(path, _EXPECTED[kind].format(**limits), shown(given), hint=hint)
    return Problem(path, finding["msg"].removeprefix("Input should be "), shown(given))


def _walk(
    location: Sequence[int | str], value: object, annotation: object
) -> tuple[str, object, list[type[BaseModel]]]:
    """Path, value and possible types at a location, which also holds union tags and member names."""
    path, models, tagged = "", models_in(annotation), False
    for step in location:
        if isinstance(value, Mapping):
            tags = {_tag(model) for model in models}
            # A member of a union may have a field of its own name: the source "folder".
            own_name = len(models) > 1 and value.get("name") == step
            if not tagged and (step not in value or own_name) and step in (*tags, PLUGIN_TAG):
                tag = value.get("name") if step == PLUGIN_TAG else step
                models = [model for model in models if _tag(model) == tag]
                tagged = True
                continue
            tagged = False
            if step not in value and (members := _members(models, step)):
                models = members
                continue
            field = str(step)
            path, value = join(path, field), value.get(field)
            owners, models = models, []
            for owner in owners:
                models += models_in(_annotation(owner, field))
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(step, int):
            # A list that is too short lacks what stands there.
            path, value = f"{path}[{step}]", value[step] if step < len(value) else None
        else:
            break
    return path, value, models


def _tag(model: type[BaseModel]) -> str:
    """What tells a member of a union from the others: its name, or the kind of a task; else ""."""
    if "name" in model.model_fields:
        return str(model.model_fields["name"].default)
    return str(getattr(model, "kind", ""))


def _annotation(model: type[BaseModel], field: str) -> object:
    return model.model_fields[field].annotation if field in model.model_fields else None


def _plain(value: object) -> object:
    return value.model_dump() if isinstance(value, BaseModel) else repr(value)
