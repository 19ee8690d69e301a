"""Which columns MLflow's table of runs shows: a saved view, stored as a tag of the experiment.

MLflow's UI offers saved views under "Views" and opens one by `?viewStateShareKey=<key>`; without it the
table shows no metric at all. The form is that of MLflow 3.16 and 3.17: an envelope around the view's state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from search_spaces.config import Targets, Task

VIEW_KEY = "results"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
VIEW_NAME = "Results"

# Characters that MLflow refuses in the name of a metric.
_FORBIDDEN = re.compile(r"[^/\w.\- :]")
TAGS = ("state", "replicates")
# Of a run whose trial is not in the sweep's space any more; the view leaves it out.
LEFT_TAG = "not_in_space"
WIDTHS = {"attributes.`Run Name`": 380, "runDateAndNestInfo": 140, "duration": 70}  # pixels
METRIC_WIDTH = 150
TAG_WIDTH = 100


def shown_metrics(tasks: Iterable[Task], targets: Targets) -> tuple[str, ...]:
    """The metrics to show of trials of these tasks: of a binary one final/val/auroc, final/test/auroc ...

    The first is what selection reads; test metrics are for reading only.
    """
    names: list[str] = []
    for headline, steers in dict.fromkeys((task.headline(targets), task.steers) for task in tasks):
        names.append(f"final/val/{steers}")
        names += [f"final/test/{metric.name}" for metric in headline]
        names += [f"final/test/{steers}_mean", f"final/test/{steers}_std"]
    return tuple(mlflow_name(name) for name in names)


def mlflow_name(metric: str) -> str:
    """A metric's name as MLflow takes it: other characters, of a class's label, are written as their number.

    >>> mlflow_name("val/recall/a(b"), mlflow_name("val/fpr_at_tpr_99.5")
    ('val/recall/a_28b', 'val/fpr_at_tpr_99.5')
    """
    return _FORBIDDEN.sub(lambda found: f"_{ord(found.group()):x}", metric)


def saved_view(created: int, metric_names: Sequence[str]) -> str:
    """Value of the experiment's tag VIEW_TAG; `created` in milliseconds since 1970.

    Runs are sorted by the first of the metrics; those of trials that left the sweep are not shown.
    """
    metrics = [f"metrics.`{name}`" for name in metric_names]
    tags = [f"tags.`{name}`" for name in TAGS]
    widths = WIDTHS | dict.fromkeys(metrics, METRIC_WIDTH) | dict.fromkeys(tags, TAG_WIDTH)
    state = {
        "searchFilter": f"tags.{LEFT_TAG} IS NULL",
        "orderByKey": metrics[0],
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": ["attributes.`Duration`", *metrics, *tags],
        "columnOrder": list(widths),
        "columnWidths": widths,
    }
    envelope = {"name": VIEW_NAME, "createdAt": created, "updatedAt": created, "state": json.dumps(state)}
    return json.dumps(envelope)


def results_path(experiment_id: str) -> str:
    """Path, below MLflow's address, of an experiment's table of runs with these columns."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW_KEY}"
