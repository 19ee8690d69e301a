"""From settings (keys and values, as a person writes them) to a trial.

`dataset` names a preset and fills in everything that it says; a key of a whole part (`loss`, `constraint`,
`model`, `optimizer`, ...) replaces that part; a dotted key changes one field of what is then there. Losses
and constraints go by their names in papers, augmentations by those of `search_spaces.policies`; `model` and
`optimizer` may be a mere name too. What is set below `constraint` does not apply where the constraint is
"none".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from search_spaces.classes import with_labels
from search_spaces.config import (
    LOSS_TYPES,
    AugmentationConfig,
    ConstraintConfig,
    DataConfig,
    Loss,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    TrialConfig,
)
from search_spaces.config.plugins import offers
from search_spaces.config.tasks.registered import ratio_key, without_default_kind
from search_spaces.errors import SpaceError
from search_spaces.keys import SHORT_FORMS, canonical_key, list_keys
from search_spaces.longtail.named import OTHER_NAMES
from search_spaces.paper.named import CONSTRAINTS, LOSSES, NO_CONSTRAINT, constraint_by_name, loss_by_name
from search_spaces.policies import POLICIES, policy_by_name
from search_spaces.presets import PRESETS
from search_spaces.problem import Problem, from_validation, join, shown, unknown_value

# A loss may be said by its type's name alone, where nothing else is needed.
LOSS_NAMES = tuple(loss.type_name() for loss in LOSS_TYPES)
_TYPES: dict[str, Any] = {
    "data": DataConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "constraint": ConstraintConfig,
    "augmentation": AugmentationConfig,
    "optimizer": OptimizerConfig,
}
# What a dotted key changes where there is no preset.
_DEFAULTS = {
    part: TrialConfig.model_fields[part].get_default() for part in ("model", "augmentation", "optimizer")
}
# Parts that may be said by a name alone.
_MAY_BE_NAMES = ("model", "loss", "constraint", "augmentation", "optimizer")
_ADAPTERS: dict[str, TypeAdapter[Any]] = {part: TypeAdapter(kind) for part, kind in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key and its value; `origin` is the place that a message names ("grid.loss[1]")."""

    key: str
    value: object
    origin: str


def setting(key: str, value: object, origin: str) -> Setting:
    """A setting under its canonical key. Raises Problem at `origin` for an unknown key."""
    try:
        return Setting(canonical_key(key), _frozen(value), origin)
    except Problem as problem:
        raise problem.at(origin) from None


class TrialBuilder:
    """Builds trials; a part (data, loss, ...) that occurs again is validated once and shared."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, ...], object] = {}

    def build(self, settings: Sequence[Setting]) -> TrialConfig:
        """The trial with these settings, of which no two have one key.

        Raises Problem at the origin of the setting that is wrong.
        """
        by_key = {given.key: given for given in settings}
        fields, dataset = _preset_fields(by_key)
        groups: dict[str, list[Setting]] = {}
        for given in settings:
            if given.key != "dataset":
                groups.setdefault(given.key.partition(".")[0], []).append(given)
        for name, group in groups.items():
            if name in _TYPES:
                base = fields.get(name, _DEFAULTS.get(name))
                fields[name] = self._part(name, dataset, group, base)
            else:
                fields[name] = group[0].value
        if "loss" not in fields:
            raise Problem("loss", "a loss (a name or a mapping)", "nothing")
        try:
            return TrialConfig(**fields)
        except ValidationError as error:
            raise _placed(from_validation(error, fields, TrialConfig), settings) from None

    def _part(self, name: str, dataset: str, group: Sequence[Setting], base: object) -> object:
        memo = (name, dataset, *(f"{given.key}={given.value!r}" for given in group))
        if memo not in self._parts:
            self._parts[memo] = _build_part(name, group, base)
        return self._parts[memo]


def comparable(key: str, value: object) -> str:
    """A text that is equal for spellings of one value of a key: case of names, 1 and 1.0, none and null."""
    value = _frozen(value)
    if isinstance(value, str) and key == "dataset":
        return value.casefold()
    try:
        value = _named(key, value)
    except Problem:
        return repr(value)
    return _exact(value.model_dump() if isinstance(value, BaseModel) else value)


def _exact(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{k!r}:{_exact(v)}" for k, v in value.items())) + "}"
    if isinstance(value, tuple):
        return "[" + ",".join(map(_exact, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        return repr(int(value))
    return repr(value)


def _preset_fields(by_key: Mapping[str, Setting]) -> tuple[dict[str, Any], str]:
    """The fields that `dataset` stands for and its name; none where the space gives `data` itself."""
    dataset, data = by_key.get("dataset"), by_key.get("data")
    if dataset is None:
        if data is None:
            raise Problem("dataset", f"one of {', '.join(PRESETS)} (or data, a mapping)", "nothing")
        return {}, ""
    if data is not None:
        raise Problem(data.origin, "either dataset or data", "both")
    name = dataset.value.casefold() if isinstance(dataset.value, str) else None
    if name not in PRESETS:
        problem = unknown_value("dataset", dataset.value, list(PRESETS))
        raise _placed(problem, [dataset])
    return dict(PRESETS[name]), name


def _build_part(name: str, group: Sequence[Setting], base: object) -> object:
    whole = next((given for given in group if given.key == name), None)
    changes = [given for given in group if given.key != name]
    if whole is not None:
        try:
            base = _named(name, whole.value)
        except Problem as problem:
            raise problem.at(whole.origin) from None
        if isinstance(base, BaseModel) and name == "data":
            base = _tree(base)
        if base is None:
            # They do not apply, but are to be possible ones all the same.
            _validated(name, {"penalty": 1.0}, changes, group)
            return None
    elif name == "constraint" and all(given.key != "constraint.penalty" for given in changes):
        raise Problem(changes[0].origin, "a constraint beside it (a name, none, or a mapping)", "nothing")
    if isinstance(base, BaseModel) and not changes:
        return base
    return _validated(name, base, changes, group)


def _validated(name: str, base: object, changes: Sequence[Setting], group: Sequence[Setting]) -> object:
    tree = {} if base is None else _tree(base)
    # A new name drops the fields of the old one, so names go first.
    for change in sorted(changes, key=lambda given: not given.key.endswith(".name")):
        key = change.key.partition(".")[2]
        if change.key == SHORT_FORMS["ratio"]:
            key = ratio_key(tree)
        tree = _changed(tree, key.split("."), change)
    try:
        if name == "data" and isinstance(tree, Mapping):
            tree = with_labels(tree)
        return _ADAPTERS[name].validate_python(tree)
    except ValidationError as error:
        problem = from_validation(error, tree, _TYPES[name])
    except Problem as found:
        problem = found
    raise _placed(problem.at(join(name, problem.path)), group)


def _tree(base: object) -> object:
    """A part as a mapping, with what no dump of it holds."""
    if not isinstance(base, BaseModel):
        return base
    aside = {name: getattr(base, name) for name, facts in type(base).model_fields.items() if facts.exclude}
    return {**base.model_dump(), **aside}


def _placed(problem: Problem, settings: Sequence[Setting]) -> Problem:
    """A problem at a canonical path, at the place where the author wrote what is wrong.

    Of one value that came as a list, or under the key of another form, it says where that goes.
    """
    part, expected, hint = problem.path, problem.expected, problem.hint
    origin = _origin(part, settings)
    given = next((s.value for s in settings if s.origin == origin), None)
    if part in _MAY_BE_NAMES and expected == "a mapping":
        expected = "a name or a mapping"
    in_one_trial = origin.startswith(("fixed.", "choices[")) and part not in list_keys()
    if isinstance(given, tuple) and in_one_trial and problem.given == shown(given):
        hint = "; a list of values, each for trials of its own, goes under grid"
    if part == "data" and isinstance(given, str):
        hint = "; the name of a preset goes under dataset"
    return Problem(origin, expected, problem.given, problem.more, hint)


def _changed(tree: object, path: Sequence[str], change: Setting) -> dict[str, object]:
    """A copy of the tree with the change's value at the path."""
    if not isinstance(tree, Mapping):
        raise Problem(change.origin, "a mapping in which to set it", shown(tree))
    key, rest = path[0], path[1:]
    if rest:
        below = tree.get(key)
        return {**tree, key: _changed({} if below is None else below, rest, change)}
    if key == "name" and tree.get("name") != change.value:
        return {"name": change.value}
    return {**tree, key: change.value}


def _named(part: str, value: object) -> object:
    """What a short value stands for: a named loss or constraint, a model or an optimiser by its type."""
    if part == "constraint" and value is None:
        return None
    if part == "data" and isinstance(value, Mapping):
        return without_default_kind(value)
    if not isinstance(value, str):
        return value
    try:
        if part == "loss":
            if value in LOSS_NAMES or value in offers(Loss.group):
                return {"name": value}
            return OTHER_NAMES.get(value.casefold()) or loss_by_name(value)
        if part == "constraint":
            return constraint_by_name(value)
        if part == "augmentation":
            return policy_by_name(value)
    except SpaceError:
        raise unknown_value("", value, _known_names(part), "a known name ({})") from None
    return {"name": value} if part in ("model", "optimizer") else value


def _known_names(part: str) -> list[str]:
    if part == "loss":
        return [*LOSSES, *LOSS_NAMES, *OTHER_NAMES]
    return [NO_CONSTRAINT, *CONSTRAINTS] if part == "constraint" else list(POLICIES)


def _origin(path: str, settings: Sequence[Setting]) -> str:
    """Where the author wrote what stands at a canonical path: the deepest setting that covers it."""
    covering = [s for s in settings if path == s.key or path.startswith((f"{s.key}.", f"{s.key}["))]
    if covering:
        deepest = max(covering, key=lambda s: len(s.key))
        return join(deepest.origin, path[len(deepest.key) :].removeprefix("."))
    return next((s.origin for s in settings if s.key.startswith(f"{path}.")), path)


def _frozen(value: object) -> object:
    """The value with lists as tuples, as the configuration types have them."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _frozen(item) for key, item in value.items()}
    return value
