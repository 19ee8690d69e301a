"""Racing replicates: a few seeds for every candidate, more for those that could still be their cell's best.

The candidates of a table cell are judged after two replicates, after three, and whenever those have doubled,
by what the selection rule goes by: mostly a metric of the ensemble on validation
(`analysis.statistics.race`). Those left behind are stored as pruned, with the reason: the replicate that they
would train next gets a DONE marker of that state. So a relaunch trains none of them, `retry --pruned` all.

What is decided follows from the store alone: from the first replicates of a cell's candidates, whatever else
is there. A race that was killed goes on where it was and ends in the same way. A candidate of which a
replicate diverged falls behind those of which none did, as it can never be complete.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.select import Rule, rule_of
from analysis.statistics.race import left_behind
from search_spaces.config import TrialConfig
from search_spaces.errors import DamagedError
from search_spaces.reading import Reading
from search_spaces.rows import CellKey, cell_key
from search_spaces.search import objective_name
from search_spaces.words import count
from sweeps.search.race_values import ValidationValues
from trainer.results import prune_unbegun
from trainer.store import Done, Store, wanted_seeds

log = logging.getLogger(__name__)

# DONE markers by trial id and seed.
_Ended = Mapping[str, Mapping[int, Done]]

LEVEL = 0.02
TOLERANCE = 0.002


def looks(seeds: int) -> list[int]:
    """After how many of so many replicates a cell is judged.

    >>> looks(10), looks(6), looks(3), looks(2)
    ([2, 3, 6], [2, 3], [2], [])
    """
    found = [2] if seeds > 2 else []
    after = 3
    while after < seeds:
        found.append(after)
        after *= 2
    return found


@dataclass(frozen=True)
class Lap:
    """What a race trains next, and whom it has left behind before that.

    trials        by id, with the seeds to train; none when the race is over
    halfway       ids of those of them that want more seeds than that
    left_behind   after how many replicates, by the id of each trial that was left behind just now
    """

    trials: dict[str, TrialConfig]
    halfway: frozenset[str]
    left_behind: Mapping[str, int]

    def words(self) -> list[str]:
        """How many were left behind, a line for each number of replicates."""
        lines = []
        for after, behind in sorted(Counter(self.left_behind.values()).items()):
            lines.append(f"race: {count(behind, 'trial')} left behind after {count(after, 'replicate')}")
        return lines


class Race:
    """The race of a sweep's trials, lap by lap.

    store     holds the results
    trials    all of the sweep
    wanted    ids of those that this run may train
    reading   what makes a row, and at which rates metrics are known
    rule      the selection rule's name; None is that of each trial's task
    """

    def __init__(
        self,
        store: Store,
        trials: Sequence[TrialConfig],
        wanted: Iterable[str],
        reading: Reading,
        rule: str | None = None,
    ) -> None:
        self.store, self.rule, self.targets = store, rule, reading.targets
        self._cells: dict[CellKey, list[TrialConfig]] = {}
        for trial in trials:
            self._cells.setdefault(cell_key(trial, reading.rows), []).append(trial)
        self._seeds = wanted_seeds(trials)
        self._wanted = set(wanted)
        # How many replicates of a trial this run was asked for: one that lacks them still has failed.
        self._asked: dict[str, int] = {}
        self._values = ValidationValues(store, reading.targets)

    def next_lap(self) -> Lap:
        """What to train next. Candidates that are left behind have been stored as such when this returns."""
        ended = self.store.all_replicates(self._seeds)
        trials: dict[str, TrialConfig] = {}
        left: dict[str, int] = {}
        for cell in self._cells.values():
            needed, behind = self._judge(cell, ended)
            trials |= needed
            left |= behind
        for trial_id, config in trials.items():
            self._asked[trial_id] = len(config.seeds)
        halfway = [one for one, config in trials.items() if len(config.seeds) < len(self._seeds[one])]
        return Lap(trials, frozenset(halfway), left)

    def _judge(
        self, cell: Sequence[TrialConfig], ended: _Ended
    ) -> tuple[dict[str, TrialConfig], dict[str, int]]:
        """What a cell needs next; whom it has left behind just now, after how many replicates."""
        alive = list(cell)
        rule = rule_of(cell[0].data, self.rule, self.targets)
        left: dict[str, int] = {}
        stages = looks(len(cell[0].seeds))
        for after in stages:
            needed, judged = self._sorted(alive, after, ended)
            if needed:
                return needed, left
            reasons = self._reasons(judged, after, len(stages), rule, ended)
            alive = []
            for trial in judged:
                reason = reasons.get(trial.trial_id)
                if reason is None:
                    alive.append(trial)
                elif self._leave(trial, after, reason, rule, ended[trial.trial_id]):
                    left[trial.trial_id] = after
        needed, _ = self._sorted(alive, len(cell[0].seeds), ended)
        return needed, left

    def _sorted(
        self, alive: Sequence[TrialConfig], after: int, ended: _Ended
    ) -> tuple[dict[str, TrialConfig], list[TrialConfig]]:
        """Who is to train the first replicates still, and who has them; without those that cannot."""
        needed, judged = {}, []
        for trial in alive:
            first = trial.seeds[:after]
            done = ended.get(trial.trial_id, {})
            states = {done[seed].state for seed in first if seed in done}
            if all(seed in done for seed in first) and "pruned" not in states:
                judged.append(trial)
            elif self._can_train(trial, after, done):
                needed[trial.trial_id] = trial.model_copy(update={"seeds": first})
        return needed, judged

    def _can_train(self, trial: TrialConfig, after: int, done: Mapping[int, Done]) -> bool:
        was_asked = self._asked.get(trial.trial_id, 0) >= after
        return trial.trial_id in self._wanted and not _is_pruned(trial, done) and not was_asked

    def _reasons(
        self, judged: Sequence[TrialConfig], after: int, times: int, rule: Rule, ended: _Ended
    ) -> dict[str, str]:
        """Why candidates are left behind after so many replicates, by id."""
        sound: list[TrialConfig] = []
        reasons: dict[str, str] = {}
        for trial in judged:
            states = {ended[trial.trial_id][seed].state for seed in trial.seeds[:after]}
            if "diverged" in states:
                reasons[trial.trial_id] = "race: a replicate diverged, of others of its table cell none did"
            else:
                sound.append(trial)
        if not sound:
            return {}
        known, values = [], []
        for trial in sound:
            done = [ended[trial.trial_id][seed] for seed in trial.seeds[:after]]
            own = self._values.values(trial, done, rule)
            if own is not None:
                known.append(trial)
                values.append(own)
        if len(known) < 2:
            return reasons
        whole = np.array([one.whole for one in values])
        without = np.array([one.without for one in values])
        behind = left_behind(
            whole, without, of=len(known[0].seeds), level=LEVEL, tolerance=TOLERANCE, judged_at=times
        )
        for trial, value, is_behind in zip(known, whole, behind, strict=True):
            if is_behind:
                reasons[trial.trial_id] = (
                    f"race: {objective_name(rule.metric)} {rule.metric.gain(float(value)):.4f} of "
                    f"{count(after, 'replicate')} together, of the best of its table cell "
                    f"{rule.metric.gain(float(whole.max())):.4f}"
                )
        return reasons

    def _leave(
        self, trial: TrialConfig, after: int, reason: str, rule: Rule, done: Mapping[int, Done]
    ) -> bool:
        """Store that a candidate was left behind, if it has replicates to train and does not say so yet."""
        missing = [seed for seed in trial.seeds if seed not in done]
        if not missing or _is_pruned(trial, done):
            return False
        by = objective_name(rule.metric)
        try:
            prune_unbegun(self.store, done[trial.seeds[0]], missing[0], reason, by=by, after=after)
        except DamagedError as error:
            log.warning("%s: this trial waits for the next run", error)
            return False
        return True


def _is_pruned(trial: TrialConfig, done: Mapping[int, Done]) -> bool:
    return any(done[seed].state == "pruned" for seed in trial.seeds if seed in done)
