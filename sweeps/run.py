"""Run what a sweep lacks on Ray Tune.

The result store decides what is missing, so a relaunch is the same call. Every trial is a Ray Tune trial;
Ray's own state is scratch and goes to a temporary folder.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from analysis.cells import check_seeds
from analysis.select import DEFAULT_RULE
from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, CheckpointError, InputError, Interrupted, SweepStopped
from search_spaces.search import Search
from sweeps.lease import Lease
from sweeps.machine import cluster_rooms
from sweeps.packing import Packing, Wanted, choose_packing
from sweeps.plan import Plan, PlannedTrial, make_plan
from sweeps.probe import Probes, here, on_a_node
from sweeps.progress import SweepProgress
from sweeps.scaling import check_resources, startable_nodes
from sweeps.stop import new_stop_flag, stop_on_signal
from sweeps.worker import WorkerOptions, train_trial
from trainer.store import Store, SweepManifest

if TYPE_CHECKING:
    from sweeps.study import SearchStudy

log = logging.getLogger(__name__)

LOCAL_OBJECT_STORE_BYTES = 256 * 1024**2
# One more attempt after a lost process or an unexpected exception; it goes on from the checkpoint.
MAX_FAILURES = 1
# Trials of a search are not known beforehand; the largest of so many random ones is measured.
DRAWN_FOR_PACKING = 32
# How long the end of a run waits for MLflow; what it has not taken by then, `reconcile` brings later.
TRACKING_SECONDS = 60.0
HURRIED_TRACKING_SECONDS = 5.0


@dataclass(frozen=True)
class RunOptions:
    """Where and how a sweep runs, as opposed to what it computes: scores follow from the trials alone,
    but for rounding, which differs with the device and the number of threads (scores by up to 1e-5).

    output           result store: a path or a URI
    data_dir         where data sets lie, the same path on every node
    address          a running Ray cluster ("auto", "host:port", "ray://…"); None starts Ray on this machine
    cpus_per_trial   CPUs, and threads, per trial
    gpus_per_trial   share of a GPU per trial; None decides from measured memory where the cluster has any
    max_concurrent   most trials at a time; None lets resources and measured memory decide
    keep_weights     "selected" keeps the weights of the best trial per cell, "all", or "none"
    rule             selection rule that says which trial of a cell is best
    tracking_uri     MLflow server or database; None is the SQLite database in the output folder
    track            False turns MLflow off
    take_over        take the sweep from a driver that holds its lease
    scheduler        "none", "asha" or "median": which trials are stopped early (see `sweeps.schedulers`)
    grace_epochs     epochs before a trial may be stopped; None is a tenth of its epochs
    """

    output: str
    data_dir: Path | None = None
    download: bool = False
    address: str | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
    max_concurrent: int | None = None
    keep_weights: str = "selected"
    rule: str = DEFAULT_RULE
    tracking_uri: str | None = None
    track: bool = True
    take_over: bool = False
    scheduler: str = "none"
    grace_epochs: int | None = None
    checkpoint_seconds: float = 60.0


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

    Raises LeaseError when another driver runs this sweep, and InputError when the cluster cannot be reached
    or has not the resources for one trial, or when trials of one cell want different seeds.
    Failed trials are in the outcome's plan; they raise nothing.
    One SIGINT or SIGTERM lets the running epochs end and be checkpointed; a second raises KeyboardInterrupt.
    """
    check_seeds(manifest.trials)
    store = Store(options.output)
    with Lease(store, manifest.name, take_over=options.take_over) as lease:
        study = None if search is None else _open_study(search, store, manifest, console)
        manifest = manifest if study is None else study.manifest()
        store.write_sweep(manifest)
        plan = make_plan(manifest.name, manifest.trials, store, trust_index=False)
        again = plan.of(*["failed"] * retry_failed, *["pruned"] * retry_pruned)
        wanted = again if retry_failed or retry_pruned else plan.to_run()
        started: set[str] = set()
        interrupted, stopped = False, None
        # Of a search the trials come in as the study suggests them.
        configs = {t.trial_id: t.config for t in wanted} if study is None else {}
        if wanted or (study is not None and study.remaining):
            try:
                _run_trials(
                    plan, wanted, again, configs, started, manifest, store, options, console, lease, study
                )
            except Interrupted:
                interrupted = True
            except SweepStopped as error:
                stopped = str(error)
            finally:
                if study is not None:
                    manifest = study.manifest()
                    store.write_sweep(manifest)
        return SweepOutcome(
            plan=make_plan(manifest.name, manifest.trials, store),
            started=len(started),
            interrupted=interrupted,
            untracked=_bring_tracking_level(manifest, store, options),
            stopped=stopped,
        )


def _reopen(failed: Sequence[PlannedTrial], store: Store) -> None:
    """Forget that the replicates of failed trials ended, unless they completed; and useless checkpoints."""
    for trial in failed:
        if (store.read_failure(trial.trial_id) or {}).get("error") == CheckpointError.__name__:
            store.delete_checkpoint(trial.trial_id)
        for seed, done in store.replicates(trial.trial_id).items():
            if seed in trial.config.seeds and done.state != "completed":
                store.reopen(trial.trial_id, seed)


def _run_trials(
    plan: Plan,
    wanted: Sequence[PlannedTrial],
    again: Sequence[PlannedTrial],
    configs: dict[str, TrialConfig],
    started: set[str],
    manifest: SweepManifest,
    store: Store,
    options: RunOptions,
    console: Console,
    lease: Lease,
    study: SearchStudy | None,
) -> None:
    """Run trials on Ray, and gather the ids of those that `started`; a study adds its own to `configs`.

    The trials to be run `again` are reopened once the cluster is known to be able to run them.
    Raises Interrupted or KeyboardInterrupt after signals, SweepStopped when in vain.
    """
    _settle_environment(cluster_address(options))
    from sweeps.callback import SweepCallback
    from sweeps.schedulers import make_scheduler
    from sweeps.search import StudySearcher
    from sweeps.tracking import Tracker
    from sweeps.weights import WeightKeeper

    counts = plan.counts()
    unknown = 0 if study is None else study.remaining
    reopened = {t.trial_id for t in again}
    waiting = Counter(t.status for t in wanted)
    progress = SweepProgress(
        len(plan.trials) + unknown,
        counts["done"],
        counts["failed"] - waiting["failed"],
        len(wanted) + unknown,
        console,
    )
    progress.pruned = counts["pruned"] - waiting["pruned"]
    tracker = Tracker(options.tracking_uri, store, manifest.name) if options.track else None
    with ray_session(options) as resources:
        drawn = [] if study is None else study.search.draws(DRAWN_FOR_PACKING)
        known = configs.values() if study is None else study.manifest().trials
        _check_cluster([*known, *drawn], options, resources)
        packing = _packing([*(t.config for t in wanted), *drawn], options, console)
        _reopen(again, store)
        keeper = WeightKeeper(store, manifest, options.rule) if options.keep_weights == "selected" else None
        if tracker is not None:
            tracker.start()
        stop_flag = new_stop_flag()
        callback = SweepCallback(
            configs,
            store,
            progress,
            tracker,
            stop_flag,
            on_done=keeper.trial_done if keeper else lambda config: None,
            check=lease.check,
            started=started,
        )
        searcher = None
        if study is not None:
            first = [t.config for t in wanted]
            searcher = StudySearcher(study, first, configs, is_over=lambda: callback.is_stopping)
        scheduler = make_scheduler(
            options.scheduler,
            store,
            configs,
            [t.config for t in plan.of("done", "pruned") if t.trial_id not in reopened],
            searching=manifest.samples is not None,
            grace=options.grace_epochs,
        )
        patience = TRACKING_SECONDS

        def on_first_signal() -> None:
            callback.request_stop()
            console.print("stopping after the running epochs; once more (Ctrl-C) leaves at once")

        try:
            with progress, stop_on_signal(on_first_signal):
                _tune(configs, options, packing, callback, scheduler, searcher)
                if callback.starved and not callback.is_stopping:
                    alone = {config.trial_id: config for config in callback.starved}
                    console.print(f"{len(alone)} trial(s) ran out of memory; they run again, one at a time")
                    callback.is_last_pass = True
                    _tune(alone, replace(options, max_concurrent=1), packing, callback, scheduler, None)
                if callback.is_stopping:
                    raise Interrupted("stopped on request")
        except KeyboardInterrupt:
            patience = HURRIED_TRACKING_SECONDS
            raise
        finally:
            if keeper is not None:
                keeper.close()
            if tracker is not None:
                for trial_id in progress.running_ids():
                    tracker.trial_interrupted(configs[trial_id])
                tracker.close(patience)


def _open_study(search: Search, store: Store, manifest: SweepManifest, console: Console) -> SearchStudy:
    """The search's study in the store, for the manifest's number of samples."""
    from sweeps.study import SearchStudy

    study = SearchStudy(store, manifest.name, search, manifest.samples or 0)
    known, warm = len(study.suggestions), study.warm
    console.print(
        f"search {manifest.name}: {known} of {study.samples} trials known, {warm} learned from other sweeps",
        highlight=False,
    )
    return study


def _tune(
    configs: dict[str, TrialConfig],
    options: RunOptions,
    packing: Packing,
    callback: Any,
    scheduler: Any,
    searcher: Any,
) -> None:
    from ray import tune

    _keep_credentials_out_of_logs()
    worker = WorkerOptions(
        output=store_uri(options),
        data_dir=None if options.data_dir is None else str(options.data_dir.absolute()),
        download=options.download,
        threads=options.cpus_per_trial,
        use_gpu=packing.gpus > 0,
        keep_weights=options.keep_weights != "none",
        checkpoint_seconds=options.checkpoint_seconds,
        stoppable=scheduler is not None,
    )
    texts = {trial_id: config.model_dump_json() for trial_id, config in configs.items()}
    trainable = tune.with_resources(
        tune.with_parameters(train_trial, configs=texts, options=worker, stop_flag=callback.stop_flag),
        packing.resources,
    )
    scratch = tempfile.mkdtemp(prefix="almsweep-tune-")
    try:
        tune.Tuner(
            trainable,
            param_space={"trial_id": tune.grid_search(list(configs))} if searcher is None else {},
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=1 if searcher is None else -1,  # the searcher says when it has finished
                scheduler=scheduler,
                reuse_actors=True,
                max_concurrent_trials=options.max_concurrent,
                trial_name_creator=lambda trial: trial.config["trial_id"],
                trial_dirname_creator=lambda trial: trial.config["trial_id"],
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=scratch,
                callbacks=[callback],
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                verbose=0,
            ),
        ).fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _keep_credentials_out_of_logs() -> None:
    """Stop Tune from sending the driver's AWS credentials along with every trial.

    It would put them into the trials' runtime environment, which Ray writes into a log on every node. Each
    node has its own credentials, as docs/cluster.md says; a Ray of our own inherits the driver's environment.
    """
    from ray.tune.execution import class_cache

    names: set[str] = getattr(class_cache, "ENV_VARS_TO_PROPAGATE", set())
    names.difference_update([name for name in names if name.startswith("AWS_")])


def cluster_address(options: RunOptions) -> str | None:
    """The running cluster that a sweep joins, None where it starts a Ray of its own."""
    return options.address or os.environ.get("RAY_ADDRESS")


def _settle_environment(address: str | None) -> None:
    """Set what Ray reads from the environment, some of it only when it is imported for the first time.

    The Ray that a sweep starts for itself listens on loopback. Other users of this machine reach that too, so
    the session has a token of its own, which stands in no file; not so in a program that has imported Ray
    before without setting RAY_AUTH_MODE.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Tune's snapshots, of all trials every ten seconds, are of no use: the store says what is done.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
    if address is not None:
        return
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray's one switch that binds to loopback
    os.environ.setdefault("RAY_AUTH_MODE", "disabled" if "ray" in sys.modules else "token")
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if os.environ["RAY_AUTH_MODE"] == "token" and not given:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


@contextmanager
def ray_session(options: RunOptions) -> Iterator[dict[str, float]]:
    """A connection to the asked cluster, or a Ray of our own on loopback; yields the cluster's resources."""
    address = cluster_address(options)
    _settle_environment(address)
    if address is not None and address.startswith(("http://", "https://")):
        raise InputError(f"--address: {address} takes jobs, and no driver; submit the sweep with --job")
    import ray

    try:
        if address is None:
            # Without "local" Ray would join a cluster of this machine, even one that was killed.
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=LOCAL_OBJECT_STORE_BYTES,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise InputError(f"--address: no Ray cluster answers at {address!r}: {error}") from error
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()


def probes_for(options: RunOptions, *, joined: bool) -> Probes:
    """How trials of these options are measured: here, or on a node of the cluster that was joined."""
    run = on_a_node(options.cpus_per_trial, options.gpus_per_trial != 0) if joined else here
    folder = None if options.data_dir is None else str(options.data_dir.absolute())
    return Probes(store_uri(options), folder, options.download, options.cpus_per_trial, run)


def store_uri(options: RunOptions) -> str:
    """The result store, for processes that stand in another folder."""
    return options.output if "://" in options.output else str(Path(options.output).absolute())


def _check_cluster(trials: Sequence[TrialConfig], options: RunOptions, resources: dict[str, float]) -> None:
    """Check that the cluster can hold a trial; where it was joined, that its nodes are alike too.

    Of a search, `trials` are those known and some drawn ones, as their data sets are loaded on every node.
    """
    from sweeps.nodes import check_nodes

    joined = cluster_address(options) is not None
    cpus, gpus = options.cpus_per_trial, options.gpus_per_trial
    check_resources(resources, cpus, gpus, startable_nodes if joined else dict)
    if joined:
        check_nodes(
            (config.data for config in trials),
            data_dir=None if options.data_dir is None else str(options.data_dir.absolute()),
            download=options.download,
            cpus=cpus,
            gpus=float(resources.get("GPU", 0) > 0) if gpus is None else gpus,
        )


def _packing(trials: Sequence[TrialConfig], options: RunOptions, console: Console) -> Packing:
    """What a trial asks of the connected cluster; says what was chosen, and why."""
    joined = cluster_address(options) is not None
    wanted = Wanted(options.cpus_per_trial, options.gpus_per_trial, options.max_concurrent)
    packing = choose_packing(trials, cluster_rooms(), wanted, probes_for(options, joined=joined))
    console.print(Text(packing.reason), soft_wrap=True)
    return packing


def _bring_tracking_level(manifest: SweepManifest, store: Store, options: RunOptions) -> int:
    """Make MLflow say what the store says; returns the number of trials for which it could not be done."""
    if not options.track:
        return 0
    from sweeps.tracking import reconcile

    try:
        counts = reconcile(store, manifest.name, options.tracking_uri)
    except AlmsweepError as error:
        log.warning("MLflow is not level with the store (almsweep reconcile repairs that): %s", error)
        return len(manifest.trials)
    return counts.failed
