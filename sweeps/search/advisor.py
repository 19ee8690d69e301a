"""What to try next: Optuna's TPE over a search's dimensions, in memory, without store or Ray.

Every suggestion has its own sampler, seeded by the search's seed and the suggestion's number. It therefore
depends on what the study holds at that time and on nothing else: a study built again from the same outcomes
makes the same suggestions.

Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011 (TPE); Optuna's
multivariate form with groups, in which a conditional dimension is modelled beside those it occurs with.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, cast

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from search_spaces.domains import Choice, Domain, IntUniform, LogUniform
from search_spaces.search import Dimension, Point, Search
from search_spaces.search_block import label
from sweeps.search.outcome import RUNNING, Outcome
from trainer.seeds import seed_for

# The first suggestions, known ones included, are random draws.
STARTUP_TRIALS = 10


class Advisor:
    """An Optuna study of a search. Trials are known by their number in it."""

    def __init__(self, search: Search) -> None:
        self.search = search
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        directions = ["maximize" if goal.better == "higher" else "minimize" for goal in search.goals]
        self.study = optuna.create_study(directions=directions)
        self._running: dict[int, optuna.Trial] = {}

    def add(self, point: Point, outcome: Outcome) -> int:
        """Tell of a trial at a point that was not suggested here; returns its number."""
        parameters = to_json(self.search, point)
        if outcome.state == RUNNING:
            self.study.enqueue_trial(parameters)
            trial = self.study.ask()
            self.search.walk(lambda dimension: _suggest(trial, dimension))
            self._running[trial.number] = trial
            return int(trial.number)
        state, values, curve = self._told(outcome)
        self.study.add_trial(
            create_trial(
                state=state,
                values=values,
                params=parameters,
                distributions=self._distributions(point),
                intermediate_values=curve,
                user_attrs={"state": outcome.state},
            )
        )
        return len(self.study.get_trials(deepcopy=False)) - 1

    def ask(self, number: int, attempt: int = 0) -> tuple[int, Point]:
        """A suggestion for the search's trial of this number: its number here, and the point as drawn.

        Its real values are not yet rounded: `settled` does that. Another `attempt` is another draw.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP_TRIALS,
                multivariate=True,
                group=True,
                seed=seed_for(self.search.seed, f"suggestion/{number}/{attempt}") % 2**32,
            )
        trial = self.study.ask()
        self._running[trial.number] = trial
        return trial.number, self.search.walk(lambda dimension: _suggest(trial, dimension))

    def tell(self, number: int, outcome: Outcome) -> None:
        """Tell how a trial that was under way came out; a second time changes nothing."""
        trial = self._running.pop(number, None)
        if trial is None:
            return
        state, values, curve = self._told(outcome)
        trial.set_user_attr("state", outcome.state)
        for step, value in curve.items():
            trial.report(value, step)
        # Optuna takes a pruned trial's value from its curve.
        self.study.tell(trial, values if state == TrialState.COMPLETE else None, state)

    def discard(self, number: int) -> None:
        """Take a suggestion back: nothing is learned from it."""
        self.tell(number, Outcome("failed"))

    def _distributions(self, point: Point) -> dict[str, Any]:
        """From what the values of a point were drawn."""
        found = {}
        for dimension in self.search.dimensions:
            if dimension.key in point:
                found[dimension.key] = _distribution(dimension.domain)
        return found

    def _told(self, outcome: Outcome) -> tuple[TrialState, list[float] | None, dict[int, float]]:
        """Optuna's state, values and curve of an outcome.

        Optuna knows pruning with one objective only; of several, a pruned trial counts with its last values.
        """
        several = len(self.search.objectives) > 1
        if outcome.state == "completed" or (outcome.state == "pruned" and several):
            return TrialState.COMPLETE, list(outcome.values), {}
        if outcome.state == "pruned":
            return TrialState.PRUNED, list(outcome.values), dict(outcome.curve)
        return TrialState.FAIL, None, {}


def settled(search: Search, drawn: Point) -> dict[str, object]:
    """A drawn point with its real values rounded as everywhere (see `search_spaces.domains`)."""
    domains = {dimension.key: dimension.domain for dimension in search.dimensions}
    point = dict(drawn)
    for key, value in drawn.items():
        domain = domains[key]
        if not isinstance(domain, Choice | IntUniform):
            point[key] = domain.settled(cast(float, value))
    return point


def to_json(search: Search, point: Point) -> dict[str, object]:
    """A point as plain values: options as their text, numbers as they are."""
    values = {}
    for dimension in search.dimensions:
        if dimension.key in point:
            values[dimension.key] = _parameter(dimension.domain, point[dimension.key])
    return values


def from_json(search: Search, values: Mapping[str, object]) -> dict[str, object] | None:
    """The point of what `to_json` wrote, or None where the search has no such point (any more)."""
    domains = {dimension.key: dimension.domain for dimension in search.dimensions}
    point: dict[str, object] = {}
    for key, value in values.items():
        domain = domains.get(key)
        if isinstance(domain, Choice):
            options = [option for option in domain.options if label(option) == value]
            if not options:
                return None
            value = options[0]
        point[key] = value
    return point if search.contains(point) else None


def _parameter(domain: Domain, value: object) -> object:
    return label(value) if isinstance(domain, Choice) else value


def _distribution(domain: Domain) -> Any:
    match domain:
        case Choice(options=options):
            return CategoricalDistribution([label(option) for option in options])
        case IntUniform(low=low, high=high):
            return IntDistribution(low, high)
        case _:
            return FloatDistribution(domain.low, domain.high, log=isinstance(domain, LogUniform))


def _suggest(trial: Any, dimension: Dimension) -> object:
    """The value that a trial of the study takes in a dimension."""
    key, domain = dimension.key, dimension.domain
    match domain:
        case Choice(options=options):
            labels = [label(option) for option in options]
            return options[labels.index(trial.suggest_categorical(key, labels))]
        case IntUniform(low=low, high=high):
            return int(trial.suggest_int(key, low, high))
        case _:
            log = isinstance(domain, LogUniform)
            return float(trial.suggest_float(key, domain.low, domain.high, log=log))
