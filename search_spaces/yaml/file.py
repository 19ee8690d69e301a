"""A strict reader for YAML files: what looks like a number is one, and what is ambiguous is an error.

Against YAML 1.1 as PyYAML reads it: `1e-3` is a number; `1:20` (a number to base 60 there), `010`, dates,
`yes` and `off` are text, so that a misunderstanding ends in an error about the value, not in another sweep;
a key that stands twice is an error; tags, merge keys and several documents are errors. Aliases work, within
bounds on the size and depth of what they unfold to.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import yaml

from search_spaces.problem import Problem, join, shown

_MOST_BYTES = 4_000_000
_MOST_VALUES = 200_000
_DEEPEST = 20

_TAG = "tag:yaml.org,2002:"
_PLAIN_SCALARS = (
    (f"{_TAG}null", r"~|null|Null|NULL|", "~nN\0"),
    (f"{_TAG}bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (f"{_TAG}int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        f"{_TAG}float",
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))"
        r"|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the plain scalars of YAML 1.2 alone."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own class attribute)


for _tag, _pattern, _first in _PLAIN_SCALARS:
    _first_characters = ["" if c == "\0" else c for c in _first]
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first_characters)


def read_yaml(path: Path) -> object:
    """The file's content as dictionaries with text keys, lists, text, numbers, truth values and None.

    Raises Problem (with a key path, or the line and column for a fault of syntax) for a file that is missing,
    unreadable, too large, or not as the module says.
    """
    try:
        # A pipe would be waited for until somebody writes into it.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Problem("", "a file", "a pipe, a socket or a device")
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise Problem("", f"a file of at most {_MOST_BYTES:,} bytes", "a larger one")
        return parse_yaml(content.decode("utf-8-sig"))
    except OSError as error:
        raise Problem("", "a readable file", error.strerror or type(error).__name__) from None
    except UnicodeDecodeError as error:
        raise Problem(
            "", "text in UTF-8", f"byte {error.object[error.start]:#04x} at {error.start}"
        ) from None


def parse_yaml(text: str) -> object:
    """The value of a text, read as `read_yaml` reads a file. Raises Problem as it does."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except RecursionError:
        raise Problem("", f"at most {_DEEPEST} levels of nesting", "more") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        fault = " ".join((error.problem or str(error)).split())
        raise Problem(place, "valid YAML", f"a fault ({fault})") from None
    except yaml.YAMLError as error:
        raise Problem("", "valid YAML", f"a fault ({' '.join(str(error).split())})") from None
    return None if node is None else _Reader().value(node, "", 0)


class _Reader:
    """Turns YAML nodes into values and counts them, so that nested aliases cannot unfold without end."""

    def __init__(self) -> None:
        self._values = 0
        self._characters = 0

    def value(self, node: yaml.Node, path: str, depth: int) -> object:
        self._values += 1
        self._characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if self._values > _MOST_VALUES:
            raise Problem("", f"at most {_MOST_VALUES:,} values", "more, aliases unfolded")
        if self._characters > _MOST_BYTES:  # no file reaches that without aliases
            raise Problem("", f"at most {_MOST_BYTES:,} characters", "more, aliases unfolded")
        if depth > _DEEPEST:
            raise Problem("", f"at most {_DEEPEST} levels of nesting", "more, aliases unfolded")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(item, join(path, f"[{i}]"), depth + 1) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, path)
        raise Problem(path, "a plain value", f"the tag {node.tag}")

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else key_node.value
            if not isinstance(key, str):
                given = shown(key) if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                raise Problem(path, "text as a key", given)
            if key in mapping:
                raise Problem(
                    join(path, key), "every key once", f"again on line {key_node.start_mark.line + 1}"
                )
            mapping[key] = self.value(value_node, join(path, key), depth + 1)
        return mapping


def _scalar(node: yaml.ScalarNode, path: str) -> object:
    text: str = node.value
    try:
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "int":
                return int(text)
            case "float":
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
            case "str":
                # JSON writes a character beyond the first plane as two escapes; one alone is no character.
                return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise Problem(path, "text", "an escape that is half a character") from None
    except (ValueError, KeyError):
        pass
    raise Problem(path, "a plain value", f"{shown(text)} with the tag {node.tag}")
