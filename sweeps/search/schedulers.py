"""Early stopping of trials that fall behind, by a metric of the ensemble on validation after each epoch.

In a search that metric is its first objective, in its direction; in a grid the one that steers the task. A
trial is compared with those it competes with, and with no others: in a grid the trials of its table cell, of
which one is selected; in a search the trials of its block. Each group has its own scheduler of Ray's:

    asha     asynchronous successive halving (Li et al., MLSys 2020): after `grace`, 3 `grace`, 9 `grace` ...
             epochs a trial goes on if it is among the best third that got there
    median   median stopping (Golovin et al., KDD 2017): from `grace` epochs on a trial stops if its best
             value is worse than the median of the others' running means; at least three others

What a trial does itself (patience, best epoch, growth of the penalty) belongs to the trial and goes by what
steers its task in any case. A trial whose stored curve lacks the metric, as it was trained at other rates, is
compared with nobody, and this is said.

A decision to stop becomes a request in the store, which the worker meets before its next epoch: it ends the
replicates under way as "pruned", with the metric's name, and returns in the ordinary way. Tune itself stops
nothing, so no worker process is lost and no curve is cut short. On a relaunch the groups first learn from the
stored curves.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search_spaces.config import Metric, TrialConfig
from search_spaces.errors import DamagedError, StoreError
from search_spaces.labels import block_key
from search_spaces.rows import DEFAULT_ROWS, cell_key
from search_spaces.search import Search, objective_name
from search_spaces.words import count
from sweeps.compat import StoppingRule
from sweeps.search.outcome import ensemble_curves
from trainer.store import StopRequest, Store, wanted_seeds

log = logging.getLogger(__name__)

# Share of a trial's epochs that it may train before it is judged.
GRACE_SHARE = 0.1


@dataclass(frozen=True)
class Contest:
    """Who is compared with whom, and by what.

    place   what those who are compared have in common, in words
    group   equal for trials that are compared
    goal    the ensemble's metric by which a trial is judged
    """

    place: str
    group: Callable[[TrialConfig], Hashable]
    goal: Callable[[TrialConfig], Metric]


def grid_contest(rows: tuple[str, ...] = DEFAULT_ROWS) -> Contest:
    """Trials of one table cell compete, by what steers their task."""
    return Contest("table cell", lambda one: cell_key(one, rows), lambda one: one.data.steering_metric)


def search_contest(search: Search) -> Contest:
    """Trials of one block compete, by the search's first objective."""
    return Contest("block", lambda one: block_key(one.data), lambda _: search.goals[0])


class PeerScheduler(FIFOScheduler):  # type: ignore[misc]
    """Runs trials in their order, and asks for the end of those that their group's rule would stop.

    `configs` may grow while it is at work; `request` takes a trial's id and why it is to end.
    """

    def __init__(
        self,
        kind: str,
        configs: Mapping[str, TrialConfig],
        contest: Contest,
        request: Callable[[str, StopRequest], None],
        grace: int | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.configs = configs
        self.contest = contest
        self.request = request
        self.grace = grace
        self._groups: dict[Hashable, StoppingRule] = {}
        self._epochs: dict[str, int] = {}
        self._stopped: dict[str, StopRequest] = {}
        self._has_said = False

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the store is what a relaunch learns from."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def objective(self, config: TrialConfig) -> str:
        """What a trial is judged by, as records have it ("val/auroc")."""
        return objective_name(self.contest.goal(config))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Ask the group's rule about an epoch; the answer to Tune is always to go on."""
        if result.get("state") == "running":
            config = self.configs[trial.config["trial_id"]]
            value = result.get(_reported(self.objective(config)))
            if value is None:
                self.say_lacking([config])
            else:
                self.observe(config, int(result["epoch"]), float(value))
        return str(TrialScheduler.CONTINUE)

    def observe(self, config: TrialConfig, epoch: int, value: float, *, ended: bool = False) -> None:
        """Tell the objective's value after an epoch (from 0); one that ended before is only learned from."""
        trial_id = config.trial_id
        if not math.isfinite(value) or epoch <= self._epochs.get(trial_id, -1):
            return
        rule = self._rule(config)
        self._epochs[trial_id] = epoch
        if ended:
            rule.learn(trial_id, epoch + 1, value)
        elif trial_id in self._stopped:  # the request was not written, or its process lost: a new one forgets
            self._request(trial_id, self._stopped[trial_id])
        elif rule.would_stop(trial_id, epoch + 1, value):
            objective = self.objective(config)
            found = f"{_reported(objective)} {value:.4f} in epoch {epoch}"
            reason = f"{self.kind}: {found}, against others of its {self.contest.place}"
            self._stopped[trial_id] = StopRequest(reason, objective)
            self._request(trial_id, self._stopped[trial_id])

    def say_lacking(self, configs: Iterable[TrialConfig]) -> None:
        """Say, once, that trials have no curve of what they would be judged by."""
        lacking = {config.trial_id: self.objective(config) for config in configs}
        if lacking and not self._has_said:
            self._has_said = True
            names = ", ".join(sorted(set(lacking.values())))
            log.warning(
                "compared with nobody, as there is no curve of %s: %s", names, count(len(lacking), "trial")
            )

    def _request(self, trial_id: str, request: StopRequest) -> None:
        """Ask for a trial's end; storage that fails costs this request, and its next epoch brings another."""
        try:
            self.request(trial_id, request)
        except StoreError as error:
            log.warning("trial %s goes on, as its end could not be asked for: %s", trial_id, error)

    def _rule(self, config: TrialConfig) -> StoppingRule:
        name = self.contest.group(config)
        if name not in self._groups:
            longest = max(c.epochs for c in [config, *self.configs.values()])
            grace = self.grace or max(1, round(GRACE_SHARE * config.epochs))
            better = self.contest.goal(config).better
            self._groups[name] = StoppingRule(self.kind, better, grace=grace, longest=longest)
        return self._groups[name]


def make_scheduler(
    kind: str,
    store: Store,
    configs: Mapping[str, TrialConfig],
    ended: Iterable[TrialConfig],
    *,
    rows: tuple[str, ...] = DEFAULT_ROWS,
    search: Search | None = None,
    grace: int | None = None,
) -> PeerScheduler | None:
    """The scheduler of that name ("none" gives None), which knows the curves of those that `ended`.

    `rows` says what makes a row of a grid's table; a search has objectives instead.
    """
    if kind == "none":
        return None
    contest = grid_contest(rows) if search is None else search_contest(search)
    scheduler = PeerScheduler(kind, configs, contest, store.notes.request_stop, grace)
    known = {config.trial_id: config for config in ended}
    lacking = []
    for trial_id, done in store.all_replicates(wanted_seeds(known.values())).items():
        config = known[trial_id]
        try:
            points = ensemble_curves(store, done)
        except DamagedError as error:
            log.warning("%s: nothing is learned from this trial", error)
            continue
        objective, curves = scheduler.objective(config), sorted(points.items())
        for epoch, point in curves:
            scheduler.observe(config, epoch, point.get(objective, math.nan), ended=True)
        if curves and not any(objective in point for _, point in curves):
            lacking.append(config)
    scheduler.say_lacking(lacking)
    return scheduler


def _reported(objective: str) -> str:
    """An objective's name in what a worker reports of an epoch."""
    return f"ensemble/{objective}"
