"""Early stopping of trials that fall behind, by a metric of the ensemble on validation after each epoch.

In a search that metric is its first objective, in its direction; in a grid the validation AUROC. A trial is
compared with those it competes with, and with no others: in a grid the trials of its table cell, of which one
is selected; in a search the trials of its block. Each group has its own scheduler of Ray's:

    asha     asynchronous successive halving (Li et al., MLSys 2020): after `grace`, 3 `grace`, 9 `grace` ...
             epochs a trial goes on if it is among the best third that got there
    median   median stopping (Golovin et al., KDD 2017): from `grace` epochs on a trial stops if its best
             value is worse than the median of the others' running means; at least three others

What a trial does itself (patience, best epoch, growth of the penalty) belongs to the trial and goes by its
validation AUROC in any case.

A decision to stop becomes a request in the store, which the worker meets before its next epoch: it ends the
replicates under way as "pruned", with the metric's name, and returns in the ordinary way. Tune itself stops
nothing, so no worker process is lost and no curve is cut short. On a relaunch the groups first learn from the
stored curves.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from search_spaces.config import TrialConfig
from search_spaces.errors import StoreError
from search_spaces.labels import block_key, row_label
from search_spaces.search import DEFAULT_OBJECTIVES, OBJECTIVES
from sweeps.search.outcome import ensemble_curves
from trainer.store import StopRequest, Store

log = logging.getLogger(__name__)

GRID_OBJECTIVE = DEFAULT_OBJECTIVES[0]
REDUCTION = 3
# Share of a trial's epochs that it may train before it is judged.
GRACE_SHARE = 0.1


@dataclass(frozen=True)
class _Peer:
    """What Ray's schedulers need of a trial."""

    trial_id: str


class PeerScheduler(FIFOScheduler):  # type: ignore[misc]
    """Runs trials in their order, and asks for the end of those that their group's scheduler would stop.

    `configs` may grow while it is at work; `group` names the group of a trial; `request` takes a trial's id
    and why it is to end; `objective` is one of `search_spaces.search.OBJECTIVES`.
    """

    def __init__(
        self,
        kind: str,
        configs: Mapping[str, TrialConfig],
        group: Callable[[TrialConfig], str],
        request: Callable[[str, StopRequest], None],
        grace: int | None = None,
        objective: str = GRID_OBJECTIVE,
    ) -> None:
        super().__init__()
        self.kind, self.configs, self.group, self.request, self.grace = kind, configs, group, request, grace
        self.objective = objective
        self._metric = _reported(objective)
        self._groups: dict[str, TrialScheduler] = {}
        self._epochs: dict[str, int] = {}
        self._stopped: dict[str, StopRequest] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the store is what a relaunch learns from."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Ask the group's scheduler about an epoch; the answer to Tune is always to go on."""
        if result.get("state") == "running" and self._metric in result:
            config = self.configs[trial.config["trial_id"]]
            self.observe(config, int(result["epoch"]), float(result[self._metric]))
        return str(TrialScheduler.CONTINUE)

    def observe(self, config: TrialConfig, epoch: int, value: float, *, ended: bool = False) -> None:
        """Tell the objective's value after an epoch (from 0); one that ended before is only learned from."""
        trial_id = config.trial_id
        if not math.isfinite(value) or epoch <= self._epochs.get(trial_id, -1):
            return
        peer, scheduler = _Peer(trial_id), self._scheduler(config)
        if trial_id not in self._epochs:
            scheduler.on_trial_add(None, peer)
        self._epochs[trial_id] = epoch
        result = {"epochs": epoch + 1, self._metric: value}
        if ended and self.kind == "median":
            scheduler.on_trial_complete(None, peer, result)  # takes note without judging
        elif trial_id in self._stopped:  # the request was not written, or its process lost: a new one forgets
            self._request(trial_id, self._stopped[trial_id])
        else:
            decision = scheduler.on_trial_result(None, peer, result)
            if decision == TrialScheduler.STOP and not ended:
                where = "block" if self.group is block_group else "table cell"
                found = f"{self._metric} {value:.4f} in epoch {epoch}"
                reason = f"{self.kind}: {found}, against others of its {where}"
                self._stopped[trial_id] = StopRequest(reason, self.objective)
                self._request(trial_id, self._stopped[trial_id])

    def _request(self, trial_id: str, request: StopRequest) -> None:
        """Ask for a trial's end; storage that fails costs this request, and its next epoch brings another."""
        try:
            self.request(trial_id, request)
        except StoreError as error:
            log.warning("trial %s goes on, as its end could not be asked for: %s", trial_id, error)

    def _scheduler(self, config: TrialConfig) -> TrialScheduler:
        name = self.group(config)
        if name not in self._groups:
            longest = max(c.epochs for c in [config, *self.configs.values()])
            grace = self.grace or max(1, round(GRACE_SHARE * config.epochs))
            self._groups[name] = _scheduler(self.kind, self.objective, grace, longest)
        return self._groups[name]


def make_scheduler(
    kind: str,
    store: Store,
    configs: Mapping[str, TrialConfig],
    ended: Iterable[TrialConfig],
    *,
    searching: bool,
    grace: int | None = None,
    objective: str = GRID_OBJECTIVE,
) -> PeerScheduler | None:
    """The scheduler of that name ("none" gives None), which knows the curves of those that `ended`.

    `objective` is what trials are judged by: a search's first, else the default.
    """
    if kind == "none":
        return None
    group = block_group if searching else cell_group
    scheduler = PeerScheduler(kind, configs, group, store.notes.request_stop, grace, objective)
    known = {config.trial_id: config for config in ended}
    for trial_id, done in store.all_replicates({i: c.seeds for i, c in known.items()}).items():
        for epoch, point in sorted(ensemble_curves(store, done).items()):
            scheduler.observe(known[trial_id], epoch, point.get(objective, math.nan), ended=True)
    return scheduler


def cell_group(config: TrialConfig) -> str:
    """The table cell: block, loss, with or without constraint."""
    return f"{block_key(config.data)} {row_label(config)}"


def block_group(config: TrialConfig) -> str:
    """The block: data set and ratio."""
    return block_key(config.data)


def _reported(objective: str) -> str:
    """An objective's name in what a worker reports of an epoch."""
    return f"ensemble/{objective}"


def _scheduler(kind: str, objective: str, grace: int, longest: int) -> TrialScheduler:
    metric = _reported(objective)
    mode = "max" if OBJECTIVES[objective] == "maximize" else "min"
    if kind == "asha":
        return ASHAScheduler(
            time_attr="epochs",
            metric=metric,
            mode=mode,
            grace_period=grace,
            max_t=max(longest, grace + 1),
            reduction_factor=REDUCTION,
            # A trial in its last epoch has nothing to save any more.
            stop_last_trials=False,
        )
    # Ray's own answer to few comparisons, to pause a trial, would cost more than it saves.
    return MedianStoppingRule(
        time_attr="epochs", metric=metric, mode=mode, grace_period=grace, min_time_slice=math.inf
    )
