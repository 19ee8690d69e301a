"""The MLflow side of a sweep: one run per trial, told live and brought level with the result store.

Everything here raises what MLflow raises; the tracker and `reconcile` decide what that means.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.curves import Curves
from search_spaces.config import Task, TrialConfig
from search_spaces.labels import BlockLabels, block_label
from sweeps.compat import database_engine
from sweeps.tracking.artifacts import ArtifactPlace
from sweeps.tracking.columns import LEFT_TAG, RunsTable
from sweeps.tracking.connection import (
    check_answers,
    checked_uri,
    create_database,
    creation_lock,
    default_tracking_uri,
    import_mlflow,
    is_server,
)
from sweeps.tracking.experiment import identity_tags, load_runs, open_experiment, params
from sweeps.tracking.moved import artifact_uri, mend
from sweeps.tracking.names import RunNames
from sweeps.tracking.run import ENDING_TAGS, EPOCHS_TAG, FINGERPRINT, TABLE_TAG, Run
from sweeps.tracking.state import STATUS, TrialState
from sweeps.tracking.uris import local_folder
from sweeps.tracking.view import TrialView, trial_view
from trainer.store import Store, SweepManifest

_NAME_TAG = "mlflow.runName"


def sweep_runs(
    store: Store,
    sweep: SweepManifest,
    tracking_uri: str | None,
    tasks: Iterable[Task] = (),
) -> SweepRuns:
    """The MLflow side of a sweep: by default `mlflow.db` (SQLite) and `mlartifacts/` in the output folder.

    `tasks` are those of trials that are not in the manifest yet. Raises InputError for a URI of an unknown
    kind, and for none where the store is remote.
    """
    uri = default_tracking_uri(store) if tracking_uri is None else checked_uri(tracking_uri)
    folder = None
    if store.storage.is_local and not is_server(uri):
        folder = artifact_uri(store.storage.root)
    known = dict.fromkeys([*(config.data for config in sweep.trials), *tasks])
    return SweepRuns(uri, sweep, known, folder, store.identity)


class SweepRuns:
    """The runs of one sweep's experiment. Not safe to use from several threads at once."""

    def __init__(
        self,
        tracking_uri: str,
        sweep: SweepManifest,
        tasks: Iterable[Task],
        artifact_folder: str | None,
        store_id: Callable[[], str],
    ) -> None:
        """`artifact_folder` is where a new experiment keeps artifacts; None leaves it to the server.

        `tasks` are those of the sweep's trials: the table of runs shows their results. `store_id` gives the
        result store's identity: another store's sweep of this name, on the same server, keeps its experiment.
        """
        self.tracking_uri = tracking_uri
        self.sweep_name, self._rows = sweep.name, sweep.reading.rows
        tasks = list(tasks)
        self._labels = BlockLabels(tasks)
        self._names = RunNames(sweep.trials, self._labels)
        self._table = RunsTable.of(tasks, sweep.reading.targets)
        self._artifact_folder = artifact_folder
        self._store_id = store_id
        folder = local_folder(artifact_folder or "")
        self._place = ArtifactPlace(
            root=str(Path(folder).parent) if folder else "",
            is_server=is_server(tracking_uri),
        )
        self._client: Any = None
        self._experiment_id = ""
        self._runs: dict[str, Run] = {}

    def connect(self) -> None:
        """Find or create the experiment and load its runs, once; calls after the first cost nothing.

        A results folder that was moved is told to MLflow before its runs are read.
        """
        if self._client is not None:
            return
        mlflow = import_mlflow()
        check_answers(self.tracking_uri)
        with creation_lock(self.tracking_uri):
            create_database(self.tracking_uri)
            client = mlflow.MlflowClient(self.tracking_uri)
            self._experiment_id = open_experiment(
                client, self.sweep_name, self._store_id(), self._artifact_folder, self._table
            )
        engine = database_engine(client)
        if engine is not None and self._artifact_folder is not None:
            mend(engine, self.tracking_uri, self._experiment_id, self._artifact_folder)
        self._runs = load_runs(client, self._experiment_id, self._place)
        self._client = client

    def disconnect(self) -> None:
        """Forget everything read so far and close pooled connections; the next use connects again."""
        engine = database_engine(self._client)
        if engine is not None:
            engine.dispose()
        self._client = None
        self._runs = {}

    def known(self) -> Mapping[str, Run]:
        """Runs by trial id."""
        return self._runs

    def start(self, config: TrialConfig) -> None:
        """Make sure that the trial has a run, and that it says "running"."""
        run = self._ensure(config, started=_now())
        run.resume()
        run.remove_tag(LEFT_TAG)
        run.write(tags={"state": "running", FINGERPRINT: ""})

    def log_epochs(self, config: TrialConfig, curves: Curves) -> None:
        """Log the metrics of epochs that are not logged yet.

        MLflow stores metrics and tags one after the other: a run of an earlier connection may hold epochs
        that its tag does not count.
        """
        run = self._ensure(config, started=_now())
        fresh = {epoch: point for epoch, point in curves.items() if epoch >= run.epochs}
        if fresh:
            now = _now()
            points = [(name, value, now, epoch) for name, value, epoch in run.unlogged(fresh)]
            run.write(metrics=points, tags={EPOCHS_TAG: str(max(fresh) + 1)})

    def kill(self, config: TrialConfig) -> bool:
        """End a trial's run as interrupted; returns whether that changed anything."""
        run = self._runs.get(config.trial_id)
        if run is None or run.status == STATUS["interrupted"]:
            return False
        run.interrupt(_now())
        self._runs[config.trial_id] = run.stub()
        return True

    def bring_level(self, trial: TrialState, store: Store) -> bool:
        """Make a trial's run show what the store holds; returns whether there was anything to do.

        Raises StoreError for results that are damaged.
        """
        run = self._runs.get(trial.config.trial_id)
        shown = None if run is None else (run.tags.get(FINGERPRINT), run.status)
        is_whole = run is None or not trial.replicates or run.has_artifacts
        if shown == (self._fingerprint(trial), STATUS[trial.state]) and is_whole:
            return False
        self._mirror(trial, trial_view(trial, store))
        return True

    def _mirror(self, trial: TrialState, view: TrialView) -> None:
        """Write what the store holds of a trial: curves, summary, tags, artifacts, status.

        Metrics cannot be taken back in MLflow. When every replicate has ended and the run holds a metric that
        the store contradicts (epochs repeated after a crash came out otherwise, replicates were added, or a
        call took effect though its answer was lost), the run is deleted and written anew.
        """
        config, now = trial.config, _now()
        run = self._find(config)
        if run is not None and trial.is_complete and run.contradicts(view):
            run = self._replace(run, config)
        tags = view.tags | {FINGERPRINT: self._fingerprint(trial)}
        if view.replicates:
            tags |= TABLE_TAG
        is_first_word = run is None or run.epochs == 0
        if trial.is_complete or (trial.state == "failed" and is_first_word):
            tags[EPOCHS_TAG] = str(len(view.curves))
        if run is None:  # one call tells all tags; the run is level only once its status says so
            run = self._create(config, now - round(view.seconds * 1000), tags)
        else:
            tags |= self._renamed(run, config)
        for name in (*ENDING_TAGS, *(column.tag for column in self._table.results)):
            if name not in view.tags:
                run.remove_tag(name)
        points = run.missing_finals(view, now)
        if trial.state != "interrupted":  # which goes on later, and logs these epochs itself
            points += run.missing_points(view)
        if view.replicates:
            run.write_artifacts(self._labels.trial(config), view)
        run.write(metrics=points, params=_missing_params(run, config), tags=tags)
        run.end(STATUS[trial.state], now)
        self._runs[config.trial_id] = run.stub()

    def _fingerprint(self, trial: TrialState) -> str:
        """By what a run is known to be level: the trial's, and its block's label where one was said."""
        data = trial.config.data
        label = self._labels.block(data)
        if label == block_label(data.model_copy(update={"label": None})):
            return trial.fingerprint
        return f"{trial.fingerprint}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"

    def _renamed(self, run: Run, config: TrialConfig) -> dict[str, str]:
        """The tags of a run whose block is called otherwise now; a name that a person gave it stays."""
        tags = identity_tags(config, self.sweep_name, self._rows, self._labels)
        name, block = self._names.name(config), tags["block"]
        former = name.replace(block, run.tags.get("block", block))
        if run.tags.get(_NAME_TAG) in (former, self._labels.trial(config)):  # as runs were named before
            tags[_NAME_TAG] = name
        return tags

    def _find(self, config: TrialConfig) -> Run | None:
        """A trial's run with all that MLflow holds of it, or None."""
        known = self._runs.get(config.trial_id)
        if known is not None and known.is_stub:
            known = self._runs[config.trial_id] = known.full()
        return known

    def _ensure(self, config: TrialConfig, started: int) -> Run:
        run = self._find(config) or self._create(config, started, {})
        if missing := _missing_params(run, config):
            run.write(params=missing)
        return run

    def _create(self, config: TrialConfig, started: int, extra_tags: Mapping[str, str]) -> Run:
        tags = {
            "state": "running",
            **extra_tags,
            **identity_tags(config, self.sweep_name, self._rows, self._labels),
        }
        tags["mlflow.source.name"] = "almsweep"
        found = self._client.create_run(
            self._experiment_id, start_time=started, tags=tags, run_name=self._names.name(config)
        )
        run = Run(
            self._client,
            found.info.run_id,
            "RUNNING",
            started,
            dict(tags),
            points={},
            artifacts=found.info.artifact_uri,
            place=self._place,
        )
        self._runs[config.trial_id] = run
        return run

    def _replace(self, run: Run, config: TrialConfig) -> Run:
        """Delete a run and create its successor, which inherits what a person may have written on it."""
        self._client.delete_run(run.run_id)
        self._create(config, run.started, run.others_tags)
        return self._ensure(config, run.started)


def _missing_params(run: Run, config: TrialConfig) -> dict[str, str]:
    return {name: value for name, value in params(config).items() if name not in run.params}


def _now() -> int:
    return time.time_ns() // 1_000_000
