"""The keys that a space may set: `dataset`, every dotted path of TrialConfig, and three short forms.

dataset   a preset by its name, which fills in all that it says; or give `data` itself
ratio     majority per minority: `data.imbalance_ratio`, or what the task has in its place
alm       `constraint`
delta     `constraint.margin`
"""

from __future__ import annotations

import functools
import typing

from pydantic import BaseModel

from search_spaces.config import TrialConfig
from search_spaces.config.kinds import FILLED_IN
from search_spaces.problem import models_in, unknown_key

SHORT_FORMS = {"ratio": "data.imbalance_ratio", "alm": "constraint", "delta": "constraint.margin"}


def canonical_key(key: str) -> str:
    """The one spelling of a key: short forms are written out ("delta" gives "constraint.margin").

    Raises Problem, with an empty path, for a key that nothing has.
    """
    canonical = SHORT_FORMS.get(key, key)
    if key.startswith("alm."):
        canonical = f"constraint.{key.removeprefix('alm.')}"
    if canonical not in known_keys() and canonical not in known_keys(plugins=True):
        raise unknown_key("", key, _alternatives(canonical), sorted(known_keys(plugins=True)))
    return canonical


@functools.cache
def known_keys(*, plugins: bool = False) -> frozenset[str]:
    """Every canonical key; with those of plug-ins, which are imported for that, or without."""
    return frozenset({"dataset", *_paths(TrialConfig, "", plugins)})


@functools.cache
def list_keys() -> frozenset[str]:
    """The canonical keys whose value is a list."""
    return frozenset(key for key in known_keys() if _is_list(TrialConfig, key.split(".")))


def _is_list(model: type[BaseModel], path: list[str]) -> bool:
    field = model.model_fields.get(path[0])
    if field is None:
        return False
    if len(path) == 1:
        return typing.get_origin(field.annotation) is tuple
    return any(_is_list(nested, path[1:]) for nested in models_in(field.annotation, plugins=False))


def _paths(model: type[BaseModel], prefix: str, plugins: bool) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        if name == FILLED_IN:
            continue
        found.add(f"{prefix}{name}")
        if typing.get_origin(field.annotation) is tuple:  # a list is set as a whole
            continue
        for nested in models_in(field.annotation, plugins=plugins):
            found |= _paths(nested, f"{prefix}{name}.", plugins)
    return found


def _alternatives(key: str) -> list[str]:
    """What the author may have meant: the keys of the deepest known part, else the first-level keys."""
    parent = key.rpartition(".")[0]
    known = known_keys(plugins=True)
    while parent and parent not in known:
        parent = parent.rpartition(".")[0]
    depth = parent.count(".") + 1
    below = sorted(k for k in known if parent and k.startswith(f"{parent}.") and k.count(".") == depth)
    if below:
        return below
    return ["dataset", *SHORT_FORMS, *TrialConfig.model_fields]
