"""A search space: a name and the trials that it holds; and how to compose one in Python.

A space is written as the paper's text reads. Settings that go together are a dictionary, every combination of
values is `product`, alternatives are added with `+`:

    task = {"dataset": ["cifar10"], "ratio": [100, 200]}
    plain = product(task, {"loss": ["baseline_BCE", "baseline_LDAM"]})
    constrained = product(plain, {"constraint": ["ALM_16_beg"], "delta": [0.1, 0.25]})
    space = SearchSpace.of("mine", plain + constrained)

Spaces join with `union` and shrink with `filter`. Keys: see `search_spaces.settings`. The same in YAML: see
`search_spaces.yaml.space`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from search_spaces.axis import check_axis, check_name, check_size
from search_spaces.config import TrialConfig
from search_spaces.errors import SpaceError
from search_spaces.fingerprint import search_fingerprint, trials_fingerprint
from search_spaces.labels import check_labels
from search_spaces.problem import Problem
from search_spaces.reading import DEFAULT_READING, Reading
from search_spaces.search import Search
from search_spaces.search_block import parse_search
from search_spaces.settings import Setting, TrialBuilder, setting

Settings: TypeAlias = Mapping[str, object]
Axes: TypeAlias = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class SearchSpace:
    """A named, non-empty set of trials in a fixed order, no two with the same `trial_id`.

    With a `search` the trials are only those that are known before it starts, which may be none. `reading`
    says how its results are read.

    Raises SpaceError for a name that cannot name a folder, for no trials and for a repeated trial.
    """

    name: str
    trials: tuple[TrialConfig, ...]
    description: str = ""
    search: Search | None = None
    reading: Reading = DEFAULT_READING

    def __post_init__(self) -> None:
        try:
            check_name(self.name)
        except Problem as problem:
            raise SpaceError(f"search space: {problem}") from None
        if not self.trials and self.search is None:
            raise SpaceError(f"search space {self.name}: expected at least one trial, given none")
        if len({trial.trial_id for trial in self.trials}) != len(self.trials):
            raise SpaceError(f"search space {self.name}: expected distinct trials, given one more than once")

    @classmethod
    def of(
        cls,
        name: str,
        settings: Iterable[Settings],
        description: str = "",
        reading: Reading = DEFAULT_READING,
    ) -> SearchSpace:
        """The space of the trials with these settings; equal trials become one with the seeds of all.

        Raises SpaceError that names space, key, what was expected and what was given.
        """
        builder = TrialBuilder()
        try:
            trials = [builder.build(_settings(given)) for given in settings]
            check_labels(trials)
        except Problem as problem:
            raise SpaceError(f"search space {name}: {problem}") from None
        return cls(name, collapse(trials), description, reading=reading)

    @classmethod
    def searched(
        cls,
        name: str,
        fixed: Settings,
        search: Mapping[str, object],
        description: str = "",
        reading: Reading = DEFAULT_READING,
    ) -> SearchSpace:
        """The space of a search, its blocks written as in YAML (see `search_spaces.search_block`).

        Raises SpaceError as `of` does.
        """
        try:
            found = parse_search(_settings(fixed), search, reading)
        except Problem as problem:
            raise SpaceError(f"search space {name}: {problem}") from None
        return cls(name, collapse(map(found.trial, found.start)), description, found, reading)

    @cached_property
    def fingerprint(self) -> str:
        """By what it is told apart from another space of its name (see `search_spaces.fingerprint`)."""
        if self.search is not None:
            return search_fingerprint(self.search)
        return trials_fingerprint(self.trials)

    @property
    def replicates(self) -> int:
        """Number of (trial, seed) pairs."""
        return sum(len(trial.seeds) for trial in self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[TrialConfig]:
        return iter(self.trials)

    def filter(self, keep: Callable[[TrialConfig], bool], name: str | None = None) -> SearchSpace:
        """The trials for which `keep` is true, in the same order. Raises SpaceError if there are none."""
        kept = tuple(filter(keep, self.trials))
        return SearchSpace(name or self.name, kept, self.description, reading=self.reading)

    def union(self, *others: SearchSpace, name: str | None = None) -> SearchSpace:
        """The trials of this space and then those of the others that are new; seeds of equal trials unite."""
        trials = list(itertools.chain(self.trials, *others))
        try:
            check_labels(trials)
        except Problem as problem:
            raise SpaceError(f"search space {name or self.name}: {problem}") from None
        return SearchSpace(name or self.name, collapse(trials), self.description, reading=self.reading)


def product(*factors: Axes | Sequence[Settings]) -> list[dict[str, object]]:
    """Every combination: a mapping gives each key each of its values, a list its settings one after another.

    The last factor varies fastest. Raises SpaceError for an axis that is empty or holds a value twice, a key
    in two factors, an unknown key, or more than a million combinations.

    >>> product({"loss": ["baseline_BCE"], "delta": [0, 1]})
    [{'loss': 'baseline_BCE', 'delta': 0}, {'loss': 'baseline_BCE', 'delta': 1}]
    """
    axes: list[Sequence[Settings]] = []
    try:
        for factor in factors:
            if isinstance(factor, Mapping):
                for key, values in factor.items():
                    check_axis(key, setting(key, None, key).key, values)
                    axes.append([{key: value} for value in values])
            else:
                axes.append(factor)
        check_size(math.prod(len(axis) for axis in axes))
        return [_merged(combination) for combination in itertools.product(*axes)]
    except Problem as problem:
        raise SpaceError(f"product: {problem}") from None


def collapse(trials: Iterable[TrialConfig]) -> tuple[TrialConfig, ...]:
    """Equal trials (by `trial_id`) as one, at the first one's place, with the seeds of all of them."""
    found: dict[str, TrialConfig] = {}
    for trial in trials:
        trial_id = trial.trial_id
        known = found.setdefault(trial_id, trial)
        new = tuple(seed for seed in trial.seeds if seed not in known.seeds)
        if new:
            found[trial_id] = known.model_copy(update={"seeds": known.seeds + new})
    return tuple(found.values())


def _merged(parts: Iterable[Settings]) -> dict[str, object]:
    merged: dict[str, object] = {}
    for part in parts:
        for key, value in part.items():
            if key in merged:
                raise Problem(key, "a key in one factor only", "in two")
            merged[key] = value
    return merged


def _settings(given: Settings) -> list[Setting]:
    """Canonical settings of one trial. Raises Problem where a key is unknown or stands there twice."""
    found: dict[str, Setting] = {}
    for key, value in given.items():
        one = setting(key, value, key)
        if one.key in found:
            raise Problem(key, "every key once", f"also as {found[one.key].origin}")
        found[one.key] = one
    return list(found.values())
