"""What a search chooses from: dimensions with their domains and conditions, objectives, known first points.

A grid lists its trials; a search finds them one after another. A point is a mapping from the keys of the
dimensions that apply to their values; `Search.trial` turns it into the trial and `Search.locate` back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

from search_spaces.config import Metric, Task, TrialConfig
from search_spaces.domains import Choice, Domain, IntUniform, share
from search_spaces.labels import flat
from search_spaces.problem import Problem
from search_spaces.reading import DEFAULT_READING, Reading
from search_spaces.settings import Setting, TrialBuilder, comparable, setting

Point: TypeAlias = Mapping[str, object]

# Keys whose value stands for more than what a configuration shows under that key.
_PARTS = {"dataset", "data", "model", "loss", "constraint", "augmentation", "optimizer"}
_ABSENT = object()


@dataclass(frozen=True)
class Dimension:
    """A canonical key and the domain of its values.

    It applies where each key of `when` (an earlier dimension) applies and has one of the values there.
    """

    key: str
    domain: Domain
    when: tuple[tuple[str, tuple[object, ...]], ...] = ()
    origin: str = ""

    def applies(self, point: Point) -> bool:
        """Whether the dimension applies to a point, of which the earlier dimensions are known."""
        return all(key in point and point[key] in values for key, values in self.when)


@dataclass(frozen=True)
class Search:
    """A search: what is the same in every trial, what is chosen, and what is good.

    tasks        those of its trials, one of each kind of metrics
    blocks       those of its trials at the ends of its domains
    goals        metrics of the ensemble on validation that it pursues, the most important first
    reading      how its results are read
    start        points to try before any other, in this order
    samples      number of trials where the command line says none; None: it must say one
    seed         of the sampler
    """

    fixed: tuple[Setting, ...]
    dimensions: tuple[Dimension, ...]
    tasks: tuple[Task, ...] = ()
    blocks: tuple[Task, ...] = ()
    goals: tuple[Metric, ...] = ()
    reading: Reading = DEFAULT_READING
    start: tuple[Point, ...] = ()
    samples: int | None = None
    seed: int = 0
    _builder: TrialBuilder = field(default_factory=TrialBuilder, repr=False, compare=False)

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names of the goals, as records have them ("val/auroc")."""
        return tuple(objective_name(goal) for goal in self.goals)

    def with_seeds(self, seeds: tuple[int, ...]) -> Search:
        """The same search with these replicates."""
        kept = tuple(given for given in self.fixed if given.key != "seeds")
        return replace(self, fixed=(*kept, setting("seeds", seeds, "seeds")))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The replicates of every trial."""
        given = next((s.value for s in self.fixed if s.key == "seeds"), None)
        default: tuple[int, ...] = TrialConfig.model_fields["seeds"].default
        return default if given is None else cast(tuple[int, ...], given)

    def walk(self, choose: Callable[[Dimension], object]) -> dict[str, object]:
        """The point that comes of choosing a value for one dimension after another, where it applies."""
        point: dict[str, object] = {}
        for dimension in self.dimensions:
            if dimension.applies(point):
                point[dimension.key] = choose(dimension)
        return point

    def random_point(self, seed: int, index: int) -> dict[str, object]:
        """A draw that depends on seed and index alone, every value of a domain equally likely."""
        return self.walk(lambda dimension: dimension.domain.value(share(seed, dimension.key, index)))

    def draws(self, count: int) -> list[TrialConfig]:
        """Trials at this many random points, impossible ones left out: what a search is made of."""
        trials = []
        for index in range(count):
            with suppress(Problem):
                trials.append(self.trial(self.random_point(self.seed, index)))
        return trials

    def points(self) -> Iterator[dict[str, object]] | None:
        """Every point, in a fixed order; None where a dimension has infinitely many values."""
        options: list[tuple[object, ...]] = []
        for dimension in self.dimensions:
            match dimension.domain:
                case Choice(options=values):
                    options.append(values)
                case IntUniform(low=low, high=high):
                    options.append(tuple(range(low, high + 1)))
                case _:
                    return None
        return self._points(options)

    def _points(self, options: list[tuple[object, ...]]) -> Iterator[dict[str, object]]:
        keys = [dimension.key for dimension in self.dimensions]
        seen = set()
        for values in itertools.product(*options):
            given = dict(zip(keys, values, strict=True))
            point = self.walk(lambda dimension, given=given: given[dimension.key])  # type: ignore[misc]
            if (text := repr(point)) not in seen:
                seen.add(text)
                yield point

    def trial(self, point: Point) -> TrialConfig:
        """The trial at a point. Raises Problem for an impossible one."""
        chosen = [setting(d.key, point[d.key], d.origin or d.key) for d in self.dimensions if d.key in point]
        return self._builder.build([*self.fixed, *chosen])

    def contains(self, point: Point) -> bool:
        """Whether the point has a value of its domain for the dimensions that apply, and for no others."""
        applying = self.walk(lambda dimension: point.get(dimension.key, _ABSENT))
        if applying.keys() != point.keys():
            return False
        for dimension in self.dimensions:
            if dimension.key in point and not _holds(dimension.domain, point[dimension.key]):
                return False
        return True

    def locate(self, trial: TrialConfig) -> dict[str, object] | None:
        """The point at which the search has this trial (its seeds aside), or None where it has not."""
        values = flat(trial.model_dump(exclude={"seeds"}))
        return self._locate(trial, values, {}, 0)

    def _locate(
        self, trial: TrialConfig, values: Mapping[str, object], point: dict[str, object], depth: int
    ) -> dict[str, object] | None:
        while depth < len(self.dimensions) and not self.dimensions[depth].applies(point):
            depth += 1
        if depth == len(self.dimensions):
            return point if self.trial(point).trial_id == trial.trial_id else None
        dimension = self.dimensions[depth]
        for value in _candidates(dimension, values):
            found = self._locate(trial, values, {**point, dimension.key: value}, depth + 1)
            if found is not None:
                return found
        return None


def _holds(domain: Domain, value: object) -> bool:
    """Whether a domain has a value, spelled as the domain spells it."""
    if isinstance(domain, Choice):
        return value in domain.options
    return domain.contains(value)


def _candidates(dimension: Dimension, values: Mapping[str, object]) -> list[object]:
    """The values of a dimension with which a configuration with these flat values could have been made."""
    key, domain = dimension.key, dimension.domain
    value = values.get(key, _ABSENT)
    if key in _PARTS and isinstance(domain, Choice):
        return [option for option in domain.options if is_none(option) == (value is None)]
    if key.startswith("data.") and isinstance(domain, Choice):  # classes may stand there by their names
        return list(domain.options)
    if value is _ABSENT:
        return []
    if isinstance(domain, Choice):
        text = comparable(key, value)
        return [option for option in domain.options if comparable(key, option) == text]
    return [value] if domain.contains(value) else []


def objective_name(metric: Metric) -> str:
    """A metric as an objective: that of the ensemble on validation.

    >>> from search_spaces.config.metrics import fpr_at_tpr
    >>> objective_name(fpr_at_tpr(0.995))
    'val/fpr_at_tpr_99.5'
    """
    return f"val/{metric.name}"


def is_none(option: object) -> bool:
    """Whether an option of `constraint` says that there is none."""
    return option is None or (isinstance(option, str) and option.casefold() == "none")
