"""One pass of Ray Tune over trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search_spaces.config import TrialConfig
from sweeps.capacity.packing import Packing
from sweeps.cluster.software import plugins_of, software_with
from sweeps.compat import keep_credentials_out_of_logs
from sweeps.driver.worker import WorkerOptions, train_trial
from sweeps.options import RunOptions
from trainer.scratch import own_folder, remove_folder

if TYPE_CHECKING:  # they import Ray, which reads its settings then: `settle_environment` comes before
    from ray.tune import TuneConfig
    from ray.tune.schedulers import TrialScheduler

    from sweeps.driver.callback import SweepCallback
    from sweeps.search.searcher import StudySearcher

# One more attempt after a lost process or an unexpected exception; it goes on from the checkpoint.
MAX_FAILURES = 1


def tune_trials(
    configs: dict[str, TrialConfig],
    options: RunOptions,
    packing: Packing,
    callback: SweepCallback,
    scheduler: TrialScheduler | None,
    searcher: StudySearcher | None,
    *,
    waits: bool = False,
) -> None:
    """Train trials on the connected Ray: those of `configs` by id, or those that the searcher suggests.

    Every trial asks for the packing's resources. An actor trains one trial after another. Trials that another
    sweep trains just now are left, or waited for where it `waits` or a search is to learn from them.
    """
    from ray import tune

    keep_credentials_out_of_logs()
    expected = None
    if options.cluster_address is not None:  # its nodes may have other software, or plug-ins
        expected = software_with(plugins_of(configs.values()))
    worker = WorkerOptions(
        output=callback.store.storage.absolute_uri,
        trial=options.trial,
        use_gpu=packing.gpus > 0,
        stoppable=scheduler is not None,
        software=expected,
        claimant=callback.claimant,
        waits=waits or searcher is not None,
    )
    texts = {trial_id: config.model_dump_json() for trial_id, config in configs.items()}
    trainable = tune.with_parameters(train_trial, configs=texts, options=worker, stop_flag=callback.stop_flag)
    space, samples = {"trial_id": tune.grid_search(list(configs))}, 1
    if searcher is not None:
        space, samples = {}, -1  # the searcher says when it has finished
    tune_config = tune.TuneConfig(
        search_alg=searcher,
        num_samples=samples,
        scheduler=scheduler,
        reuse_actors=True,
        max_concurrent_trials=options.max_concurrent,
        trial_name_creator=_trial_id,
        trial_dirname_creator=_trial_id,
    )
    _fit(tune.with_resources(trainable, packing.resources), space, tune_config, callback)


def _fit(trainable: Any, space: dict[str, Any], tune_config: TuneConfig, callback: SweepCallback) -> None:
    """Run Tune once; what it writes for itself goes to a temporary folder."""
    from ray import tune

    scratch = own_folder("tune-")
    run_config = tune.RunConfig(
        name="sweep",
        storage_path=str(scratch),
        callbacks=[callback],
        failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
        verbose=0,
    )
    try:
        tune.Tuner(trainable, param_space=space, tune_config=tune_config, run_config=run_config).fit()
    finally:
        remove_folder(scratch)


def _trial_id(trial: Any) -> str:
    """What Tune names a trial and its folder: the id that we give it."""
    return str(trial.config["trial_id"])
