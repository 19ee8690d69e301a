"""A search's study in the result store: what was suggested so far, and what came of it.

A suggestion is written before its trial starts; its outcome is the trial's result in the store. A killed
search is therefore whole again as soon as it is opened: suggestions whose replicates are missing are trained,
and new ones follow until there are as many as asked. No trial is suggested twice, and what other sweeps have
finished in the same store is learned from at the start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from search_spaces.config import TrialConfig
from search_spaces.domains import share
from search_spaces.errors import DamagedError, StoreError, TrialSchemaError
from search_spaces.fingerprint import search_fingerprint
from search_spaces.problem import Problem
from search_spaces.search import Point, Search
from sweeps.search.advisor import Advisor, settled
from sweeps.search.outcome import RUNNING, Outcome, read_outcome
from sweeps.search.suggestions import Suggestion, read_suggestions, write_suggestion
from trainer.store import Done, Store, SweepManifest, wanted_seeds

log = logging.getLogger(__name__)

# Draws of the sampler that may repeat known trials before a new one is drawn at random.
REPEATS = 20
RANDOM_DRAWS = 1000
# Share of a search's time that may go into writing its manifest.
MANIFEST_SHARE = 0.05


def stored_configs(store: Store) -> dict[str, TrialConfig]:
    """Configurations of all trials in the store by id: from the manifests, else from their own files.

    Without those of another trial schema, from whose numbers nothing can be learned.
    """
    known: dict[str, TrialConfig] = {}
    for manifest in store.read_sweeps().values():
        known.update((config.trial_id, config) for config in manifest.trials)
    held = store.scan()
    unknown = [trial_id for trial_id in held if trial_id not in known]

    def read(trial_id: str) -> TrialConfig | None:
        try:
            return store.read_config(trial_id)
        except TrialSchemaError:
            return None
        except DamagedError as error:
            log.warning("%s: nothing is learned from this trial", error)
            return None

    with ThreadPoolExecutor(max_workers=16) as pool:
        for config in pool.map(read, unknown):
            if config is not None:
                known[config.trial_id] = config
    return {trial_id: config for trial_id, config in known.items() if trial_id in held}


class SearchStudy:
    """The suggestions of a search, and an Optuna study of their outcomes. For one driver at a time."""

    def __init__(self, store: Store, name: str, search: Search, samples: int) -> None:
        """Open the study of a sweep, or begin it, for `samples` trials in all.

        Suggestions that the search has no more, since it was changed, are left out; their results stay.
        """
        self.store, self.name, self.search = store, name, search
        self.suggestions: dict[str, Suggestion] = {}
        self.exhausted = False
        self._numbers: dict[str, int] = {}
        self._advisor = Advisor(search)
        self._manifest_due = 0.0
        self._has_said = False
        self._space = search_fingerprint(search)
        earlier, self._next = read_suggestions(store, name, search)
        self.samples = max(samples, len(earlier))
        first = self._start(earlier)
        self.warm = self._learn(earlier, first)
        for suggestion in first.values():
            self._write(suggestion)
        self.suggestions = {**earlier, **first}

    @property
    def remaining(self) -> int:
        """Number of trials that have not been suggested yet."""
        if self.exhausted:
            return 0
        return max(self.samples - len(self.suggestions), 0)

    def manifest(self) -> SweepManifest:
        """The trials that were suggested so far, and how many are wanted."""
        trials = tuple(suggestion.config for suggestion in self.suggestions.values())
        return SweepManifest(self.name, trials, self.samples, self.search.reading, self._space)

    def suggest(self) -> TrialConfig | None:
        """The next trial to train, none of those suggested before; None when there are enough, or no more.

        A suggestion that another sweep has finished counts as a trial of the search and is passed over.
        Raises StoreError where a suggestion cannot be written; the next call makes another.
        """
        while self.remaining:
            found = self._sampled() or self._random()
            if found is None:
                self.exhausted = True
                log.warning("search %s: it has no more than %d trials", self.name, len(self.suggestions))
                break
            suggestion, asked = found
            trial_id = suggestion.config.trial_id
            try:
                self._write(suggestion)
            except StoreError:
                self._advisor.discard(asked)
                raise
            self.suggestions[trial_id] = suggestion
            self._write_manifest()
            if trial_id not in self._numbers:
                self._numbers[trial_id] = asked
                return suggestion.config
            self._advisor.discard(asked)
        return None

    def finish(self, trial_id: str) -> Outcome:
        """Learn from the store how a trial came out; one whose replicates are missing has failed for now."""
        config = self.suggestions[trial_id].config
        outcome = self._outcome(config, self.store.replicates.ended(trial_id))
        told = outcome
        if outcome.state == RUNNING:
            told = Outcome("failed")
        self._advisor.tell(self._numbers[trial_id], told)
        return outcome

    # Suggestions

    def _sampled(self) -> tuple[Suggestion, int] | None:
        """A new trial of the sampler's and its number there, or None where it only repeats itself.

        A repeated draw counts as under way until the end, so that the next one keeps away from it.
        """
        repeated: list[int] = []
        try:
            for attempt in range(REPEATS):
                asked, drawn = self._advisor.ask(self._next, attempt)
                try:
                    config = self.search.trial(settled(self.search, drawn))
                except Problem as problem:  # each value is possible, but not beside the others
                    log.warning("search %s: a suggestion makes no trial: %s", self.name, problem)
                    repeated.append(asked)
                    continue
                if config.trial_id not in self.suggestions:
                    return Suggestion(self._next, "sampler", config, drawn), asked
                repeated.append(asked)
            return None
        finally:
            for number in repeated:
                self._advisor.discard(number)

    def _random(self) -> tuple[Suggestion, int] | None:
        """A trial that was not suggested yet, where the sampler only repeats itself."""
        for point in self._candidates():
            try:
                config = self.search.trial(point)
            except Problem:
                continue
            if config.trial_id not in self.suggestions:
                asked = self._advisor.add(point, Outcome(RUNNING))
                return Suggestion(self._next, "random", config, point), asked
        return None

    def _candidates(self) -> Iterable[Point]:
        every = self.search.points()
        if every is None:
            begin = self._next * RANDOM_DRAWS
            indices = range(begin, begin + RANDOM_DRAWS)
            return (self.search.random_point(self.search.seed, index) for index in indices)
        return sorted(every, key=lambda point: share(self.search.seed, repr(point), 0))

    def _start(self, earlier: Mapping[str, Suggestion]) -> dict[str, Suggestion]:
        """The known first points that were not suggested yet, by trial id, as far as there is room."""
        found: dict[str, Suggestion] = {}
        for point in self.search.start:
            config = self.search.trial(point)
            has_room = len(earlier) + len(found) < self.samples
            if has_room and config.trial_id not in earlier and config.trial_id not in found:
                found[config.trial_id] = Suggestion(self._next + len(found), "start", config, point)
        return found

    # Outcomes

    def _learn(self, earlier: Mapping[str, Suggestion], first: Mapping[str, Suggestion]) -> int:
        """Tell the advisor of all that the store holds; returns how many trials of other sweeps that were.

        Of an `earlier` suggestion it learns the values as drawn, before they were rounded.
        """
        own = {**earlier, **first}
        stored = [*self._others(own), *(suggestion.config for suggestion in own.values())]
        done = self.store.all_replicates(wanted_seeds(stored))
        warm = 0
        with ThreadPoolExecutor(max_workers=8) as pool:
            outcomes = pool.map(lambda c: self._outcome(c, done.get(c.trial_id, {})), stored)
            for config, outcome in zip(stored, outcomes, strict=True):
                if config.trial_id not in own and outcome.state == RUNNING:
                    continue
                point: Point | None = self.search.locate(config)
                if config.trial_id in earlier:
                    point = earlier[config.trial_id].drawn
                if point is not None:
                    self._numbers[config.trial_id] = self._advisor.add(point, outcome)
                    warm += config.trial_id not in own
        return warm

    def _others(self, known: Collection[str]) -> list[TrialConfig]:
        """Trials in the store that lie in the search but were not suggested by it, sorted by id."""
        found = {}
        for trial_id, config in stored_configs(self.store).items():
            if trial_id not in known and self.search.locate(config) is not None:
                found[trial_id] = config.model_copy(update={"seeds": self.search.seeds})
        return [found[trial_id] for trial_id in sorted(found)]

    def _outcome(self, config: TrialConfig, done: Mapping[int, Done]) -> Outcome:
        try:
            outcome = read_outcome(self.store, config, done, self.search)
        except StoreError as error:
            log.warning("search %s: nothing is learned from trial %s: %s", self.name, config.trial_id, error)
            return Outcome("failed")
        if outcome.lacks and not self._has_said:
            self._has_said = True
            wanted = ", ".join(self.search.objectives)
            log.warning("search %s: nothing is learned from pruned trials without %s", self.name, wanted)
        return outcome

    # Files

    def _write(self, suggestion: Suggestion) -> None:
        write_suggestion(self.store, self.name, self.search, suggestion)
        self._next = suggestion.number + 1

    def _write_manifest(self) -> None:
        """Write the manifest, unless that takes more than its share of the time: the study can do without."""
        begun = time.monotonic()
        if begun >= self._manifest_due:
            try:
                self.store.write_sweep(self.manifest())
            except StoreError as error:
                log.warning("search %s: its manifest waits for the next suggestion: %s", self.name, error)
            self._manifest_due = begun + (time.monotonic() - begun) / MANIFEST_SHARE
