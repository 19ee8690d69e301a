"""A search space from a user's YAML file.

    name: cifar-margins             # default: the file's name; names the output folder
    description: Margins on CIFAR-10
    fixed:                          # the same in every trial
      dataset: cifar10
      ratio: 100
      seeds: [1, 2, 3]
    choices:                        # one alternative after another: settings that belong together
      - {model.width: 16, epochs: 20}
      - {model.width: 64, epochs: 100}
    grid:                           # every combination of the values
      loss: [baseline_BCE, baseline_s_LM_m05, {name: s_lm, margin: 3}]
      constraint: [none, ALM_16_beg]
      delta: [0.1, 0.25]            # applies where the constraint is not none
    random:                         # this many draws, each combined with all of the above
      samples: 5
      seed: 1
      domains:
        optimizer.learning_rate: {log_uniform: [1e-3, 1e-1]}

name          text: names the sweep, its output folder and its MLflow experiment; default: the file's name
description   text: a sentence for people; default: none
tpr_targets   list of rates between 0 and 1: true positive rates at which ROC curves are read; default: 0.98,
              0.95, 0.9
fpr_targets   list of rates between 0 and 1: false positive rates, likewise; default: 0.01, 0.05, 0.1
rows          list of a trial's keys that make a row of the table; all else competes inside it; default:
              loss, constraint
fixed         mapping of settings that are the same in every trial; default: none
choices       list of mappings, of which a trial takes one: settings that belong together; default: none
grid          mapping of keys to lists of values, of which every combination is a trial; default: none
random        mapping: `samples` (whole number, at least 1, required) draws, each combined with all else, by
              `seed` (whole number, at least 0; default 0) from `domains` (by key, required)
search        mapping, in place of choices, grid and random: trials are chosen one by one

Every block may be left out; a key stands in one block. Keys: `search_spaces.keys` and
`search_spaces.settings`. Domains: `uniform`, `log_uniform`, `int_uniform` (each [low, high], both included)
and `choice` (a list). Trials that come out equal are one trial.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from search_spaces.axis import check_axis, check_mapping, check_name, check_size, check_whole
from search_spaces.config import TrialConfig
from search_spaces.domains import Domain, parse_domain, share
from search_spaces.errors import SpaceError
from search_spaces.labels import check_labels
from search_spaces.limits import MOST_COMBINATIONS, MOST_SEED
from search_spaces.problem import Problem, join, shown
from search_spaces.reading import READING_KEYS, Reading, parse_reading
from search_spaces.search import Search
from search_spaces.search_block import parse_search
from search_spaces.settings import Setting, TrialBuilder, setting
from search_spaces.space import SearchSpace, collapse
from search_spaces.yaml.file import read_yaml

_KEYS = ("name", "description", *READING_KEYS, "fixed", "choices", "grid", "random", "search")

# The settings of one alternative, and an axis: alternatives of which a trial takes one.
Alternative: TypeAlias = tuple[Setting, ...]
Axis: TypeAlias = list[Alternative]


def read_space(path: Path) -> SearchSpace:
    """The space that a YAML file describes.

    Raises SpaceError, in one line that names the file, the key path, what was expected and what was given,
    for a file that cannot be read, is not valid YAML, or describes no possible space.
    """
    try:
        return _space(read_yaml(path), path.stem)
    except Problem as problem:
        raise SpaceError(f"{path}: {problem}") from None


def space_name(path: Path) -> str:
    """The name of the space in a YAML file, whatever else it says. Raises SpaceError as `read_space` does."""
    try:
        return _name(check_mapping("", read_yaml(path), _KEYS), path.stem)
    except Problem as problem:
        raise SpaceError(f"{path}: {problem}") from None


def _name(given: Mapping[str, object], default: str) -> str:
    if "name" in given:
        return check_name(given["name"])
    return check_name(default, "; that is the file's own name: write another behind `name:` in it")


def _space(content: object, default_name: str) -> SearchSpace:
    given = check_mapping("", content, _KEYS)
    name = _name(given, default_name)
    description = given.get("description", "")
    if not isinstance(description, str):
        raise Problem("description", "text", shown(description))
    reading = parse_reading(given)
    if "search" in given:
        search = _search(given, reading)
        return SearchSpace(name, collapse(map(search.trial, search.start)), description, search, reading)
    blocks = _Blocks()
    for block, read in (
        ("fixed", blocks.fixed),
        ("choices", blocks.choices),
        ("grid", blocks.grid),
        ("random", blocks.random),
    ):
        if block in given:
            read(given[block])
    trials = list(blocks.trials())
    check_labels(trials)
    return SearchSpace(name, collapse(trials), description, reading=reading)


def _search(given: Mapping[str, object], reading: Reading) -> Search:
    for block in ("choices", "grid", "random"):
        if block in given:
            raise Problem(block, "no other block than fixed beside search", f"{block} too")
    fixed: list[Setting] = []
    if "fixed" in given:
        blocks = _Blocks()
        blocks.fixed(given["fixed"])
        fixed = list(blocks.only())
    return parse_search(fixed, given["search"], reading)


class _Blocks:
    """The axes that the blocks make, and which key stands where."""

    def __init__(self) -> None:
        self._axes: list[Axis] = []
        self._origins: dict[str, str] = {}
        self._domains: list[tuple[Setting, Domain]] = []
        self._samples, self._seed = 1, 0

    def fixed(self, block: object) -> None:
        self._add([self._alternative("fixed", block)])

    def choices(self, block: object) -> None:
        values = check_axis("choices", "choices", block)
        self._add([self._alternative(f"choices[{i}]", value) for i, value in enumerate(values)])

    def grid(self, block: object) -> None:
        for key, values in check_mapping("grid", block).items():
            path = join("grid", key)
            self._key(path, key)
            found = check_axis(path, setting(key, None, path).key, values)
            self._add([(setting(key, value, f"{path}[{i}]"),) for i, value in enumerate(found)])

    def random(self, block: object) -> None:
        given = check_mapping("random", block, ("samples", "seed", "domains"))
        self._samples = check_whole("random.samples", given.get("samples"), 1, MOST_COMBINATIONS)
        self._seed = check_whole("random.seed", given.get("seed", 0), 0, MOST_SEED)
        for key, value in check_mapping("random.domains", given.get("domains")).items():
            path = join("random.domains", key)
            place = self._key(path, key)
            self._domains.append((place, parse_domain(path, place.key, value)))
            self._origins[place.key] = path

    def only(self) -> Alternative:
        """The settings of the one alternative of the one block."""
        return self._axes[0][0]

    def trials(self) -> Iterator[TrialConfig]:
        """The trials, the last block varying fastest. Raises Problem for one that is impossible."""
        check_size(math.prod(len(axis) for axis in self._axes) * self._samples)
        builder = TrialBuilder()
        first = [axis[0] for axis in self._axes]
        extremes = [domain.extremes() for _, domain in self._domains]
        for i in range(max(map(len, extremes), default=0)):
            drawn = self._drawn([values[i % len(values)] for values in extremes])
            builder.build(_joined([*first, drawn]))
        draws: Axis = [self._draw(index) for index in range(self._samples)]
        for combination in itertools.product(*self._axes, draws):
            yield builder.build(_joined(combination))

    def _draw(self, index: int) -> Alternative:
        return self._drawn([d.value(share(self._seed, place.key, index)) for place, d in self._domains])

    def _drawn(self, values: Sequence[object]) -> Alternative:
        return tuple(
            setting(place.key, value, place.origin)
            for (place, _), value in zip(self._domains, values, strict=True)
        )

    def _alternative(self, path: str, block: object) -> Alternative:
        """The settings of one mapping, which may not stand in an earlier block or twice in this one."""
        found: dict[str, Setting] = {}
        for key, value in check_mapping(path, block).items():
            place = self._key(join(path, key), key)
            if place.key in found:
                raise Problem(place.origin, "every key once", f"also as {found[place.key].origin}")
            found[place.key] = setting(key, value, place.origin)
        return tuple(found.values())

    def _key(self, path: str, key: str) -> Setting:
        """The canonical key at its place. Raises Problem if it is unknown or stands in an earlier block."""
        place = setting(key, None, path)
        if place.key in self._origins:
            raise Problem(path, "every key once", f"also as {self._origins[place.key]}")
        return place

    def _add(self, axis: Axis) -> None:
        self._axes.append(axis)
        for alternative in axis:
            for given in alternative:
                self._origins.setdefault(given.key, given.origin)


def _joined(alternatives: Iterable[Alternative]) -> list[Setting]:
    return list(itertools.chain.from_iterable(alternatives))
