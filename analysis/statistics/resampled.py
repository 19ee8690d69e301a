"""Test metrics of trials over the same draws of examples: what intervals, tests and ties are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.crew import ALONE, Crew, shares
from analysis.records import TestRecord
from analysis.statistics.draws import DRAWS, example_draws, seed_draws
from analysis.statistics.intervals import (
    MIN_SEEDS,
    Interval,
    Values,
    acceleration,
    corrected_interval,
    expanded_interval,
    percentile_interval,
)
from analysis.tuned import tuned_name
from search_spaces.config import Task
from trainer.tasks.base import TaskArrays

# Weights of seeds in a draw, the same for all trials of so many: pairs of trials are drawn together.
SEEDS_KEY = "replicates"


class Skewed(NamedTuple):
    """A metric's value on the test examples, and its acceleration (`intervals.acceleration`)."""

    value: float
    acceleration: float


@dataclass(frozen=True, eq=False)
class Resampled:
    """One trial's test metrics over draws of test examples.

    ensemble     of the ensemble, by the metric's name [draws]
    replicates   of each replicate, headline metrics alone [replicates, draws]; of fewer than `MIN_SEEDS`
                 replicates none
    skewed       of those of the ensemble's metrics whose draws are skewed: what their intervals correct
    """

    ensemble: Mapping[str, Values]
    replicates: Mapping[str, NDArray[np.float32]]
    skewed: Mapping[str, Skewed] = field(default_factory=dict)

    def intervals(self) -> dict[str, Interval]:
        """Of the ensemble as the fixed classifier that it is, over test examples; by the metrics' names."""
        return {name: _interval(values, self.skewed.get(name)) for name, values in self.ensemble.items()}

    def mean_intervals(self) -> dict[str, Interval]:
        """Of the mean over replicates, over seeds and test examples; by the names of headline metrics."""
        return {name: mean_interval(values) for name, values in self.replicates.items()}


def mean_interval(values: NDArray[np.floating[Any]]) -> Interval:
    """The interval of a mean over seeds, of values [seeds, draws of examples]: seeds are drawn too.

    Seeds and examples are drawn independently of each other (crossed bootstrap; Owen, "The pigeonhole
    bootstrap", Annals of Applied Statistics 1, 2007). See `expanded_interval`.
    """
    seeds, draws = values.shape
    means = np.einsum("sd,sd->d", seed_draws(seeds, draws, SEEDS_KEY), values)
    return expanded_interval(means, seeds)


def _skews(
    task: TaskArrays, targets: NDArray[Any], outputs: NDArray[Any], groups: NDArray[Any] | None
) -> dict[str, Skewed]:
    """Of one classifier's areas under ROC curves, by their names."""
    found = {}
    # Computed as the draws are: a draw that is equal is equal to the last bit.
    once = np.ones((len(targets), 1), np.int16)
    values = task.resampled(targets, outputs, once)
    for name, influences in task.influences(targets, outputs).items():
        if name in values:
            found[name] = Skewed(float(values[name][0]), acceleration(influences, groups))
    return found


def _interval(draws: Values, skew: Skewed | None) -> Interval:
    return percentile_interval(draws) if skew is None else corrected_interval(draws, *skew)


def bootstrap_intervals(
    task: TaskArrays,
    targets: NDArray[Any],
    outputs: NDArray[Any],
    groups: NDArray[Any] | None = None,
    *,
    draws: int = DRAWS,
    key: str = "",
) -> dict[str, Interval]:
    """Intervals of those metrics of one classifier that have one, by their names.

    targets   [N]; outputs [N] or [N, classes] (the ensemble's, for example)
    groups    [N], of which whole ones are drawn; None where there are none

    There are none where the metrics themselves are undefined (no positives, no negatives, a score that is
    NaN). Raises InputError for wrong shapes or targets.
    """
    if task.undefined_reason(targets, outputs) is not None:
        return {}
    drawn: dict[str, list[Values]] = {}
    for counts in example_draws(task.strata(targets), groups, draws=draws, key=key):
        _extend(drawn, task.resampled(targets, outputs, counts))
    skews = _skews(task, targets, outputs, groups)
    return {name: _interval(np.concatenate(parts), skews.get(name)) for name, parts in drawn.items()}


def resample(tests: Iterable[TestRecord], draws: int = DRAWS) -> dict[str, Resampled]:
    """`resampling` of all of them, by the trials' ids."""
    return joined(resampling(tests, draws))


def joined(parts: Iterable[Mapping[str, Resampled]]) -> dict[str, Resampled]:
    """What `resampling` gives, waited for."""
    found: dict[str, Resampled] = {}
    for part in parts:
        found |= part
    return found


def resampling(
    tests: Iterable[TestRecord], draws: int = DRAWS, crew: Crew = ALONE
) -> Iterator[Mapping[str, Resampled]]:
    """What every trial's metrics are over `draws` draws of its test examples; by the trials' ids, in parts.

    Trials that were tested on the same examples meet the same draws, whatever their block. A trial whose
    metrics are undefined has none. With 0 draws nobody has. A crew shares the work, and begins with it
    before this returns.
    """
    by_examples: dict[str, list[TestRecord]] = {}
    for test in tests:
        if test.undefined is None and draws:
            key = examples_key(test.config.data, test.targets, test.groups)
            by_examples.setdefault(key, []).append(test)
    calls = []
    for key, alike in by_examples.items():
        for share in shares(alike, crew.size):
            calls.append(partial(_resampled, [test.for_the_crew() for test in share], draws, key))
    return crew.map(calls)


def examples_key(task: Task, targets: NDArray[Any], groups: NDArray[Any] | None = None) -> str:
    """The same for trials that were tested on the same examples: the key of their draws."""
    digest = hashlib.sha256(json.dumps(task.source.model_dump(mode="json"), sort_keys=True).encode())
    digest.update(f"{targets.shape}".encode())
    digest.update(targets.astype(np.int64).tobytes())
    if groups is not None:
        digest.update("\n".join(groups.tolist()).encode())
    return digest.hexdigest()


def _resampled(tests: Sequence[TestRecord], draws: int, key: str) -> dict[str, Resampled]:
    """See `resample`; all of them were tested on the same examples."""
    first = tests[0]
    strata = first.arrays.strata(first.targets)
    ensembles: dict[str, dict[str, list[Values]]] = {test.trial_id: {} for test in tests}
    replicates: dict[str, list[dict[str, list[Values]]]] = {}
    for test in tests:
        enough = len(test.seeds) >= MIN_SEEDS
        replicates[test.trial_id] = [{} for _ in test.seeds] if enough else []
    for counts in example_draws(strata, first.groups, draws=draws, key=key):
        for test in tests:
            task = test.arrays
            _extend(ensembles[test.trial_id], task.resampled(test.targets, test.ensemble, counts))
            if test.tuned is not None:
                values = task.resampled(test.targets, test.ensemble, counts, thresholds=test.tuned.values)
                tuned = {tuned_name(name): of_draws for name, of_draws in values.items()}
                _extend(ensembles[test.trial_id], tuned)
            for row, of_replicate in enumerate(replicates[test.trial_id]):
                _extend(of_replicate, task.resampled(test.targets, test.outputs[row], counts, headline=True))
    found = {}
    for test in tests:
        joined = {}
        for name, parts in ensembles[test.trial_id].items():
            if not np.isnan(test.metrics.get(name, 0.0)):  # what the scores' loss leaves undefined
                joined[name] = np.concatenate(parts)
        skews = _skews(test.arrays, test.targets, test.ensemble, test.groups)
        found[test.trial_id] = Resampled(joined, _stacked(replicates[test.trial_id], joined), skews)
    return found


def _extend(drawn: dict[str, list[Values]], values: Mapping[str, Values]) -> None:
    for name, part in values.items():
        drawn.setdefault(name, []).append(part)


def _stacked(
    replicates: Sequence[Mapping[str, list[Values]]], names: Container[str]
) -> dict[str, NDArray[np.float32]]:
    """By those of the names, the values of all replicates [replicates, draws]."""
    found = {}
    for name in replicates[0] if replicates else ():
        if name not in names:
            continue
        rows = [np.concatenate(of_replicate[name]) for of_replicate in replicates]
        found[name] = np.stack(rows).astype(np.float32)
    return found
