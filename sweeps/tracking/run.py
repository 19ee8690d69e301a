"""One MLflow run, as far as this process knows it, and what is written to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.curves import Curves
from analysis.render.roc import roc_svg
from sweeps.tracking.artifacts import ArtifactPlace
from sweeps.tracking.columns import LEFT_TAG
from sweeps.tracking.connection import import_mlflow
from sweeps.tracking.state import STATUS
from sweeps.tracking.view import TrialView

METRICS_PER_BATCH = 1000  # MLflow's limit for one call
EPOCHS_TAG = "epochs"
FINGERPRINT = "mirror"
# Those by which an ended run is known to be level.
KEPT_TAGS = (EPOCHS_TAG, FINGERPRINT, LEFT_TAG)
# Those that say why it ended as it did.
ENDING_TAGS = ("reason", "error")
FINAL = "final/"
# By this tag the UI shows the replicates as a table.
TABLE_TAG = {"mlflow.loggedArtifacts": json.dumps([{"path": "replicates.json", "type": "table"}])}

Point = tuple[str, float, int, int]  # name, value, milliseconds since 1970, step


@dataclass
class Run:
    """A trial's MLflow run.

    latest      newest value of each metric
    points      logged values of the curves by metric and epoch; None until they are asked for
    artifacts   the URI that MLflow gave to its artifacts
    place       where such URIs may lead
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
    artifacts: str = ""
    place: ArtifactPlace = field(default_factory=ArtifactPlace)
    is_stub: bool = False
    is_doubled: bool = False

    @classmethod
    def of(cls, client: Any, found: Any, place: ArtifactPlace) -> Run:
        """The run that MLflow found."""
        return cls(
            client=client,
            run_id=found.info.run_id,
            status=found.info.status,
            started=found.info.start_time,
            tags=dict(found.data.tags),
            params=dict(found.data.params),
            latest=dict(found.data.metrics),
            artifacts=found.info.artifact_uri,
            place=place,
        )

    def stub(self) -> Run:
        """What has to be kept in memory of a run that ended: which it is, and whether it is level."""
        tags = {name: self.tags[name] for name in KEPT_TAGS if name in self.tags}
        return Run(
            self.client,
            self.run_id,
            self.status,
            self.started,
            tags,
            artifacts=self.artifacts,
            place=self.place,
            is_stub=True,
        )

    def full(self) -> Run:
        """The run itself, or what MLflow holds of it where this is a stub."""
        if not self.is_stub:
            return self
        return Run.of(self.client, self.client.get_run(self.run_id), self.place)

    @property
    def epochs(self) -> int:
        """Number of epochs whose metrics are logged."""
        return int(self.tags.get(EPOCHS_TAG) or 0)

    @property
    def others_tags(self) -> dict[str, str]:
        """The tags that a person may have written: not MLflow's own, nor those that tell how it stands."""
        kept = {}
        for name, value in self.tags.items():
            is_mlflows = name.startswith("mlflow.") and name != "mlflow.note.content"
            if not is_mlflows and name not in (*KEPT_TAGS, *ENDING_TAGS, "state", "commit"):
                kept[name] = value
        return kept

    @property
    def has_artifacts(self) -> bool:
        """Whether its artifacts stand, as far as can be seen: those in the output folder."""
        return self.place.stand(self.artifacts)

    def curve_points(self) -> dict[str, dict[int, float]]:
        """Logged values of the curves by metric and epoch."""
        if self.points is None:
            self.points = {}
            for name in self.latest:
                if name.startswith(FINAL):
                    continue
                history = self.client.get_metric_history(self.run_id, name)
                self.points[name] = {metric.step: metric.value for metric in history}
                self.is_doubled |= len(history) > len(self.points[name])
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
        points, new_params = metrics or [], params or {}
        changed = {name: value for name, value in (tags or {}).items() if self.tags.get(name) != value}
        told = [entities.Metric(*point) for point in points]
        # The last batch takes parameters and tags along.
        tail = max(0, (len(told) - 1) // METRICS_PER_BATCH * METRICS_PER_BATCH)
        for start in range(0, tail, METRICS_PER_BATCH):
            self.client.log_batch(self.run_id, metrics=told[start : start + METRICS_PER_BATCH])
        if points or new_params or changed:
            self.client.log_batch(
                self.run_id,
                metrics=told[tail:],
                params=[entities.Param(name, value) for name, value in new_params.items()],
                tags=[entities.RunTag(name, value) for name, value in changed.items()],
            )
        self.tags |= changed
        self.params |= new_params
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

    def interrupt(self, now: int) -> None:
        """End as interrupted, `now` in milliseconds since 1970."""
        self.write(tags={"state": "interrupted"})
        self.end(STATUS["interrupted"], now)

    def write_artifacts(self, label: str, view: TrialView) -> None:
        """Upload replicates as a table, and the ROC picture, with the trial's label in its title."""
        columns = list(view.replicates[0])
        rows = [list(row.values()) for row in view.replicates]
        texts = {"replicates.json": json.dumps({"columns": columns, "data": rows})}
        if view.roc is not None:
            texts["roc.svg"] = roc_svg(view.roc, title=f"{label}, test")
        self.place.write(self.client, self.run_id, self.artifacts, texts)

    def contradicts(self, view: TrialView) -> bool:
        """Whether the run shows what the store does not hold or holds otherwise, or shows a point twice."""
        for name, value in self.latest.items():
            if name.startswith(FINAL) and view.summary.get(name) != value:
                return True
        for name, points in self.curve_points().items():
            for epoch, value in points.items():
                if view.curves.get(epoch, {}).get(name) != value:
                    return True
        return self.is_doubled

    def missing_finals(self, view: TrialView, now: int) -> list[Point]:
        """Values of the summary that the run does not show."""
        points = []
        for name, value in view.summary.items():
            if self.latest.get(name) != value:
                points.append((name, value, now, 0))
        return points

    def missing_points(self, view: TrialView) -> list[Point]:
        """Curve points that the run lacks, spread evenly over the time that the trial took."""
        step = view.seconds * 1000 / max(len(view.curves), 1)
        newest_first = dict(reversed(view.curves.items()))  # MLflow then sets a metric's latest value once
        points = []
        for name, value, epoch in self.unlogged(newest_first):
            points.append((name, value, round(self.started + step * (epoch + 1)), epoch))
        return points

    def unlogged(self, curves: Curves) -> Iterator[tuple[str, float, int]]:
        """Name, value and epoch of those points of the curves that the run does not hold, epoch by epoch."""
        logged = self.curve_points()
        for epoch, point in curves.items():
            for name, value in point.items():
                if epoch not in logged.get(name, {}):
                    yield name, value, epoch
