"""One MLflow run, as far as this process knows it, and what is written to it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from analysis.render.roc import roc_svg
from search_spaces.config import TrialConfig
from search_spaces.labels import trial_label
from sweeps.tracking.connection import import_mlflow
from sweeps.tracking.view import TrialView

METRICS_PER_BATCH = 1000  # MLflow's limit for one call
EPOCHS_TAG = "epochs"
FINGERPRINT = "mirror"
FINAL = "final/"
# By this tag the UI shows the replicates as a table.
TABLE_TAG = {"mlflow.loggedArtifacts": json.dumps([{"path": "replicates.json", "type": "table"}])}

Point = tuple[str, float, int, int]  # name, value, milliseconds since 1970, step


@dataclass
class Run:
    """A trial's MLflow run.

    latest      newest value of each metric
    points      logged values of the curves by metric and epoch; None until they are asked for
    folder      where its artifacts lie, when that is a folder of this machine; "" else
    is_stub     whether parameters, metrics and most tags were let go, to be asked for again when needed
    is_doubled  whether an epoch of a curve stands there twice, as far as `points` tells
    """

    client: Any
    run_id: str
    status: str
    started: int
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    points: dict[str, dict[int, float]] | None = None
    folder: str = ""
    is_stub: bool = False
    is_doubled: bool = False

    @classmethod
    def of(cls, client: Any, found: Any) -> Run:
        """The run that MLflow found."""
        return cls(
            client=client,
            run_id=found.info.run_id,
            status=found.info.status,
            started=found.info.start_time,
            tags=dict(found.data.tags),
            params=dict(found.data.params),
            latest=dict(found.data.metrics),
            folder=local_folder(found.info.artifact_uri),
        )

    def stub(self) -> Run:
        """What has to be kept in memory of a run that ended: which it is, and whether it is level."""
        tags = {name: self.tags[name] for name in (EPOCHS_TAG, FINGERPRINT) if name in self.tags}
        return Run(
            self.client, self.run_id, self.status, self.started, tags, folder=self.folder, is_stub=True
        )

    def full(self) -> Run:
        """The run itself, or what MLflow holds of it where this is a stub."""
        return Run.of(self.client, self.client.get_run(self.run_id)) if self.is_stub else self

    @property
    def epochs(self) -> int:
        """Number of epochs whose metrics are logged."""
        return int(self.tags.get(EPOCHS_TAG) or 0)

    def curve_points(self) -> dict[str, dict[int, float]]:
        """Logged values of the curves by metric and epoch."""
        if self.points is None:
            names = [name for name in self.latest if not name.startswith(FINAL)]
            histories = {name: self.client.get_metric_history(self.run_id, name) for name in names}
            self.points = {name: {m.step: m.value for m in found} for name, found in histories.items()}
            self.is_doubled = any(len(found) > len(self.points[name]) for name, found in histories.items())
        return self.points

    def write(
        self,
        *,
        metrics: list[Point] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log metrics, parameters, and tags that change, in as few calls as possible."""
        entities = import_mlflow().entities
        points = metrics or []
        changed = {k: v for k, v in (tags or {}).items() if self.tags.get(k) != v}
        tail = max(0, (len(points) - 1) // METRICS_PER_BATCH * METRICS_PER_BATCH)
        for start in range(0, tail, METRICS_PER_BATCH):
            batch = points[start : start + METRICS_PER_BATCH]
            self.client.log_batch(self.run_id, metrics=[entities.Metric(*m) for m in batch])
        if points or params or changed:
            self.client.log_batch(
                self.run_id,
                metrics=[entities.Metric(*m) for m in points[tail:]],
                params=[entities.Param(k, v) for k, v in (params or {}).items()],
                tags=[entities.RunTag(k, v) for k, v in changed.items()],
            )
        self.tags |= changed
        self.params |= params or {}
        for name, value, _, step in points:
            self.latest[name] = value
            if self.points is not None and not name.startswith(FINAL):
                self.points.setdefault(name, {})[step] = value

    def remove_tag(self, name: str) -> None:
        """Remove a tag, where it stands."""
        if name in self.tags:
            self.client.delete_tag(self.run_id, name)
            del self.tags[name]

    def resume(self) -> None:
        """Say that the run goes on."""
        if self.status != "RUNNING":
            self.client.update_run(self.run_id, status="RUNNING")
            self.status = "RUNNING"

    def end(self, status: str, ended: int) -> None:
        """Say that the run ended, at `ended` milliseconds since 1970."""
        if self.status != status:
            self.client.set_terminated(self.run_id, status, ended)
            self.status = status
        self.points = None  # thousands of ended runs are known at a time, and their curves asked for seldom

    def write_artifacts(self, config: TrialConfig, view: TrialView) -> None:
        """Upload replicates as a table, and the ROC picture."""
        columns = list(view.replicates[0])
        rows = [[row[c] for c in columns] for row in view.replicates]
        texts = {"replicates.json": json.dumps({"columns": columns, "data": rows})}
        if "test" in view.scores:
            texts["roc.svg"] = roc_svg(*view.scores["test"], title=f"{trial_label(config)}, test")
        if self.folder:  # as MLflow's client would, without its four queries
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                Path(self.folder, name).write_text(text, encoding="utf-8")
            return
        with tempfile.TemporaryDirectory(prefix="almsweep-") as folder:
            for name, text in texts.items():
                Path(folder, name).write_text(text, encoding="utf-8")
            self.client.log_artifacts(self.run_id, folder)

    def contradicts(self, view: TrialView) -> bool:
        """Whether the run shows what the store does not hold or holds otherwise, or shows a point twice."""
        finals = ((name, value) for name, value in self.latest.items() if name.startswith(FINAL))
        if any(view.summary.get(name) != value for name, value in finals):
            return True
        logged = ((n, e, v) for n, points in self.curve_points().items() for e, v in points.items())
        differs = any(view.curves.get(epoch, {}).get(name) != value for name, epoch, value in logged)
        return differs or self.is_doubled

    def missing_points(self, view: TrialView) -> list[Point]:
        """Curve points that the run lacks, spread evenly over the time that the trial took."""
        logged = self.curve_points()
        step = view.seconds * 1000 / max(len(view.curves), 1)
        return [
            (name, value, round(self.started + step * (epoch + 1)), epoch)
            # Newest first: MLflow then sets a metric's latest value once.
            for epoch, point in reversed(view.curves.items())
            for name, value in point.items()
            if epoch not in logged.get(name, {})
        ]


def local_folder(artifact_uri: str) -> str:
    """The folder that an artifact URI names; "" for one that is no local folder's."""
    parts = urlsplit(artifact_uri)
    return url2pathname(parts.path) if parts.scheme == "file" and not parts.netloc else ""
