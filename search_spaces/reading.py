"""How a sweep's results are read: at which rates its ROC curves, and what makes a row of its table.

    tpr_targets: [0.995, 0.98]    # in a space; default: those of `search_spaces.config.metrics`
    fpr_targets: [0.01]
    rows: [loss, sampler]         # see `search_spaces.rows`

No part of a trial's identity: stored results give any of them, so a space may change them after its trials
were trained. Only what is recorded while a trial trains (curves, early stopping) is by those of that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from search_spaces.config.base import Frozen
from search_spaces.config.metrics import DEFAULT_TARGETS, Targets
from search_spaces.keys import canonical_key
from search_spaces.problem import Problem, from_validation, shown
from search_spaces.rows import DEFAULT_ROWS

# The keys of a space, and of a stored sweep, that say it.
READING_KEYS = ("tpr_targets", "fpr_targets", "rows")

# A block is one data set, and the seeds of a trial are its replicates.
_NO_ROW = ("dataset", "data", "seeds")


class Reading(Frozen):
    """How a sweep's results are read."""

    targets: Targets = DEFAULT_TARGETS
    rows: tuple[str, ...] = DEFAULT_ROWS

    def as_keys(self) -> dict[str, Any]:
        """What is not the default, under READING_KEYS, as plain values."""
        said: dict[str, Any] = {}
        if self.targets.tpr != DEFAULT_TARGETS.tpr:
            said["tpr_targets"] = list(self.targets.tpr)
        if self.targets.fpr != DEFAULT_TARGETS.fpr:
            said["fpr_targets"] = list(self.targets.fpr)
        if self.rows != DEFAULT_ROWS:
            said["rows"] = list(self.rows)
        return said


DEFAULT_READING = Reading()


def parse_reading(given: Mapping[str, object]) -> Reading:
    """What a mapping says under READING_KEYS; its other keys do not matter. Raises Problem at a key."""
    tpr, fpr = DEFAULT_TARGETS.tpr, DEFAULT_TARGETS.fpr
    if "tpr_targets" in given:
        tpr = parse_rates("tpr_targets", given["tpr_targets"])
    if "fpr_targets" in given:
        fpr = parse_rates("fpr_targets", given["fpr_targets"])
    rows = parse_rows("rows", given["rows"]) if "rows" in given else DEFAULT_ROWS
    return Reading(targets=Targets(tpr=tpr, fpr=fpr), rows=rows)


def parse_rows(path: str, given: object) -> tuple[str, ...]:
    """A list of at least one key that tells trials of a block apart, as canonical keys.

    Raises Problem at `path` or below it.
    """
    if not isinstance(given, list | tuple) or not given:
        raise Problem(path, "a list of at least one key, like loss", shown(given))
    keys: list[str] = []
    for i, name in enumerate(given):
        place = f"{path}[{i}]"
        if not isinstance(name, str):
            raise Problem(place, "a key, like loss", shown(name))
        try:
            key = canonical_key(name)
        except Problem as problem:
            raise problem.at(place) from None
        if key.partition(".")[0] in _NO_ROW:
            raise Problem(place, "a key that tells trials of one block apart", shown(name))
        if key in keys:
            raise Problem(place, "every key once", shown(name))
        keys.append(key)
    return tuple(keys)


def parse_rates(path: str, given: object) -> tuple[float, ...]:
    """A list of at least one rate between 0 and 1, all distinct. Raises Problem at `path` or below it."""
    if not isinstance(given, list | tuple) or not given:
        raise Problem(path, "a list of at least one rate, like 0.98", shown(given))
    rates = tuple(given)
    try:
        return Targets(tpr=rates).tpr
    except ValidationError as error:
        problem = from_validation(error, {"tpr": rates}, Targets)
        raise problem.at(path + problem.path.removeprefix("tpr")) from None
