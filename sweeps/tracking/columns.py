"""Which columns MLflow's table of runs shows: a saved view, stored as a tag of the experiment.

MLflow's UI offers saved views under "Views" and opens one by `?viewStateShareKey=<key>`; without it the
table shows no metric at all. The form is that of MLflow 3.16 and 3.17: an envelope around the view's state.
"""

from __future__ import annotations

import json

VIEW_KEY = "results"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
VIEW_NAME = "Results"

# Sorted by what selection reads; test metrics are for reading only.
ORDER_BY = "metrics.`final/val/auroc`"
METRICS = (
    "final/val/auroc",
    "final/test/auroc",
    "final/test/fpr_at_tpr_98",
    "final/test/fpr_at_tpr_95",
    "final/test/fpr_at_tpr_90",
    "final/test/auroc_mean",
    "final/test/auroc_std",
)
TAGS = ("state", "replicates")
WIDTHS = {"attributes.`Run Name`": 380, "runDateAndNestInfo": 140, "duration": 70}  # pixels
METRIC_WIDTH = 150
TAG_WIDTH = 100


def saved_view(created: int) -> str:
    """Value of the experiment's tag VIEW_TAG; `created` in milliseconds since 1970."""
    metrics = [f"metrics.`{name}`" for name in METRICS]
    tags = [f"tags.`{name}`" for name in TAGS]
    widths = WIDTHS | dict.fromkeys(metrics, METRIC_WIDTH) | dict.fromkeys(tags, TAG_WIDTH)
    state = {
        "searchFilter": "",
        "orderByKey": ORDER_BY,
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
