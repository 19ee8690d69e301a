"""What makes a row of the table. A cell is a block (data set and ratio) in a row.

    rows: [loss, constraint]                         # in a space; this is the default
    rows: [loss, sampler, constraint.comparison]

A trial stands in the row of its values of these keys. Its other settings (penalty, margin) compete inside the
row, for the cell. A key of a part with a name (`loss`, `model`, `optimizer`) means that name; `constraint`
means whether there is one. What makes a row is no part of a trial's identity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel

from search_spaces.config import FAMILIES, AugmentationConfig, TrialConfig, number
from search_spaces.labels import CORRECTED_TWICE, block_key, spelled_out
from search_spaces.policies import policy_name

DEFAULT_ROWS = ("loss", "constraint")

# Of keys that apply to every trial the value that a label leaves out.
_UNSAID: Mapping[str, object] = {
    "sampler": "shuffle",
    "augmentation": "none",
    "optimizer.schedule": "constant",
    "optimizer.warmup_epochs": 0,
}

_ABSENT = object()
# A value's place among others of its key: its kind, then by size or by the alphabet.
_Place = tuple[int, float, str]


class CellKey(NamedTuple):
    """A cell: equal exactly for trials of equal blocks and rows."""

    block: str
    row: str


def cell_key(config: TrialConfig, rows: tuple[str, ...] = DEFAULT_ROWS) -> CellKey:
    """The cell that a trial competes for."""
    return CellKey(block_key(config.data), row_key(config, rows))


def row_key(config: TrialConfig, rows: tuple[str, ...] = DEFAULT_ROWS) -> str:
    """The row's values as JSON; a key that does not apply to the trial is left out."""
    values = _values(config, rows)
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def row_label(config: TrialConfig, rows: tuple[str, ...] = DEFAULT_ROWS) -> str:
    """The row in words. By default those of the paper's tables: "S-LM", "S-LM + ALM".

    Samplers and augmentations go by their names; what is usual of them is left out ("CE" is shuffled and not
    augmented). Rows that differ get labels that differ.
    """
    words, of_constraint = [], ["ALM"]
    for key, value in _values(config, rows).items():
        if key in ("loss", "loss.name"):
            words.append(config.loss.family)
        elif key.startswith("constraint."):
            of_constraint.append(f"{key.removeprefix('constraint.')}={_text(value)}")
        elif key != "constraint":
            words += _words(config, key, value)
    if "sampler" in rows and {"loss", "loss.name"} & set(rows) and config.corrects_twice:
        words.append(CORRECTED_TWICE)
    parts = [" ".join(words)] if words else []
    if config.constraint is not None and without_constraint(rows) != rows:
        parts.append(" ".join(of_constraint))
    if not parts:
        return f"no {', '.join(rows)}" if rows else "all trials"
    return " + ".join(parts)


def row_order(config: TrialConfig, rows: tuple[str, ...] = DEFAULT_ROWS) -> tuple[bool, tuple[_Place, ...]]:
    """A key by which rows stand in the paper's order: all without the constraint, then all with it.

    In each half losses are in the paper's order, augmentations by their steps, other values by size or by the
    alphabet, what labels leave out first; the first of the keys counts most.
    """
    apart = without_constraint(rows)
    constrained = config.constraint is not None and apart != rows
    values = _values(config, rows)
    places = []
    for key in rows:
        if key in ("loss", "loss.name"):
            places.append(_family_place(config.loss.family))
        elif key == "augmentation":
            places.append(_policy_place(config.augmentation))
        elif key != "constraint":
            places.append(_place(values.get(key, _ABSENT), unsaid=_UNSAID.get(key)))
    return constrained, tuple(places)


def without_constraint(rows: tuple[str, ...]) -> tuple[str, ...]:
    """The keys beside the constraint's: rows that agree in them may be told apart by it alone."""
    return tuple(key for key in rows if key.partition(".")[0] != "constraint")


def _values(config: TrialConfig, rows: tuple[str, ...]) -> dict[str, object]:
    """The values of the keys that apply to a trial, as plain ones."""
    values: dict[str, object] = {}
    for key in rows:
        value = _at(config, key)
        if key == "constraint":
            value = value is not None
        elif isinstance(value, BaseModel):
            value = getattr(value, "name", value)
        if value is not _ABSENT:
            values[key] = spelled_out(value)
    return values


def _at(config: BaseModel, key: str) -> object:
    value: object = config
    for step in key.split("."):
        fields = dict(value) if isinstance(value, BaseModel) else {}
        if step not in fields:
            return _ABSENT
        value = fields[step]
    return value


def _words(config: TrialConfig, key: str, value: object) -> list[str]:
    """The value of a key in a label; nothing for one that is usual."""
    if key == "augmentation":
        value = policy_name(config.augmentation)
    if key in _UNSAID and value == _UNSAID[key]:
        return []
    text = _text(value)
    if key in ("augmentation", "sampler") and isinstance(value, str):
        return [text]
    short = key if key == "optimizer.name" else key.removeprefix("optimizer.")
    return [f"{short}={text}"]


def _text(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return value
    return "none" if value is None else json.dumps(value, separators=(",", ":"))


def _family_place(family: str) -> _Place:
    """Losses that the paper has not come after its own."""
    if family in FAMILIES:
        return (0, float(FAMILIES.index(family)), "")
    return (1, 0.0, family)


def _policy_place(augmentation: AugmentationConfig) -> _Place:
    steps = bool(augmentation.crop_padding) + bool(augmentation.horizontal_flip) + len(augmentation.then)
    return (1, float(steps), policy_name(augmentation))


def _place(value: object, unsaid: object = None) -> _Place:
    if value is _ABSENT or (isinstance(value, str) and value == unsaid):
        return (-1, 0.0, "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, _text(value))
