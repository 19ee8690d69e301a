"""What every way of writing a space checks: mappings, numbers, an axis, the number of trials, the name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search_spaces.limits import MOST_COMBINATIONS
from search_spaces.names import is_plain_name
from search_spaces.problem import Problem, join, quotes_hint, shown, unknown_key
from search_spaces.settings import comparable

# A space's name names a folder and a file.
LONGEST_NAME = 100


def check_mapping(path: str, value: object, keys: Sequence[str] = ()) -> Mapping[str, object]:
    """A non-empty mapping, with no other keys than these where there are any. Raises Problem at `path`."""
    if not isinstance(value, Mapping) or not value:
        words = f"a mapping with some of {', '.join(keys)}" if keys else "a mapping of at least one key"
        raise Problem(path, words, shown(value))
    for key in value:
        if keys and key not in keys:
            raise unknown_key(join(path, key), key, keys)
    return value


def check_whole(path: str, value: object, least: int, most: int) -> int:
    """A whole number between these, both included. Raises Problem at `path`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Problem(path, f"a whole number of at least {least}", shown(value))
    if value > most:
        raise Problem(path, f"a whole number of at most {most:,}", shown(value))
    return value


def check_axis(path: str, key: str, values: object) -> tuple[object, ...]:
    """The values of a canonical key at `path`; raises Problem unless they are a list of distinct ones."""
    if not isinstance(values, list | tuple) or not values:
        raise Problem(path, "a list of at least one value", shown(values))
    seen: dict[object, int] = {}
    for index, value in enumerate(values):
        first = seen.setdefault(comparable(key, value), index)
        if first != index:
            other = join(path, f"[{first}]")
            raise Problem(join(path, f"[{index}]"), f"a value other than that of {other}", shown(value))
    return tuple(values)


def check_size(combinations: int) -> None:
    """Raises Problem for more than `MOST_COMBINATIONS`."""
    if combinations > MOST_COMBINATIONS:
        raise Problem("", f"at most {MOST_COMBINATIONS:,} combinations", f"{combinations:,}")


def check_name(name: object, hint: str = "") -> str:
    """The name, if it can name a folder and a file; else raises Problem, with the hint at its end."""
    if not is_plain_name(name) or len(name) > LONGEST_NAME:
        expected = (
            f"letters, digits and _ . - only, a letter or digit first, at most {LONGEST_NAME} characters"
        )
        raise Problem("name", expected, shown(name), hint=hint or quotes_hint(name))
    return name
