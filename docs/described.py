"""What types and docstrings say of themselves, for the reference pages (`docs.reference`).

A meaning is written once: in the docstring of the type, function or module that it belongs to, as a line

    name   what it means
           and its second line
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Sequence

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from search_spaces.config.kinds import FILLED_IN
from search_spaces.problem import models_in

_ENTRY = re.compile(r"(?P<name>[\w./<>-]+)   *(?<=  )(?P<text>\S.*)")
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false"}
_LIMITS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}


def meanings(documented: object) -> dict[str, str]:
    """The meaning of each name in a docstring's table; of a class those of its parents too."""
    if isinstance(documented, type):
        found: dict[str, str] = {}
        for parent in reversed(documented.__mro__):
            if parent.__module__.partition(".")[0] != "builtins" and "__doc__" in vars(parent):
                found |= meanings_in(vars(parent)["__doc__"] or "")
        return found
    return meanings_in(inspect.getdoc(documented) or "")


def meanings_in(text: str) -> dict[str, str]:
    """The entries of a docstring's table: lines that begin with a name, two spaces behind it.

    >>> meanings_in("A thing.\\n\\n    size   how large\\n           it is\\n    no entry")
    {'size': 'how large it is'}
    """
    found: dict[str, str] = {}
    name, column = "", 0
    for line in inspect.cleandoc(text).splitlines():
        entry = _ENTRY.fullmatch(line)
        indent = len(line) - len(line.lstrip())
        if entry is not None:
            name, column = entry["name"], entry.start("text")
            found[name] = entry["text"]
        elif name and line.strip() and indent == column:
            found[name] += f" {line.strip()}"
        else:
            name = ""
    return found


def summary(documented: object, paragraphs: int | None = None) -> str:
    """A docstring's text in front of its first table or example, or its first paragraphs, as one line."""
    kept: list[str] = []
    for line in (inspect.getdoc(documented) or "").splitlines():
        if _ENTRY.fullmatch(line) or line.startswith(">>>"):
            break
        if not line.strip() and paragraphs is not None and kept.count("") == paragraphs - 1:
            break
        kept.append(line.strip())
    return " ".join(" ".join(kept).split())


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields that a person may write; that by which members are told apart is none of them."""
    found = {}
    for name, field in model.model_fields.items():
        is_tag = name in ("name", "task") and typing.get_origin(field.annotation) is typing.Literal
        if name != FILLED_IN and not is_tag:
            found[name] = field
    return found


def type_words(field: FieldInfo) -> str:
    """A field's type and range in words: "whole number, at least 1, or none"."""
    limits = _limits(field.metadata)
    for mark in field.metadata:
        least = getattr(mark, "min_length", None)
        if least is not None and typing.get_origin(field.annotation) is tuple:
            limits.append(f"{least} or more of them")
    words = [_words(part) for part in _alternatives(field.annotation)]
    told = " or ".join(dict.fromkeys(word for word in words if word != "none"))
    said = ", ".join([told, *limits])
    return f"{said}; or none" if "none" in words else said


def _limits(metadata: Sequence[object]) -> list[str]:
    """The range that marks of a type say, its lower end first."""
    marks: list[object] = []
    for mark in metadata:
        marks += [mark, *getattr(mark, "metadata", ())]
    found = []
    for name, words in _LIMITS.items():
        found += [words.format(_number(getattr(mark, name))) for mark in marks if hasattr(mark, name)]
    return found


def default_words(field: FieldInfo) -> str:
    """A field's default as YAML has it; "required" where it has none."""
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined or field.is_required():
        return "required"
    if default is None:
        return "none"
    if isinstance(default, BaseModel):
        given = ", ".join(f"{key}: {_literal(value)}" for key, value in default.model_dump().items())
        return f"`{{{given}}}`"
    return f"`{_literal(default)}`"


def _literal(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _alternatives(annotation: object) -> Sequence[object]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _words(annotation: object) -> str:
    """One alternative of a type in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is type(None):
        return "none"
    if origin is typing.Annotated:
        return ", ".join([_words(arguments[0]), *_limits(arguments[1:])])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_words, arguments)))
    if origin is tuple:
        return f"list: {_words(arguments[0])}"
    if models_in(annotation, plugins=False):
        return "mapping"
    if isinstance(annotation, type) and annotation in _PLAIN:
        return _PLAIN[annotation]
    return "mapping" if annotation is typing.Any else str(annotation)


def _number(value: float) -> str:
    """A bound in words: whole numbers with all their digits."""
    return f"{int(value):,}" if value == int(value) and value < 1e15 else f"{value:g}"
