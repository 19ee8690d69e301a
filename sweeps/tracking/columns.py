"""Which columns MLflow's table of runs shows: a saved view, stored as a tag of the experiment.

MLflow's UI offers saved views under "Views" and opens one by `?viewStateShareKey=<key>`; without it the
table shows no metric at all. The form is that of MLflow 3.16 and 3.17: an envelope around the view's state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from search_spaces.config import Metric, Targets, Task

VIEW_KEY = "results"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
VIEW_NAME = "Results"

# Characters that MLflow refuses in the name of a metric.
_FORBIDDEN = re.compile(r"[^/\w.\- :]")
# Of a run whose trial is not in the sweep's space any more; the view leaves it out.
LEFT_TAG = "not_in_space"

# Pixels. MLflow's table is 1,250 wide in a window of 1,500: what comes first is to be seen without scrolling.
_FIRST = {"attributes.`Run Name`": 190, "runDateAndNestInfo": 120}
_TRIAL = {"loss": 160, "constraint": 105, "delta": 64}
_LAST = {"replicates": 95, "state": 90}
# Where a sweep has several blocks, which take a column of their own.
_NARROW = {"attributes.`Run Name`": 160, "runDateAndNestInfo": 80}
_BLOCK_TRIAL = {"block": 110, **_TRIAL, "loss": 150}
_LETTER, _AROUND = 7, 32  # of a header


@dataclass(frozen=True)
class ResultColumn:
    """A result in the table of runs: a tag with its text, beside the metric, which is exact.

    MLflow shows of a metric all digits that there are, or as many as its column has room for. The text has
    four decimals, so that sorting it sorts the numbers.
    """

    tag: str
    metric: str

    @property
    def width(self) -> int:
        """In pixels, that of its name."""
        return _LETTER * len(self.tag) + _AROUND

    def text(self, summary: Mapping[str, float]) -> str | None:
        """The text of the result among a trial's final metrics; None where it is undefined."""
        value = summary.get(self.metric)
        return None if value is None else f"{value:.4f}"


@dataclass(frozen=True)
class RunsTable:
    """What the table of runs shows: results, and blocks where there are several."""

    results: tuple[ResultColumn, ...]
    has_blocks: bool

    @classmethod
    def of(cls, tasks: Iterable[Task], targets: Targets) -> RunsTable:
        """The table of a sweep of these tasks, read at these rates."""
        distinct = list(dict.fromkeys(tasks))
        return cls(result_columns(distinct, targets), len(distinct) > 1)


def result_columns(tasks: Iterable[Task], targets: Targets) -> tuple[ResultColumn, ...]:
    """The results to show of trials of these tasks: of a binary one "val AUC", "test AUC", "test FPR 98" ...

    The first is what selection reads; test results are for reading only.
    """
    found: dict[ResultColumn, None] = {}
    for headline, steering in dict.fromkeys((t.headline(targets), t.steering_metric) for t in tasks):
        found[_column("val", steering)] = None
        for metric in headline:
            found[_column("test", metric)] = None
    return tuple(found)


def _column(split: str, metric: Metric) -> ResultColumn:
    words = metric.header.removesuffix(" (%)").replace("@", " ")
    return ResultColumn(mlflow_name(f"{split} {words}"), mlflow_name(f"final/{split}/{metric.name}"))


def mlflow_name(metric: str) -> str:
    """A metric's name as MLflow takes it: other characters, of a class's label, are written as their number.

    >>> mlflow_name("val/recall/a(b"), mlflow_name("val/fpr_at_tpr_99.5")
    ('val/recall/a_28b', 'val/fpr_at_tpr_99.5')
    """
    return _FORBIDDEN.sub(lambda found: f"_{ord(found.group()):x}", metric)


def saved_view(created: int, table: RunsTable) -> str:
    """Value of the experiment's tag VIEW_TAG; `created` in milliseconds since 1970.

    Runs are sorted by the first of the results; those of trials that left the sweep are not shown.
    """
    results = {column.tag: column.width for column in table.results}
    first, trial = (_NARROW, _BLOCK_TRIAL) if table.has_blocks else (_FIRST, _TRIAL)
    tags = {}
    for name, width in {**trial, **results, **_LAST}.items():
        tags[f"tags.`{name}`"] = width
    widths = first | tags
    state = {
        "searchFilter": f"tags.{LEFT_TAG} IS NULL",
        "orderByKey": f"metrics.`{table.results[0].metric}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(tags),
        "columnOrder": list(widths),
        "columnWidths": widths,
    }
    envelope = {"name": VIEW_NAME, "createdAt": created, "updatedAt": created, "state": json.dumps(state)}
    return json.dumps(envelope)


def results_path(experiment_id: str) -> str:
    """Path, below MLflow's address, of an experiment's table of runs with these columns."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW_KEY}"
