"""What one run has to do: decided once, from the store, and handed on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from search_spaces.config import Task, TrialConfig
from search_spaces.errors import CheckpointError
from sweeps.driver.opened import OpenedSweep
from sweeps.plan import STATUSES, Plan, PlannedTrial, make_plan
from trainer.store import Damage, Store, SweepManifest, find_damage, wanted_seeds

if TYPE_CHECKING:
    from sweeps.search.study import SearchStudy


@dataclass(frozen=True)
class Work:
    """What a run is to do.

    store     where results lie
    opened    the sweep's trials when its work was looked for
    tasks     those of its trials, known or not yet
    plan      the sweep's trials and how they stand
    wanted    the trials to be run
    again     those of them that had ended: to be reopened once the cluster is known to be able to run them
    damage    why replicates that ended are to be trained again, by trial id and seed
    study     of a search: suggests more trials
    """

    store: Store
    opened: SweepManifest
    tasks: tuple[Task, ...]
    plan: Plan
    wanted: Sequence[PlannedTrial]
    again: Sequence[PlannedTrial]
    study: SearchStudy | None = None
    damage: Damage = field(default_factory=dict)

    @property
    def manifest(self) -> SweepManifest:
        """The sweep's trials; of a search those that are suggested by now."""
        return self.opened if self.study is None else self.study.manifest()

    @property
    def suggestions(self) -> int:
        """Trials that a study may still suggest."""
        return 0 if self.study is None else self.study.remaining

    @property
    def is_any(self) -> bool:
        """Whether there is anything to train."""
        return bool(self.wanted) or self.suggestions > 0

    def configs(self) -> list[TrialConfig]:
        """The configurations to be run, as far as they are known."""
        return [trial.config for trial in self.wanted]

    def ended(self, *statuses: str) -> list[TrialConfig]:
        """The trials that have no replicate to train, of these statuses where any are named."""
        reopened = {trial.trial_id for trial in self.again}
        found = []
        for trial in self.plan.of(*statuses or STATUSES):
            if not trial.missing and trial.trial_id not in reopened:
                found.append(trial.config)
        return found

    def reopen(self) -> None:
        """Forget that replicates ended that did not complete or are damaged; and useless checkpoints."""
        for trial in self.again:
            failure = self.store.notes.read_failure(trial.trial_id) or {}
            if failure.get("error") == CheckpointError.__name__:
                self.store.notes.delete_checkpoint(trial.trial_id)
            for seed, done in self.store.replicates.ended(trial.trial_id).items():
                if seed in trial.config.seeds and done.state != "completed":
                    self.store.reopen(trial.trial_id, seed)
            for seed in self.damage.get(trial.trial_id, {}):
                self.store.reopen(trial.trial_id, seed)


def find_work(
    sweep: OpenedSweep, console: Console, retry: Collection[str] = (), *, only_changed: bool = False
) -> Work:
    """What a sweep lacks, or its trials of the statuses in `retry`. A search's study is opened, and told of.

    With `only_changed` what it lacks is left out: trials of other data are to be run, which the data tell.

    Every DONE marker is listed, whatever the store's index says. With "failed" in `retry` every result is
    read too: those that are damaged are to be trained again.
    """
    store, manifest, study = sweep.store, sweep.manifest, None
    if sweep.search is not None:
        from sweeps.search.study import SearchStudy

        study = SearchStudy(store, sweep.name, sweep.search, manifest.samples or 0)
        manifest = study.manifest()
        console.print(
            f"search {sweep.name}: {len(study.suggestions)} of {study.samples} trials known, "
            f"{study.warm} learned from other sweeps",
            highlight=False,
        )
    plan = make_plan(manifest.name, manifest.trials, store, trust_index=False)
    damage: Damage = {}
    if "failed" in retry:
        damage = find_damage(store.storage, store.replicates, wanted_seeds(manifest.trials))
        plan = _with_damage(plan, damage)
        for told in damage.values():
            for reason in told.values():
                console.print(Text(f"damaged: {reason}"), soft_wrap=True)
    again = plan.of(*retry)
    wanted = again if retry or only_changed else plan.to_run()
    return Work(store, manifest, sweep.tasks, plan, wanted, again, study, damage)


def _with_damage(plan: Plan, damage: Damage) -> Plan:
    """The plan in which trials with damaged replicates have failed, which are missing."""
    trials = []
    for trial in plan.trials:
        lost = damage.get(trial.trial_id, {})
        if lost:
            missing = tuple(s for s in trial.config.seeds if s in trial.missing or s in lost)
            trial = replace(trial, status="failed", missing=missing)
        trials.append(trial)
    return replace(plan, trials=tuple(trials))
