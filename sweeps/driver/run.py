"""Run what a sweep lacks on Ray Tune.

The result store decides what is missing, so a relaunch is the same call. Every trial is a Ray Tune trial;
Ray's own state is scratch and goes to a temporary folder.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from analysis.cells import check_seeds
from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, CheckpointError, InputError, Interrupted, SweepStopped
from search_spaces.search import Search
from sweeps.capacity.machine import cluster_rooms, node_resources
from sweeps.capacity.packing import Packing, Wanted, choose_packing
from sweeps.capacity.probe import probes_for
from sweeps.cluster.ray_session import ray_session, settle_environment
from sweeps.cluster.scaling import check_resources, startable_nodes
from sweeps.driver.lease import Lease
from sweeps.driver.progress import SweepProgress
from sweeps.driver.stop import new_stop_flag, stop_on_signal
from sweeps.options import RunOptions
from sweeps.plan import Plan, PlannedTrial, make_plan
from trainer.store import Store, SweepManifest

if TYPE_CHECKING:
    from sweeps.driver.callback import SweepCallback
    from sweeps.driver.weights import WeightKeeper
    from sweeps.search.schedulers import PeerScheduler
    from sweeps.search.study import SearchStudy
    from sweeps.tracking.tracker import Tracker

log = logging.getLogger(__name__)

# Trials of a search are not known beforehand; the largest of so many random ones is measured.
DRAWN_FOR_PACKING = 32
# How long the end of a run waits for MLflow; what it has not taken by then, `reconcile` brings later.
TRACKING_SECONDS = 60.0
HURRIED_TRACKING_SECONDS = 5.0


@dataclass(frozen=True)
class SweepOutcome:
    """How a run ended: the plan afterwards, how many trials it started, whether the user interrupted it.

    `untracked` counts trials that MLflow does not show yet; `stopped` says why the sweep gave up early.
    """

    plan: Plan
    started: int
    interrupted: bool
    untracked: int
    stopped: str | None = None


def run_sweep(
    manifest: SweepManifest,
    options: RunOptions,
    console: Console,
    *,
    retry_failed: bool = False,
    retry_pruned: bool = False,
    search: Search | None = None,
) -> SweepOutcome:
    """Run the trials of a sweep that have replicates missing.

    With `retry_failed` only its failed trials are run, and their diverged replicates are trained again too;
    with `retry_pruned` likewise those that were stopped early. With a `search` its study takes the place of
    the manifest's trials, and suggests new ones until there are the manifest's `samples`.

    Raises TrialSchemaError, before anything is written, when the store holds this sweep under another trial
    schema (of a new sweep: anything), LeaseError when another driver runs this sweep, and InputError when the
    cluster cannot be reached or has not the resources for one trial, when trials of one cell want different
    seeds, or when a scheduler is to judge a search's trials and the search is not given.
    Failed trials are in the outcome's plan; they raise nothing.
    One SIGINT or SIGTERM lets the running epochs end and be checkpointed; a second raises KeyboardInterrupt.
    """
    check_seeds(manifest.trials)
    if search is None and manifest.samples is not None and options.scheduler != "none":
        raise InputError(
            f"--scheduler {options.scheduler}: expected the search's space, whose first objective judges its "
            f"trials, given only the name of the stored sweep {manifest.name}"
        )
    store = Store(options.output)
    store.check_trial_schema(manifest.name)
    with Lease(store, manifest.name, take_over=options.take_over) as lease:
        study = None if search is None else _open_study(search, store, manifest, console)
        manifest = manifest if study is None else study.manifest()
        store.write_sweep(manifest)
        plan = make_plan(manifest.name, manifest.trials, store, trust_index=False)
        again = plan.of(*["failed"] * retry_failed, *["pruned"] * retry_pruned)
        wanted = again if retry_failed or retry_pruned else plan.to_run()
        run = _Run(manifest, options, console, store, plan, wanted, again, study, lease)
        interrupted, stopped = False, None
        if wanted or run.suggestions:
            try:
                run.train()
            except Interrupted:
                interrupted = True
            except SweepStopped as error:
                stopped = str(error)
            finally:
                if study is not None and lease.is_ours:
                    manifest = study.manifest()
                    store.write_sweep(manifest)
        return SweepOutcome(
            plan=make_plan(manifest.name, manifest.trials, store),
            started=len(run.started),
            interrupted=interrupted,
            untracked=_bring_tracking_level(manifest, store, options),
            stopped=stopped,
        )


@dataclass
class _Run:
    """What of a run needs Ray.

    plan       the sweep's trials and how they stand
    wanted     the trials to be run
    again      those of them that had ended: reopened once the cluster is known to be able to run them
    study      of a search: suggests more trials
    lease      on the sweep, which another driver may take over
    configs    the trials known so far by id, to which a study adds its own
    started    ids of the trials that were started
    """

    manifest: SweepManifest
    options: RunOptions
    console: Console
    store: Store
    plan: Plan
    wanted: Sequence[PlannedTrial]
    again: Sequence[PlannedTrial]
    study: SearchStudy | None
    lease: Lease
    configs: dict[str, TrialConfig] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.study is None:  # of a search they come in as the study suggests them
            self.configs.update({t.trial_id: t.config for t in self.wanted})

    @property
    def suggestions(self) -> int:
        """Trials that a study may still suggest."""
        return 0 if self.study is None else self.study.remaining

    def train(self) -> None:
        """Train the wanted trials. Raises Interrupted or KeyboardInterrupt after signals, SweepStopped when
        in vain."""
        from sweeps.tracking.tracker import Tracker

        options = self.options
        settle_environment(options.cluster_address)
        if options.compile and options.cluster_address is None:  # on a cluster every trial looks for itself
            from trainer.device.compiled import check_compiler
            from trainer.device.environment import default_device

            check_compiler(default_device())
        tracker = Tracker(options.tracking_uri, self.store, self.manifest.name) if options.track else None
        with ray_session(options) as resources:
            packing = self._pack(resources)
            _reopen(self.again, self.store)
            self._train_packed(packing, tracker)

    def _pack(self, resources: dict[str, float]) -> Packing:
        """What a trial asks of the connected cluster, which is checked; says what was chosen, and why."""
        options, study = self.options, self.study
        drawn = [] if study is None else study.search.draws(DRAWN_FOR_PACKING)
        known = self.configs.values() if study is None else study.manifest().trials
        _check_cluster([*known, *drawn], options, resources)
        packing = choose_packing(
            [*(t.config for t in self.wanted), *drawn],
            cluster_rooms(),
            Wanted(options.cpus_per_trial, options.gpus_per_trial, options.max_concurrent),
            probes_for(options, joined=options.cluster_address is not None),
        )
        self.console.print(Text(packing.reason), soft_wrap=True)
        return packing

    def _train_packed(self, packing: Packing, tracker: Tracker | None) -> None:
        from sweeps.driver.callback import SweepCallback
        from sweeps.driver.weights import WeightKeeper

        options, store, progress = self.options, self.store, self._progress()
        keeper = (
            WeightKeeper(store, self.manifest, options.rule) if options.keep_weights == "selected" else None
        )
        if tracker is not None:
            tracker.start()
        callback = SweepCallback(
            self.configs,
            store,
            progress,
            tracker,
            new_stop_flag(),
            on_done=keeper.trial_done if keeper else lambda config: None,
            check=self.lease.check,
            started=self.started,
        )
        hurried = False
        try:
            self._tune(packing, callback, progress)
        except KeyboardInterrupt:
            hurried = True
            raise
        finally:
            self._close(keeper, tracker, progress, hurried=hurried)

    def _tune(self, packing: Packing, callback: SweepCallback, progress: SweepProgress) -> None:
        """Train; trials that ran out of memory, or lost their process, again at the end, one at a time."""
        from sweeps.driver.tuning import tune_trials
        from sweeps.search.searcher import StudySearcher

        scheduler, searcher = self._scheduler(), None
        if self.study is not None:
            first = [t.config for t in self.wanted]
            searcher = StudySearcher(self.study, first, self.configs, is_over=lambda: callback.is_stopping)

        def on_first_signal() -> None:
            callback.request_stop()
            self.console.print("stopping after the running epochs; once more (Ctrl-C) leaves at once")

        with progress, stop_on_signal(on_first_signal):
            tune_trials(self.configs, self.options, packing, callback, scheduler, searcher)
            if callback.starved and not callback.is_stopping:
                alone = {config.trial_id: config for config in callback.starved}
                self.console.print(
                    f"{len(alone)} trial(s) ran out of memory or lost their process; "
                    "they run again, one at a time"
                )
                callback.is_last_pass = True
                one_at_a_time = replace(self.options, max_concurrent=1)
                tune_trials(alone, one_at_a_time, packing, callback, scheduler, None)
            if callback.is_stopping:
                raise Interrupted("stopped on request")

    def _progress(self) -> SweepProgress:
        counts, waiting = self.plan.counts(), Counter(t.status for t in self.wanted)
        return SweepProgress(
            total=len(self.plan.trials) + self.suggestions,
            done=counts["done"],
            failed=counts["failed"] - waiting["failed"],
            to_run=len(self.wanted) + self.suggestions,
            console=self.console,
            pruned=counts["pruned"] - waiting["pruned"],
        )

    def _scheduler(self) -> PeerScheduler | None:
        from sweeps.search.schedulers import GRID_OBJECTIVE, make_scheduler

        reopened = {t.trial_id for t in self.again}
        return make_scheduler(
            self.options.scheduler,
            self.store,
            self.configs,
            [t.config for t in self.plan.of("done", "pruned") if t.trial_id not in reopened],
            searching=self.manifest.samples is not None,
            grace=self.options.grace_epochs,
            objective=GRID_OBJECTIVE if self.study is None else self.study.search.objectives[0],
        )

    def _close(
        self, keeper: WeightKeeper | None, tracker: Tracker | None, progress: SweepProgress, *, hurried: bool
    ) -> None:
        if keeper is not None:
            keeper.close(hurried=hurried)
        if tracker is not None:
            # Trials of a sweep that was taken over run on elsewhere, in the same MLflow runs.
            for trial_id in progress.running_ids() if self.lease.is_ours else ():
                tracker.trial_interrupted(self.configs[trial_id])
            tracker.close(HURRIED_TRACKING_SECONDS if hurried else TRACKING_SECONDS)


def _open_study(search: Search, store: Store, manifest: SweepManifest, console: Console) -> SearchStudy:
    """The search's study in the store, for the manifest's number of samples."""
    from sweeps.search.study import SearchStudy

    study = SearchStudy(store, manifest.name, search, manifest.samples or 0)
    known, warm = len(study.suggestions), study.warm
    console.print(
        f"search {manifest.name}: {known} of {study.samples} trials known, {warm} learned from other sweeps",
        highlight=False,
    )
    return study


def _reopen(ended: Sequence[PlannedTrial], store: Store) -> None:
    """Forget that replicates of trials ended, unless they completed; and useless checkpoints."""
    for trial in ended:
        if (store.notes.read_failure(trial.trial_id) or {}).get("error") == CheckpointError.__name__:
            store.notes.delete_checkpoint(trial.trial_id)
        for seed, done in store.replicates.ended(trial.trial_id).items():
            if seed in trial.config.seeds and done.state != "completed":
                store.reopen(trial.trial_id, seed)


def _check_cluster(trials: Sequence[TrialConfig], options: RunOptions, resources: dict[str, float]) -> None:
    """Check that the cluster can hold a trial; where it was joined, that its nodes are alike too.

    Of a search, `trials` are those known and some drawn ones, as their data sets are loaded on every node.
    """
    from sweeps.cluster.nodes import check_nodes

    joined = options.cluster_address is not None
    cpus, gpus = options.cpus_per_trial, options.gpus_per_trial
    check_resources(node_resources(), cpus, gpus, startable_nodes if joined else dict)
    if joined:
        check_nodes(
            (config.data for config in trials),
            data_dir=options.data_folder,
            download=options.download,
            cpus=cpus,
            gpus=float(resources.get("GPU", 0) > 0) if gpus is None else gpus,
        )


def _bring_tracking_level(manifest: SweepManifest, store: Store, options: RunOptions) -> int:
    """Make MLflow say what the store says; returns the number of trials for which it could not be done."""
    if not options.track:
        return 0
    from sweeps.tracking.tracker import reconcile

    try:
        counts = reconcile(store, manifest.name, options.tracking_uri)
    except AlmsweepError as error:
        log.warning("MLflow is not level with the store (almsweep reconcile repairs that): %s", error)
        return len(manifest.trials)
    return counts.failed
