"""The contestants of the orchestration benchmark, each measured in a process of its own.

    ours          `sweeps.driver.run.run_sweep`: Ray Tune, result store, weights, MLflow, final reconciliation
    tune-default  Ray Tune as it comes, with its own MLflow callback: a process per trial
    tune-reused   the same with reused actors and without Tune's own log files
    tune-bare     reused actors, no MLflow and no log files: what Tune's own bookkeeping costs

All run the same trials. A trial of plain Tune reports one made-up epoch and stores nothing. Where MLflow
logs a trial's parameters, they are the grid's values; in `tune-bare`, as in ours, those are the trials' ids.
"""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.noop_trial import NoData, ensemble_record, epoch_record, noop_trial
from search_spaces.catalog import load_space
from search_spaces.config import TrialConfig
from search_spaces.presets import TASKS
from sweeps.tracking.experiment import params
from trainer.tasks.base import task_arrays

SAMPLE_SECONDS = 0.5
# Memory of the first trials is that of imports and caches.
WARM_SHARE = 0.25


@dataclass(frozen=True)
class Measured:
    """What a contestant took, start and end of Ray included.

    trials        how many were run
    seconds       from before Ray starts until all is written and Ray has stopped
    begin, tail   of these the seconds before the first trial's end and after the last one's
    trial_ms      between the first and the last trial's end, per trial
    driver_cpu    seconds of processor time of the driver
    all_cpu       the same with Ray's processes and the workers
    peak_mib      most resident memory of the driver
    growth_kib    driver's resident memory gained per trial, a line fitted through the last three quarters
    logged        runs that MLflow holds as finished in the end
    """

    name: str
    trials: int
    seconds: float
    begin: float
    tail: float
    trial_ms: float
    driver_cpu: float
    all_cpu: float
    peak_mib: float
    growth_kib: float
    logged: int

    def projected_seconds(self, trials: int) -> float:
        """Seconds for so many trials at the same pace."""
        return self.seconds + (trials - self.trials) * self.trial_ms / 1000

    def rate(self, trials: int) -> float:
        """Trials per second over so many trials, projected where fewer were run."""
        return trials / self.projected_seconds(trials)


class Meter:
    """Notes when trials end, the memory of this process meanwhile, and what its descendants use."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self._memory: list[tuple[int, int]] = []
        self._used: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def run(self, name: str, work: Callable[[Meter], Any], folder: Path) -> Measured:
        """Measure `work`, which calls `trial_ended` after every trial."""
        started, used = time.perf_counter(), time.process_time()
        self._thread.start()
        work(self)
        seconds, used = time.perf_counter() - started, time.process_time() - used
        self._over.set()
        self._thread.join()
        pace = (self.ends[-1] - self.ends[0]) / max(len(self.ends) - 1, 1)
        return Measured(
            name=name,
            trials=len(self.ends),
            seconds=seconds,
            begin=self.ends[0] - started,
            tail=started + seconds - self.ends[-1],
            trial_ms=1000 * pace,
            driver_cpu=used,
            all_cpu=used + sum(self._used.values()),
            peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            growth_kib=self.growth() / 1024,
            logged=_finished_runs(folder),
        )

    def trial_ended(self) -> None:
        """A trial has ended."""
        self.ends.append(time.perf_counter())

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._over.wait(SAMPLE_SECONDS):
            self._memory.append((len(self.ends), process.memory_info().rss))
            for child in process.children(recursive=True):
                with contextlib.suppress(psutil.Error):  # it has just ended
                    times = child.cpu_times()
                    self._used[child.pid] = times.user + times.system

    def growth(self) -> float:
        """Bytes of this process per trial, from the samples taken after the first quarter of the trials."""
        first, last = WARM_SHARE * len(self.ends), len(self.ends)
        kept = [(count, size) for count, size in self._memory if first <= count < last]
        if len({count for count, _ in kept}) < 2:
            return float("nan")
        counts, sizes = np.array(kept, dtype=float).T
        return float(np.polyfit(counts, sizes, 1)[0])


def paper_trials(count: int) -> tuple[TrialConfig, ...]:
    """So many of the `paper` space's trials, evenly spread, with one replicate each."""
    trials = load_space("paper").trials
    chosen = [trials[i] for i in np.linspace(0, len(trials) - 1, count).round().astype(int)]
    return tuple(config.model_copy(update={"seeds": (1,)}) for config in chosen)


def measure(name: str, trials: int, folder: Path) -> dict[str, Any]:
    """Run one contestant in this process; `folder` takes all that it writes."""
    configs = paper_trials(trials)
    work = {"ours": _ours}.get(name) or _PLAIN[name]
    return asdict(Meter().run(name, lambda meter: work(configs, folder, meter), folder))


def _ours(configs: tuple[TrialConfig, ...], folder: Path, meter: Meter) -> None:
    from rich.console import Console

    import sweeps.driver.run
    import sweeps.driver.tuning
    from sweeps.driver.opened import OpenedSweep
    from sweeps.driver.progress import SweepProgress
    from sweeps.options import RunOptions
    from trainer.store import Store, SweepManifest

    plain = SweepProgress.ended

    def ended(self: SweepProgress, *arguments: Any, **named: Any) -> None:
        plain(self, *arguments, **named)
        meter.trial_ended()

    SweepProgress.ended = ended  # type: ignore[method-assign]
    sweeps.driver.tuning.train_trial = noop_trial  # type: ignore[attr-defined]
    sweeps.driver.run.RunData = NoData  # type: ignore[assignment, attr-defined]
    sweep = OpenedSweep(Store(folder), SweepManifest("noop", configs))
    with Path(folder, "console.txt").open("w") as stream:
        outcome = sweeps.driver.run.run_sweep(sweep, RunOptions(), Console(file=stream))
    done = outcome.plan.counts()["done"]
    if done < len(configs) or outcome.untracked:
        raise RuntimeError(f"{done} of {len(configs)} trials done, {outcome.untracked} not in MLflow")


def _plain(reused: bool, tracked: bool) -> Callable[[tuple[TrialConfig, ...], Path, Meter], None]:
    def told(config: TrialConfig) -> Any:
        return params(config) if tracked else config.trial_id

    def run(configs: tuple[TrialConfig, ...], folder: Path, meter: Meter) -> None:
        _quiet(reused)
        import ray
        from ray import tune

        class Ends(tune.Callback):  # type: ignore[misc]
            """Tells the meter; without it in Tune's snapshots, which pickle callbacks."""

            meter: Meter

            def on_trial_complete(self, *arguments: Any, **named: Any) -> None:
                self.meter.trial_ended()

            def __getstate__(self) -> dict[str, Any]:
                return {}

        ends = Ends()
        ends.meter = meter
        callbacks: list[Any] = [ends]
        if tracked:
            from ray.air.integrations.mlflow import MLflowLoggerCallback

            uri = f"sqlite:///{folder}/mlflow.db"
            callbacks.append(MLflowLoggerCallback(tracking_uri=uri, experiment_name="noop"))
        ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            tune.Tuner(
                tune.with_resources(_report_once, {"cpu": 1}),
                param_space={"trial": tune.grid_search([told(config) for config in configs])},
                tune_config=tune.TuneConfig(reuse_actors=reused),
                run_config=tune.RunConfig(storage_path=str(folder), callbacks=callbacks, verbose=0),
            ).fit()
        finally:
            ray.shutdown()

    return run


def _report_once(config: dict[str, Any]) -> None:
    from ray import tune

    arrays = task_arrays(TASKS["digits"])
    tune.report({**epoch_record(arrays, 1), **ensemble_record(arrays)})


def _quiet(reused: bool) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # binds Ray to loopback
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    if reused:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"


_PLAIN = {
    "tune-default": _plain(reused=False, tracked=True),
    "tune-reused": _plain(reused=True, tracked=True),
    "tune-bare": _plain(reused=True, tracked=False),
}


def _finished_runs(folder: Path) -> int:
    import sqlite3
    from contextlib import closing

    if not (folder / "mlflow.db").exists():
        return 0
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return int(database.execute("select count(*) from runs where status = 'FINISHED'").fetchone()[0])
