"""The MLflow side of tracking: one experiment per sweep of a result store, one run per trial.

Everything here raises what MLflow raises; `tracking` decides what that means.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from search_spaces.config import TrialConfig
from search_spaces.labels import trial_label
from sweeps.compat import database_engine
from sweeps.tracking.columns import VIEW_TAG, saved_view
from sweeps.tracking.connection import creation_lock, import_mlflow
from sweeps.tracking.run import EPOCHS_TAG, FINGERPRINT, TABLE_TAG, Run, local_folder
from sweeps.tracking.tags import identity_tags, params
from sweeps.tracking.view import STATUS, Curves, TrialState, TrialView

log = logging.getLogger(__name__)

RUNS_PER_PAGE = 1000
STORE_TAG = "almsweep.store"

_ENDING_TAGS = ("reason", "error")


class SweepRuns:
    """The runs of one sweep's experiment. Not safe to use from several threads at once."""

    def __init__(
        self,
        tracking_uri: str,
        sweep_name: str,
        artifact_folder: str | None,
        commit: str | None,
        store_id: Callable[[], str],
    ) -> None:
        """`artifact_folder` is where a new experiment keeps artifacts; None leaves it to the server.

        `store_id` gives the result store's identity: another store's sweep of this name, on the same server,
        keeps its experiment.
        """
        self.tracking_uri = tracking_uri
        self.sweep_name = sweep_name
        self._artifact_folder = artifact_folder
        self._commit = commit
        self._store_id = store_id
        self._client: Any = None
        self._experiment_id = ""
        self._runs: dict[str, Run] = {}

    def connect(self) -> None:
        """Find or create the experiment and load its runs, once; calls after the first cost nothing."""
        if self._client is not None:
            return
        mlflow = import_mlflow()
        with creation_lock(self.tracking_uri):
            client = mlflow.MlflowClient(self.tracking_uri)
            experiment = self._experiment(client)
        self._experiment_id = experiment.experiment_id
        view = saved_view(created=experiment.creation_time or 0)
        if experiment.tags.get(VIEW_TAG) != view:
            client.set_experiment_tag(self._experiment_id, VIEW_TAG, view)
        self._runs = self._load(client)
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
        run.write(tags={"state": "running", FINGERPRINT: ""})

    def log_epochs(self, config: TrialConfig, curves: Curves) -> None:
        """Log the metrics of epochs that are not logged yet.

        MLflow stores metrics and tags one after the other: a run of an earlier connection may hold epochs
        that its tag does not count.
        """
        run = self._ensure(config, started=_now())
        fresh = {epoch: point for epoch, point in curves.items() if epoch >= run.epochs}
        if fresh:
            now, logged = _now(), run.curve_points()
            points = [
                (name, value, now, epoch)
                for epoch, point in fresh.items()
                for name, value in point.items()
                if epoch not in logged.get(name, {})
            ]
            run.write(metrics=points, tags={EPOCHS_TAG: str(max(fresh) + 1)})

    def kill(self, config: TrialConfig) -> bool:
        """End a trial's run as interrupted; returns whether that changed anything."""
        run = self._runs.get(config.trial_id)
        if run is None or run.status == STATUS["interrupted"]:
            return False
        run.write(tags={"state": "interrupted"})
        run.end(STATUS["interrupted"], _now())
        self._runs[config.trial_id] = run.stub()
        return True

    def is_level(self, standing: TrialState) -> bool:
        """Whether the trial's run already shows what the store holds."""
        run = self._runs.get(standing.config.trial_id)
        return (
            run is not None
            and run.tags.get(FINGERPRINT) == standing.fingerprint
            and run.status == STATUS[standing.state]
        )

    def mirror(self, standing: TrialState, view: TrialView) -> None:
        """Bring a trial's run level with the store: curves, summary, tags, artifacts, status.

        Metrics cannot be taken back in MLflow. When every replicate has ended and the run holds a metric that
        the store contradicts (epochs repeated after a crash came out otherwise, replicates were added, or a
        call took effect though its answer was lost), the run is deleted and written anew.
        """
        config, now, length = standing.config, _now(), round(view.seconds * 1000)
        tags = view.tags | {FINGERPRINT: standing.fingerprint}
        if view.replicates:
            tags |= TABLE_TAG
        run = self._find(config)
        if run is not None and standing.is_complete and run.contradicts(view):
            run = self._replace(run, config)
        if standing.is_complete or (standing.state == "failed" and (run is None or run.epochs == 0)):
            tags[EPOCHS_TAG] = str(len(view.curves))
        if run is None:  # one call tells all tags; the run is level only once its status says so
            run = self._create(config, now - length, tags)
        metrics = [(name, v, now, 0) for name, v in view.summary.items() if run.latest.get(name) != v]
        if standing.state != "interrupted":  # which goes on later, and logs these epochs itself
            metrics += run.missing_points(view)
        for name in _ENDING_TAGS:
            if name not in view.tags:
                run.remove_tag(name)
        if view.replicates:
            run.write_artifacts(config, view)
        run.write(metrics=metrics, params=_missing_params(run, config), tags=tags)
        run.end(STATUS[standing.state], now)
        self._runs[config.trial_id] = run.stub()

    def _experiment(self, client: Any) -> Any:
        """The experiment of the sweep's name; where that is another store's, one that tells the store too."""
        store_id = self._store_id()
        experiment = self._named_experiment(client, self.sweep_name, store_id)
        owner = experiment.tags.get(STORE_TAG)
        if owner is None:
            client.set_experiment_tag(experiment.experiment_id, STORE_TAG, store_id)
        elif owner != store_id:
            name = f"{self.sweep_name}-{store_id}"
            log.warning("MLflow's experiment %s is another output folder's; using %s", self.sweep_name, name)
            experiment = self._named_experiment(client, name, store_id)
        return experiment

    def _named_experiment(self, client: Any, name: str, store_id: str) -> Any:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            tags = {"mlflow.experimentKind": "custom_model_development", STORE_TAG: store_id}
            created = client.create_experiment(name, artifact_location=self._artifact_folder, tags=tags)
            return client.get_experiment(created)
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return experiment

    def _load(self, client: Any) -> dict[str, Run]:
        """Runs by trial id; of two for one trial, left by a crash or a race, the newer is deleted."""
        runs: dict[str, Run] = {}
        token = None
        while True:
            page = client.search_runs(
                [self._experiment_id],
                max_results=RUNS_PER_PAGE,
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                page_token=token,
            )
            for found in page:
                trial_id = found.data.tags.get("trial_id")
                if trial_id in runs:
                    client.delete_run(found.info.run_id)
                elif trial_id is not None:
                    runs[trial_id] = Run.of(client, found).stub()
            token = page.token
            if not token:
                return runs

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
        tags = {"state": "running", **extra_tags, **identity_tags(config, self.sweep_name)}
        tags["mlflow.source.name"] = "almsweep"
        if self._commit:
            tags.setdefault("commit", self._commit)
        found = self._client.create_run(
            self._experiment_id, start_time=started, tags=tags, run_name=trial_label(config)
        )
        run = Run(
            self._client,
            found.info.run_id,
            "RUNNING",
            started,
            dict(tags),
            points={},
            folder=local_folder(found.info.artifact_uri),
        )
        self._runs[config.trial_id] = run
        return run

    def _replace(self, run: Run, config: TrialConfig) -> Run:
        """Delete a run and create its successor, which inherits what a person may have written on it."""
        self._client.delete_run(run.run_id)
        kept = {
            k: v for k, v in run.tags.items() if not k.startswith("mlflow.") or k == "mlflow.note.content"
        }
        for name in (FINGERPRINT, EPOCHS_TAG, "state", "commit", *_ENDING_TAGS):
            kept.pop(name, None)
        self._create(config, run.started, kept)
        return self._ensure(config, run.started)


def _missing_params(run: Run, config: TrialConfig) -> dict[str, str]:
    return {name: value for name, value in params(config).items() if name not in run.params}


def _now() -> int:
    return time.time_ns() // 1_000_000
