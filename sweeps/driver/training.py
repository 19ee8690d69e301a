"""The part of a run that needs Ray: its trials are packed into the cluster, trained, and told about."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from search_spaces.config import TrialConfig
from search_spaces.errors import Interrupted, SweepStopped
from search_spaces.labels import BlockLabels
from search_spaces.words import count
from sweeps.capacity.packing import Packing
from sweeps.cluster.ray_session import ray_session
from sweeps.driver.admission import admit
from sweeps.driver.claim import Claimant
from sweeps.driver.data import RunData
from sweeps.driver.lease import Lease
from sweeps.driver.progress import SweepProgress
from sweeps.driver.stop import new_stop_flag, stop_on_signal
from sweeps.driver.work import Work
from sweeps.options import RunOptions

if TYPE_CHECKING:  # they import Ray, which reads its settings then: `settle_environment` comes before
    from sweeps.driver.callback import SweepCallback
    from sweeps.driver.weights import WeightKeeper
    from sweeps.search.schedulers import PeerScheduler
    from sweeps.search.searcher import StudySearcher
    from sweeps.tracking.tracker import Tracker

# How long the end of a run waits for MLflow; what it has not taken by then, `reconcile` brings later.
TRACKING_SECONDS = 60.0
# Of that, at least, for what the tracker could not tell.
LEAST_RECONCILE_SECONDS = 10.0
HURRIED_TRACKING_SECONDS = 5.0


class Training:
    """Trains what a run is to do, once.

    configs    the trials known so far by id, to which a study adds its own
    started    ids of the trials that were started
    """

    def __init__(
        self,
        work: Work,
        options: RunOptions,
        console: Console,
        lease: Lease,
        data: RunData | None = None,
    ) -> None:
        """`lease`: on the sweep, which another driver may take over.

        `data`: what is asked of the data; None where the trials have been trained on them before.
        """
        self.work, self.options, self.console, self.lease = work, options, console, lease
        self.started: set[str] = set()
        self.configs: dict[str, TrialConfig] = {}
        self._data = data
        self._keeper: WeightKeeper | None = None
        self._tracker: Tracker | None = None
        self._hurried = False

    def run(self) -> None:
        """Train the wanted trials.

        Raises Interrupted or KeyboardInterrupt after signals, SweepStopped when in vain, LeaseError when
        another driver takes the sweep over. A search's trials stand in the sweep's manifest in any case.
        """
        options, work = self.options, self.work
        if options.trial.compile and options.cluster_address is None:  # on a cluster each trial looks itself
            _check_compiler()
        if not options.no_tracking:
            from sweeps.tracking.tracker import Tracker

            self._tracker = Tracker(options.tracking_uri, work.store, work.manifest, work.tasks)
        try:
            with ray_session(options) as resources:
                self.work, packing = admit(work, options, resources, self._data)
                self._begin()
                if self.work.is_any:
                    self.console.print(Text(packing.reason), soft_wrap=True)
                    self.work.reopen()
                    self._train(packing)
        finally:
            if work.study is not None and self.lease.is_ours:
                work.store.write_sweep(work.manifest)

    def _begin(self) -> None:
        """Write down what the sweep expects, and which of it cannot be trained."""
        work = self.work
        if work.study is None:  # of a search they come in as the study suggests them
            self.configs.update({config.trial_id: config for config in work.configs()})
        if self._data is not None:
            self._data.note(work)

    def _train(self, packing: Packing) -> None:
        from sweeps.driver.callback import SweepCallback
        from sweeps.driver.weights import WeightKeeper

        progress = self._progress()
        self.lease.under_way = progress.under_way
        if self.options.trial.keep_weights == "selected":
            work = self.work
            self._keeper = WeightKeeper(work.store, work.manifest, work.ended(), self.options.rule)
        if self._tracker is not None:
            self._tracker.start()
        callback = SweepCallback(
            self.configs,
            self.work.store,
            progress,
            self._tracker,
            new_stop_flag(),
            on_done=self._on_done,
            check=self.lease.check,
            started=self.started,
        )
        if self.lease.store.storage.absolute_uri == self.work.store.storage.absolute_uri:
            callback.claimant = Claimant(self.lease.name, self.lease.token)
        try:
            self._tune(packing, callback, progress)
        except KeyboardInterrupt:
            self._hurried = True
            raise
        finally:
            self._close(progress)

    def _on_done(self, config: TrialConfig) -> None:
        """A trial's replicates have ended, in whatever way."""
        if self._keeper is not None:
            self._keeper.trial_done(config)

    def _tune(self, packing: Packing, callback: SweepCallback, progress: SweepProgress) -> None:
        """Train in one pass, or in those of a race."""

        def on_first_signal() -> None:
            callback.request_stop()
            self.console.print("stopping after the running epochs; once more (Ctrl-C) leaves at once")

        scheduler, searcher = self._scheduler(), self._searcher(callback)
        with progress, stop_on_signal(on_first_signal) as listen:
            callback.on_setup = listen
            if self.options.racing:
                self._race(packing, callback, scheduler)
            else:
                self._pass(self.configs, packing, callback, scheduler, searcher)
            if callback.is_stopping:
                raise Interrupted("stopped on request")
            if callback.given_up is not None:
                raise SweepStopped(callback.given_up)

    def _race(self, packing: Packing, callback: SweepCallback, scheduler: PeerScheduler | None) -> None:
        """Pass after pass, with more replicates for those that could still be best, until none is wanted."""
        from sweeps.search.race import Race

        manifest = self.work.manifest
        race = Race(self.work.store, manifest.trials, self.configs, manifest.reading, self.options.rule)
        while not callback.is_stopping:
            lap = race.next_lap()
            for line in lap.words():
                self.console.print(line, highlight=False)
            for trial_id in lap.left_behind:
                callback.left_behind(self.configs[trial_id])
            if not lap.trials:
                return
            callback.halfway = lap.halfway
            self._pass(lap.trials, packing, callback, scheduler, None)

    def _pass(
        self,
        configs: dict[str, TrialConfig],
        packing: Packing,
        callback: SweepCallback,
        scheduler: PeerScheduler | None,
        searcher: StudySearcher | None,
    ) -> None:
        """Train; at the end trials that another sweep trained meanwhile, of which little is left to do.

        Then those that ran out of memory, or lost their process, again, one at a time.
        """
        from sweeps.driver.tuning import tune_trials

        options = self.options
        callback.elsewhere, callback.starved, callback.is_last_pass = [], [], False
        tune_trials(configs, options, packing, callback, scheduler, searcher)
        if callback.elsewhere and not callback.is_stopping:
            theirs = {config.trial_id: configs[config.trial_id] for config in callback.elsewhere}
            self.console.print(f"waiting for {count(len(theirs), 'trial')} that another sweep trains")
            tune_trials(theirs, options, packing, callback, scheduler, None, waits=True)
        if callback.starved and not callback.is_stopping:
            alone = {config.trial_id: configs[config.trial_id] for config in callback.starved}
            self.console.print(
                f"{count(len(alone), 'trial')} ran out of memory or lost the process: again, one at a time"
            )
            callback.is_last_pass = True
            one_at_a_time = options.model_copy(update={"max_concurrent": 1})
            tune_trials(alone, one_at_a_time, packing, callback, scheduler, None)

    def _progress(self) -> SweepProgress:
        work = self.work
        counts, waiting = work.plan.counts(), Counter(trial.status for trial in work.wanted)
        return SweepProgress(
            total=len(work.plan.trials) + work.suggestions,
            done=counts["done"],
            failed=counts["failed"] - waiting["failed"],
            to_run=len(work.wanted) + work.suggestions,
            console=self.console,
            pruned=counts["pruned"] - waiting["pruned"],
            labels=BlockLabels([*work.tasks, *(trial.config.data for trial in work.plan.trials)]),
        )

    def _scheduler(self) -> PeerScheduler | None:
        from sweeps.search.schedulers import make_scheduler

        work = self.work
        return make_scheduler(
            self.options.scheduler,
            work.store,
            self.configs,
            work.ended("done", "pruned"),
            rows=work.manifest.reading.rows,
            search=None if work.study is None else work.study.search,
            grace=self.options.grace_epochs,
        )

    def _searcher(self, callback: SweepCallback) -> StudySearcher | None:
        """What gives Tune a search's trials; None of a grid, whose trials are known."""
        if self.work.study is None:
            return None
        from sweeps.search.searcher import StudySearcher

        return StudySearcher(
            self.work.study, self.work.configs(), self.configs, is_over=lambda: callback.is_stopping
        )

    def _close(self, progress: SweepProgress) -> None:
        if self._keeper is not None:
            self._keeper.close(hurried=self._hurried)
        # A sweep that was taken over runs on elsewhere, in the same MLflow runs.
        if self._tracker is not None and self.lease.is_ours:
            for trial_id in progress.running_ids():
                self._tracker.trial_interrupted(self.configs[trial_id])

    def close_tracking(self) -> float:
        """Have MLflow told what it was not told yet; returns what is left of TRACKING_SECONDS."""
        begun = time.monotonic()
        if self._tracker is not None:
            self._tracker.close(HURRIED_TRACKING_SECONDS if self._hurried else TRACKING_SECONDS)
        return max(TRACKING_SECONDS - (time.monotonic() - begun), LEAST_RECONCILE_SECONDS)


def _check_compiler() -> None:
    """Raise InputError where this machine cannot compile networks."""
    from trainer.device.compiled import check_compiler
    from trainer.device.environment import default_device

    check_compiler(default_device())
