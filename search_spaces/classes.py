"""Classes by their names: a task as a person writes it, with the numbers that its source has for them.

    negative: [dog, cat]        # of CIFAR: 5, 3
    positive: [people]          # a superclass of CIFAR-100: its five classes
    negative: rest              # every class that is not listed otherwise
    classes: [rest, 8, 9]       # several classes: likewise, and then the rarest

Names become what the source's files have before anything else is done with them, so a trial that is written
by names is the trial that is written by numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search_spaces.config import Classes, ClassLabel, Source, SourceConfig
from search_spaces.config.tasks.registered import task_type
from search_spaces.problem import Problem, shown
from search_spaces.words import did_you_mean

REST = "rest"

_SOURCE: TypeAdapter[Source] = TypeAdapter(SourceConfig)


def with_labels(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a task, the names of classes replaced by their labels.

    Where the source is not known, they are left as they are. Raises Problem below the task for a name that
    the source has not, and for `rest` where it does not know its classes.
    """
    fields = dict(tree)
    try:
        source = _SOURCE.validate_python(fields.get("source"))
    except ValidationError:
        return fields  # the source is what is wrong, and is said when the task is validated
    roles = task_type(fields).roles
    told = source.classes_told
    for role in roles:
        if role in fields:
            fields[role] = _replaced(role, fields[role], told)
    for role, others in roles.items():
        given = fields.get(role)
        if isinstance(given, tuple) and _has_rest(given, told):
            named = [fields.get(other) for other in others]
            fields[role] = _with_rest(role, given, named, source)
    return fields


def _replaced(role: str, given: object, told: Classes) -> object:
    """A role's list with labels in place of names; `rest` stays, and stands in a list."""
    if given == REST:
        return (REST,)
    if not isinstance(given, list | tuple) or not told.names:
        return given
    found: list[Any] = []
    for i, one in enumerate(given):
        if not isinstance(one, str) or one == REST or one in told.every:
            found.append(one)
            continue
        labels = told.labels(one)
        if not labels:
            words = [*told.words(), REST]
            expected = f"a class by its number or its name ({_listed(words)})"
            raise Problem(f"{role}[{i}]", expected, shown(one), hint=did_you_mean(one, words))
        found += labels
    return tuple(found)


def _has_rest(given: tuple[Any, ...], told: Classes) -> bool:
    """Whether `rest` stands in a list as more than the name of a class."""
    if REST not in given or REST in told.every:
        return False
    return bool(told.every) or given == (REST,)


def _with_rest(
    role: str, given: tuple[Any, ...], named: list[object], source: Source
) -> tuple[ClassLabel, ...]:
    """A role's list with the classes in place of `rest` that none of the lists names."""
    every = source.classes_told.every
    if not every:
        expected = f"the names of the classes (which there are, {source.title} tells only when it is read)"
        raise Problem(role, expected, REST)
    if not named:
        raise Problem(role, "the classes one by one", REST)
    taken: list[Any] = []
    for one in named:
        if isinstance(one, tuple):
            taken += one
    if taken.count(REST) > 1:
        raise Problem(role, f"{REST} once", "twice")
    left = [label for label in every if label not in taken]
    found: list[ClassLabel] = []
    for one in given:
        found += left if one == REST else [one]
    return tuple(found)


def _listed(words: list[str], most: int = 24) -> str:
    """Names in a message; of many the first ones."""
    if len(words) <= most:
        return ", ".join(words)
    return f"{', '.join(words[:most])} and {len(words) - most} more"
